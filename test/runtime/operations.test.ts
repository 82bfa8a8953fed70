import { describe, expect } from "bun:test"
import { Context, Effect, Layer } from "effect"
import type { Redis } from "ioredis"
import { partitionKeys } from "../../runtime/keys.ts"
import { minuteKeptMs, Operations } from "../../runtime/operations.ts"
import { makeDeadIndex } from "../../runtime/redis/dead-index.ts"
import * as Scripted from "../../runtime/redis/scripted.ts"
import * as RedisStore from "../../runtime/redis/stores.ts"
import { Store } from "../../runtime/store.ts"
import { operationsSuite } from "../suite/operations.ts"
import { runSequence, type Side } from "../suite/operations-sequences.ts"
import { it } from "../support/effect.ts"
import { memoryOperations, type OperationsUnderTest, redisOperations, walked } from "../support/operations.ts"
import { redisUrl } from "../support/redis.ts"
import { settingsFor } from "../support/server.ts"
import { aClient, partition } from "../support/stores.ts"
import { aTask, claim, end, submit, turn, ulidAt } from "../support/tasks.ts"
import { startOfTime } from "../support/time.ts"

operationsSuite("memory", memoryOperations)
operationsSuite("Redis", redisOperations)

describe("both stores", () => {
  const sideOf = (layer: Layer.Layer<OperationsUnderTest>) =>
    Effect.map(
      Layer.build(Layer.fresh(layer)),
      (context): Side =>
        (step) =>
          Effect.provideContext(step, context)
    )

  /** To see a run again: `OPERATIONS_SEED=… bun test test/runtime/operations.test.ts`. */
  const seed = Number(process.env["OPERATIONS_SEED"] ?? Math.floor(Math.random() * 1_000_000_000))
  const count = Number(process.env["OPERATIONS_SEQUENCES"] ?? 25)

  it.live(
    "answer the same to random sequences of what workers and operators do",
    () =>
      Effect.forEach(
        Array.from({ length: count }, (_, at) => seed + at),
        (seed) =>
          Effect.scoped(
            Effect.gen(function* () {
              const sides = [yield* sideOf(memoryOperations()), yield* sideOf(redisOperations())]
              yield* runSequence(sides, seed, 60)
            })
          ),
        { discard: true }
      ),
    600_000
  )
})

