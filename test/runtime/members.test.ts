import { describe, expect } from "bun:test"
import { Duration, Effect, Layer } from "effect"
import { Settings } from "../../runtime/config.ts"
import { partitionKeys } from "../../runtime/keys.ts"
import { lostListedMs, Members, type NodeAbout } from "../../runtime/members.ts"
import { it } from "../support/effect.ts"
import { queuesPartition } from "../../runtime/queue-names.ts"
import * as RedisStore from "../../runtime/redis/stores.ts"
import { redisSettings } from "../support/redis.ts"
import { aClient, memoryStore, redisTimeOf } from "../support/stores.ts"
import { scriptsOnTestTime, startOfTime, TestTime } from "../support/time.ts"

/** Redis with a clock that the test moves, where the nodes are kept. */
const redisMembers = Layer.unwrap(
  Effect.sync(() =>
    Layer.orDie(
      Layer.merge(
        RedisStore.layer(scriptsOnTestTime),
        Layer.effect(
          TestTime,
          Effect.gen(function* () {
            const { namespace } = yield* Settings
            return yield* redisTimeOf(yield* aClient, partitionKeys(namespace, queuesPartition).base)
          })
        )
      ).pipe(Layer.provide(redisSettings()))
    )
  )
)

const about: NodeAbout = { host: "h", pid: 1, startedAt: 2, workers: 2, min: 2, max: 4, leaseMs: 15_000 }

const suite = (name: string, layer: Layer.Layer<Members | TestTime>) => {
  const promise = <A, E>(sentence: string, body: () => Effect.Effect<A, E, Members | TestTime>) =>
    it.live(sentence, () => Effect.suspend(body).pipe(Effect.provide(layer)))

  describe(`the nodes of a system, in ${name}`, () => {
    promise("are seen by their names, with what they last said and until when they count", () =>
      Effect.gen(function* () {
        const members = yield* Members
        yield* members.beat("b", about, true)
        yield* members.beat("a", { ...about, workers: 1 }, true)
        yield* (yield* TestTime).advance("5 seconds")
        yield* members.beat("b", { ...about, workers: 3 }, false)

        const node = { draining: false, seenAt: startOfTime + 5_000 }
        expect(yield* members.nodes).toEqual([
          { ...node, node: "a", about: { ...about, workers: 1 }, leaseUntil: startOfTime + 15_000 },
          { ...node, node: "b", about: { ...about, workers: 3 }, leaseUntil: startOfTime + 20_000 }
        ])
      })
    )

    promise("hear that they are to go until they have gone, and not what one of their name was asked", () =>
      Effect.gen(function* () {
        const members = yield* Members
        expect(yield* members.drain("a")).toBe(false)
        expect(yield* members.beat("a", about, true)).toBe(false)
        expect(yield* members.drain("a")).toBe(true)
        expect(yield* members.drain("a")).toBe(true)
        expect(yield* members.beat("a", about, false)).toBe(true)
        expect(yield* members.beat("a", about, false)).toBe(true)
        expect((yield* members.nodes).map(({ draining }) => draining)).toEqual([true])

        expect(yield* members.beat("a", about, true)).toBe(false)
        yield* members.leave("a")
        yield* members.leave("a")
        expect(yield* members.nodes).toEqual([])
      })
    )

    promise("are listed for some time after they were lost, and then forgotten by the next that beats", () =>
      Effect.gen(function* () {
        const members = yield* Members
        const { advance } = yield* TestTime
        yield* members.beat("lost", about, true)
        yield* members.drain("lost")
        yield* advance(Duration.millis(about.leaseMs + lostListedMs - 1))
        yield* members.beat("a", about, true)
        expect((yield* members.nodes).map(({ node }) => node)).toEqual(["a", "lost"])

        yield* advance("1 millis")
        yield* members.beat("a", about, false)

        expect((yield* members.nodes).map(({ node }) => node)).toEqual(["a"])
        expect(yield* members.drain("lost")).toBe(false)
      })
    )
  })
}

suite("memory", memoryStore())
suite("Redis", redisMembers)
