/** The operations that the suite runs against, with a clock that the test moves for the tasks and the names of queues. */
import { Effect, Layer } from "effect"
import { Settings, type SettingsShape } from "../../runtime/config.ts"
import { partitionKeys } from "../../runtime/keys.ts"
import * as Memory from "../../runtime/memory/stores.ts"
import { Operations, type Shelf } from "../../runtime/operations.ts"
import { queuesPartition } from "../../runtime/queue-names.ts"
import * as Redis from "../../runtime/redis/stores.ts"
import type { Store } from "../../runtime/store.ts"
import { ulidOfId } from "../../runtime/task.ts"
import { memorySettings, redisSettings } from "./redis.ts"
import { aClient, partition, redisTimeOf } from "./stores.ts"
import { memoryTime, scriptsOnTestTime, TestTime } from "./time.ts"

export type OperationsUnderTest = Store | Operations | TestTime

export const memoryOperations = (over: Partial<SettingsShape> = {}): Layer.Layer<OperationsUnderTest> =>
  Memory.layer.pipe(Layer.provideMerge(memoryTime), Layer.provide(memorySettings(over)))

const redisTime = Layer.effect(
  TestTime,
  Effect.gen(function* () {
    const { namespace } = yield* Settings
    const client = yield* aClient
    const ofTasks = yield* redisTimeOf(client, partitionKeys(namespace, partition).base)
    const ofNames = yield* redisTimeOf(client, partitionKeys(namespace, queuesPartition).base)
    return TestTime.of({
      now: ofTasks.now,
      advance: (by) => Effect.andThen(ofTasks.advance(by), ofNames.advance(by)),
      setBack: (by) => Effect.andThen(ofTasks.setBack(by), ofNames.setBack(by))
    })
  })
)

export const redisOperations = (over: Partial<SettingsShape> = {}): Layer.Layer<OperationsUnderTest> =>
  Layer.unwrap(
    Effect.sync(() =>
      Layer.orDie(
        Layer.merge(Redis.layer(scriptsOnTestTime), redisTime).pipe(Layer.provide(redisSettings(over)))
      )
    )
  )

/** The pieces of a whole walk along a shelf, by ULIDs. */
export const piecesOf = Effect.fnUntraced(function* (shelf: Shelf, most: number) {
  const operations = yield* Operations
  const pieces: Array<ReadonlyArray<string>> = []
  let cursor: string | undefined
  do {
    const { ids, next } = yield* operations.scan(partition, shelf, cursor, most)
    pieces.push(ids.map(ulidOfId))
    cursor = next
  } while (cursor !== undefined)
  return pieces
})

export const walked = (shelf: Shelf, most = 100) =>
  Effect.map(piecesOf(shelf, most), (pieces) => pieces.flat())