describe("operations in Redis", () => {
  /** What one command may take, and how often all is done, so that a busy machine does not count. */
  const microsMax = 5_000
  const rounds = 3

  /** How long commands took since this was last asked, in microseconds: those of a name, or of a script. */
  const durations = (client: Redis) =>
    Effect.promise(async () => {
      const entries = (await client.slowlog("GET", -1)) as Array<[number, number, number, Array<string>]>
      await client.slowlog("RESET")
      return Map.groupBy(entries, ([, , , [name, script]]) => (name === "fcall" ? script! : name!))
    })

  /** Dead letters may take as much as they do. */
  const deadBytes = Number.MAX_SAFE_INTEGER

  const median = (numbers: ReadonlyArray<number>) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!

  it.live(
    "never hold Redis up for 5 ms, however large a segment, a lane and the dead letters are",
    () =>
      Effect.gen(function* () {
        const operations = yield* Operations
        const client = yield* aClient
        const some = Array.from({ length: 50_000 }, (_, n) => aTask({ ulid: ulidAt(startOfTime, n) }))
        for (let at = 0; at < some.length; at += 1_000) yield* submit(...some.slice(at, at + 1_000))
        for (let at = 0; at < 10_000; at += 500) {
          const entries = yield* claim("w", 500)
          yield* turn("w", { settled: entries.map((entry) => end(entry, "F")) })
        }
        yield* Effect.promise(async () => {
          await client.config("SET", "slowlog-max-len", 100_000)
          await client.config("SET", "slowlog-log-slower-than", 0)
          await client.slowlog("RESET")
        })

        for (let round = 0; round < rounds; round++) {
          let cursor: string | undefined
          for (let page = 0; page < 2; page++) {
            cursor = (yield* operations.scan(partition, "all", cursor, 500)).next
          }
          yield* operations.scan(partition, "dead", undefined, 500)
          yield* operations.scan(partition, "waiting", undefined, 500)
          yield* operations.queue(partition)
          yield* operations.limit(partition, { maxDepth: 100_000, keepBytes: 1_000 })
          yield* operations.purge(partition, 2_000, "no")
          yield* operations.trim(partition, { deadMax: 9_000 - 1_000 * round, deadBytes })
        }

        const took = yield* durations(client)
        yield* Effect.promise(() => client.config("SET", "slowlog-log-slower-than", -1))
        const medians = [...took].map(([name, entries]) => [
          name,
          median(entries.map(([, , micros]) => micros))
        ])
        expect(medians.length).toBeGreaterThan(8)
        expect(medians.filter(([, micros]) => Number(micros) > microsMax)).toEqual([])
      }).pipe(Effect.provide(redisOperations())),
    60_000
  )

  it.live("leave no key behind once a queue is empty, but for counters that go by themselves", () =>
    Effect.gen(function* () {
      const client = yield* aClient
      const namespace = "operated"
      const { base } = partitionKeys(namespace, partition)
      yield* Effect.gen(function* () {
        const operations = yield* Operations
        const store = yield* Store
        yield* operations.limit(partition, { maxDepth: 10, keepBytes: 1 })
        yield* operations.pause(partition, true, "k")
        yield* submit(...Array.from({ length: 3 }, () => aTask()), aTask({ due: { afterMs: 60_000 } }))
        const left = aTask({ box: { name: "|k", limit: 1, ordered: true } })
        yield* submit(left)
        yield* store.cancel(partition, left.ulid, "its entry stays in its box")
        const [first] = yield* claim("w", 1)
        yield* turn("w", { settled: [end(first!, "F")] })
        yield* operations.purge(partition, 10, "no")
        yield* operations.pause(partition, false, "k")
        expect(yield* operations.trim(partition, { deadMax: 0, deadBytes })).toBe(2)
        yield* operations.limit(partition, {})
        yield* operations.trim(partition, { deadMax: 0, deadBytes })
        yield* turn("w", { want: 10 })
        yield* store.leave(partition, "w")
        yield* (yield* store.bell(partition)).wait(1)
        expect(yield* walked("all")).toEqual([])
      }).pipe(Effect.provide(RedisStore.layer().pipe(Layer.provide(settingsFor(redisUrl, { namespace })))))

      const [minute, ...others] = yield* Effect.promise(() => client.keys(`${base}*`))
      expect(others).toEqual([])
      expect(minute).toStartWith(`${base}stat:`)
      expect(yield* Effect.promise(() => client.pttl(minute!))).toBeGreaterThan(0)
    })
  )

  it.live("count minutes that go by themselves", () =>
    Effect.gen(function* () {
      const client = yield* aClient
      const namespace = "counted"
      const { base } = partitionKeys(namespace, partition)

      yield* Operations.use(({ count }) => count(partition, { submitted: 1 })).pipe(
        Effect.provide(RedisStore.layer().pipe(Layer.provide(settingsFor(redisUrl, { namespace }))))
      )

      const [minute] = yield* Effect.promise(() => client.keys(`${base}*`))
      expect(yield* Effect.promise(() => client.pttl(minute!))).toBeGreaterThan(minuteKeptMs - 60_000)
    })
  )

  it.live("find a dead letter in the order of ids even if it goes back to work meanwhile", () =>
    Effect.gen(function* () {
      const settings = settingsFor(redisUrl, { namespace: "indexed" })
      const layer = Layer.merge(RedisStore.layer(), Scripted.layer()).pipe(Layer.provide(settings))
      yield* Effect.gen(function* () {
        const { revive } = yield* Operations
        const store = yield* Store
        const lettersOf = makeDeadIndex(yield* Scripted.Scripted)
        const [old, young] = [aTask(), aTask()]
        yield* submit(old, young)
        yield* turn("w", { settled: (yield* claim("w", 2)).map((entry) => end(entry, "F")) })
        expect(yield* lettersOf(partition, "", undefined, 10)).toEqual([young.ulid, old.ulid])
        const [found] = yield* store.read(partition, [old.ulid])

        yield* revive(partition, [
          { ulid: old.ulid, expected: found!.record, record: old.record, entry: old.entry }
        ])

        expect(yield* lettersOf(partition, "", undefined, 10)).toEqual([young.ulid, old.ulid])
      }).pipe(Effect.provide(layer))
    })
  )

  it.live("that only look write nothing", () =>
    Effect.gen(function* () {
      const client = yield* aClient
      const context = yield* Layer.build(redisOperations())
      const operations = Context.get(context, Operations)
      yield* Effect.gen(function* () {
        yield* submit(
          ...Array.from({ length: 3 }, () => aTask()),
          aTask({ box: { name: "|k", limit: 1, ordered: true } })
        )
        yield* claim("w", 1)
        const changes = Effect.promise(
          async () => /rdb_changes_since_last_save:(\d+)/.exec(await client.info("persistence"))![1]!
        )
        const before = yield* changes

        for (const shelf of ["waiting", "running", "later", "dead", "all"] as const) {
          yield* operations.scan(partition, shelf, undefined, 2)
        }
        yield* operations.queue(partition)
        yield* operations.workers(partition)
        yield* operations.minutes(partition, 10)
        yield* operations.memory

        expect(yield* changes).toBe(before)
      }).pipe(Effect.provideContext(context))
    })
  )
})
