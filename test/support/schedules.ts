/** Schedules, and the system around them, on each store and on a clock that the test moves. No scheduler runs by itself. */
import { Effect, Layer, Schema } from "effect"
import * as Dispatcher from "../../actors/dispatch/dispatcher.ts"
import * as Replies from "../../actors/dispatch/replies.ts"
import * as ScheduleOperator from "../../actors/schedule/operator.ts"
import { Settings, type SettingsShape } from "../../runtime/config.ts"
import { defineTask } from "../../runtime/handler.ts"
import { partitionKeys } from "../../runtime/keys.ts"
import * as Memory from "../../runtime/memory/stores.ts"
import * as Redis from "../../runtime/redis/stores.ts"
import { Handlers } from "../../runtime/registry.ts"
import { schedulesPartition } from "../../runtime/schedules.ts"
import { memorySettings, redisSettings } from "./redis.ts"
import { aClient, partition, redisTimeOf } from "./stores.ts"
import { memoryTime, scriptsOnTestTime, TestTime } from "./time.ts"

const anything = defineTask({ name: "test", run: (input) => input })
const strict = defineTask({
  name: "strict",
  input: Schema.Struct({ count: Schema.Int }),
  run: ({ count }) => count
})

const around = Layer.mergeAll(Dispatcher.layer, ScheduleOperator.layer).pipe(
  Layer.provideMerge(Replies.layer)
)
const handlers = Handlers.layer({ given: [anything, strict] })

export const memorySchedules = (over: Partial<SettingsShape> = {}) =>
  Layer.orDie(around).pipe(
    Layer.provideMerge(Layer.merge(Memory.layer, handlers)),
    Layer.provideMerge(memoryTime),
    Layer.provideMerge(memorySettings(over))
  )

const redisTime = Layer.effect(
  TestTime,
  Effect.gen(function* () {
    const { namespace } = yield* Settings
    const client = yield* aClient
    const bases = [partition, schedulesPartition].map((of) => partitionKeys(namespace, of).base)
    return yield* redisTimeOf(client, ...bases)
  })
)

/** On a store and a clock in Redis, with settings of their own whenever it is built. */
export const schedulesOn = <E, E2>(
  store: Layer.Layer<Layer.Success<ReturnType<typeof Redis.layer>>, E, Settings>,
  time: Layer.Layer<TestTime, never, Settings>,
  settings: () => Layer.Layer<Settings, E2>
): ReturnType<typeof memorySchedules> =>
  Layer.unwrap(
    Effect.sync(() =>
      Layer.orDie(
        around.pipe(Layer.provideMerge(Layer.mergeAll(store, handlers, time)), Layer.provideMerge(settings()))
      )
    )
  ) as never

/** In a namespace of its own whenever it is built. */
export const redisSchedules = (over: Partial<SettingsShape> = {}) =>
  schedulesOn(Redis.layer(scriptsOnTestTime), redisTime, () => redisSettings(over))

export type SchedulesUnderTest = Layer.Success<ReturnType<typeof memorySchedules>>
export type SchedulesWith = (over?: Partial<SettingsShape>) => Layer.Layer<SchedulesUnderTest>
