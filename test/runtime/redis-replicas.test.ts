/** Submits that are acknowledged only when replicas have them (`TROUPE_REPLICAS`), and what else there is meanwhile. */
import { describe, expect } from "bun:test"
import { Context, Duration, Effect, Exit, Layer, References, type Scope } from "effect"
import * as RedisStore from "../../runtime/redis/stores.ts"
import { Store, StoreError } from "../../runtime/store.ts"
import { it } from "../support/effect.ts"
import { aCluster } from "../support/redis-cluster.ts"
import type { RedisProcess } from "../support/redis-process.ts"
import { aSentinelSet, type SentinelSet } from "../support/redis-sentinel.ts"
import { settingsFor } from "../support/server.ts"
import { partition } from "../support/stores.ts"
import { aTask, claim, found, submit, tasks, turn } from "../support/tasks.ts"

/** A wait for replicas takes a second; one that has begun before may come first. */
const waitsMaxMs = 3_000

const storeAt = (url: string, replicas: number) =>
  Effect.map(
    Layer.build(RedisStore.layer().pipe(Layer.provide(settingsFor(url, { replicas })))),
    Context.get(Store)
  )

/** Runs `body` with a store on a primary with two replicas, which wants so many of them to have its submits. */
const withReplicas = <A, E>(
  wanted: number,
  body: (set: SentinelSet) => Effect.Effect<A, E, Store | Scope.Scope>
) =>
  Effect.gen(function* () {
    const set = yield* aSentinelSet({ sentinels: 0 })
    const store = yield* storeAt(`redis://${set.first.host}`, wanted)
    yield* Effect.provideService(body(set), Store, store)
  }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

/** How many milliseconds something took, and what came of it. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.timed(Effect.exit(effect)), ([took, exit]) => ({ took: Duration.toMillis(took), exit }))

/** Kills the connections of a name. */
const cut = ({ client }: RedisProcess, name: string) =>
  Effect.promise(async () => {
    const ids = String(await client.client("LIST"))
      .split("\n")
      .filter((line) => line.includes(` name=${name} `))
      .map((line) => /^id=(\d+)/.exec(line)![1]!)
    for (const id of ids) await client.client("KILL", "ID", id)
    return ids.length
  })

describe("a submit that replicas must have", () => {
  it.live("is acknowledged once they do", () =>
    withReplicas(
      2,
      Effect.fnUntraced(function* ({ servers }) {
        const task = aTask()

        yield* submit(task)

        for (const { client } of servers)
          expect(yield* Effect.promise(() => client.keys("*}:task:*"))).toHaveLength(1)
        expect(yield* claim("w", 1)).toEqual([task.entry])
      })
    )
  )

  it.live("fails where too few have it, in words, and may be said again when they are back", () =>
    withReplicas(
      2,
      Effect.fnUntraced(function* ({ servers: [, , silent] }) {
        yield* silent!.freeze
        const task = aTask()

        const error = yield* Effect.flip(submit(task))
        expect(error).toBeInstanceOf(StoreError)
        expect(String((error as StoreError).cause)).toContain("1 of 2 replicas")
        expect(String((error as StoreError).cause)).toContain("TROUPE_REPLICAS")
        yield* silent!.thaw

        yield* submit(task)
        expect(yield* claim("w", 5)).toEqual([task.entry])
      })
    )
  )

  it.live("so is another time for a task", () =>
    withReplicas(
      2,
      Effect.fnUntraced(function* ({ servers: [, , silent] }) {
        const task = aTask({ due: { afterMs: 3_600_000 } })
        yield* submit(task)
        const store = yield* Store
        const reschedule = store.reschedule(partition, task.ulid, { afterMs: 0 })
        yield* silent!.freeze

        expect(String((yield* Effect.flip(reschedule)).cause)).toContain("1 of 2 replicas")
        yield* silent!.thaw

        expect(yield* reschedule).toMatchObject({ kind: "elsewhere", state: "queued" })
      })
    )
  )

  it.live("is not acknowledged for having been said before, though over another connection", () =>
    withReplicas(
      2,
      Effect.fnUntraced(function* ({ first, servers: [, , silent] }) {
        yield* silent!.freeze
        const task = aTask()
        yield* Effect.flip(submit(task))

        for (const name of ["troupe", "troupe-replicated"]) expect(yield* cut(first, name)).toBe(1)

        expect(yield* found(task.ulid)).toBeDefined()
        expect(Exit.isFailure(yield* Effect.exit(submit(task)))).toBe(true)
      })
    )
  )

  it.live("holds up nothing but submits, and those for two waits at most", () =>
    withReplicas(
      1,
      Effect.fnUntraced(function* ({ servers: [, one, other] }) {
        yield* submit(aTask())
        for (const server of [one!, other!]) yield* server.freeze

        const [submits, turns] = yield* Effect.all(
          [
            Effect.forEach(tasks(50), (task) => timed(submit(task)), { concurrency: "unbounded" }),
            Effect.forEach(Array.from({ length: 20 }), () => timed(turn("w", { want: 1 })))
          ],
          { concurrency: 2 }
        )

        expect(submits.filter(({ exit }) => Exit.isSuccess(exit))).toEqual([])
        expect(Math.max(...submits.map(({ took }) => took))).toBeLessThan(waitsMaxMs)
        expect(turns.filter(({ exit }) => Exit.isFailure(exit))).toEqual([])
        // On a machine with nothing else to do each takes a millisecond.
        expect(Math.max(...turns.map(({ took }) => took))).toBeLessThan(500)
        for (const server of [one!, other!]) yield* server.thaw
        yield* submit(aTask())
      })
    )
  )

  it.live("fails while there is no replica at all, and goes on when one has come", () =>
    withReplicas(
      1,
      Effect.fnUntraced(function* ({ following, servers: [first, one, other] }) {
        for (const server of [one!, other!]) yield* server.kill
        yield* following(first!, 0)
        expect(yield* Effect.flip(submit(aTask()))).toBeInstanceOf(StoreError)

        yield* one!.start
        yield* following(first!, 1)
        yield* submit(aTask())
      })
    )
  )
})

describe("a submit to a cluster that replicas must have", () => {
  it.live(
    "waits for those of its own node only",
    () =>
      Effect.gen(function* () {
        const cluster = yield* aCluster({ replicas: 1, nodeTimeoutMs: 60_000 })
        const store = yield* storeAt(cluster.url, 1)
        const home = yield* cluster.nodeOf(`{${partition}}`)
        const away = cluster.masters.find((node) => node !== home)!
        const there = `${yield* cluster.queueOn(away)}.0`
        yield* store.submit(partition, [aTask()])
        yield* store.submit(there, [aTask()])
        const [silent] = yield* cluster.replicasOf(away)
        yield* silent!.freeze

        expect(yield* Effect.flip(store.submit(there, [aTask()]))).toBeInstanceOf(StoreError)
        const { exit, took } = yield* timed(store.submit(partition, [aTask()]))
        expect(Exit.isSuccess(exit)).toBe(true)
        expect(took).toBeLessThan(500)

        yield* silent!.thaw
        yield* store.submit(there, [aTask()])
      }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
    30_000
  )
})
