import { describe, expect } from "bun:test"
import { Effect, Schema } from "effect"
import { partitionKeys } from "../../runtime/keys.ts"
import { type LimitRequest, Limits, limitsPartition } from "../../runtime/limits.ts"
import { cool, leaseMs, limitsSuite, settle, take } from "../suite/limits.ts"
import { answerAlike } from "../support/alike.ts"
import { it } from "../support/effect.ts"
import { type LimitsUnderTest, memoryLimits, redisLimits } from "../support/limits.ts"
import { aNamespace } from "../support/redis.ts"
import { lapsedMs } from "../../runtime/permit.ts"
import type { StoreError } from "../../runtime/store.ts"
import { aClient } from "../support/stores.ts"
import { TestTime } from "../support/time.ts"

limitsSuite("memory", () => memoryLimits)
limitsSuite("Redis", () => redisLimits())

const api: LimitRequest = { name: "api", rate: { count: 5, perMs: 60_000, amount: 1 }, concurrency: 3 }
const db: LimitRequest = { name: "db", concurrency: 2 }

describe("limits that are idle", () => {
  it.live("hold no key in Redis once their windows, pauses and leases are over", () => {
    const namespace = aNamespace()
    return Effect.gen(function* () {
      const client = yield* aClient
      const { base } = partitionKeys(namespace, limitsPartition)
      const keys = Effect.promise(async () => (await client.keys(`${namespace}:*`)).toSorted())
      const ofTest = [`${base}clock`, `${base}expiring`]
      const { advance } = yield* TestTime

      yield* cool("other", 30_000)
      const { permits } = yield* take(2, api, db)
      yield* settle({ permit: permits[0]!, actual: { api: 3 } })
      expect(yield* keys).toEqual(
        [
          ...ofTest,
          ...["limit:api", "limit:other", "permits:api", "permits:db"].map((key) => base + key)
        ].toSorted()
      )
      expect(yield* Effect.promise(() => client.type(`${base}limit:api`))).toBe("hash")
      expect(yield* Effect.promise(() => client.type(`${base}permits:api`))).toBe("zset")
      const places = [`${base}permits:api`, `${base}permits:db`]
      yield* advance(30_000)
      expect(yield* keys).toEqual([...ofTest, `${base}limit:api`, ...places].toSorted())
      yield* advance(60_000 - 30_000 + 3_000)
      expect(yield* keys).toEqual([...ofTest, ...places].toSorted())
      yield* advance(leaseMs + lapsedMs - 63_000 - 1)
      expect(yield* keys).toEqual([...ofTest, ...places].toSorted())
      yield* advance(1)
      expect(yield* keys).toEqual(ofTest)

      // What is given back leaves nothing to be waited for.
      yield* settle(...(yield* take(2, api, db)).permits.map((permit) => ({ permit, unused: true })))
      expect(yield* keys).toEqual(ofTest)
    }).pipe(Effect.provide(redisLimits(namespace)))
  })

  it.live("keep no permit of a dead worker in Redis while others go on", () => {
    const namespace = aNamespace()
    return Effect.gen(function* () {
      const client = yield* aClient
      const { permits } = partitionKeys(namespace, limitsPartition)
      const { advance } = yield* TestTime
      yield* take(2, api)
      yield* advance(leaseMs / 2)
      yield* take(1, api)
      yield* advance(leaseMs / 2)

      yield* take(1, api)

      expect(yield* Effect.promise(() => client.zcard(permits("api")))).toBe(2)
    }).pipe(Effect.provide(redisLimits(namespace)))
  })

  it.live("take as many calls to Redis for many permits as for few", () => {
    const namespace = aNamespace()
    return Effect.gen(function* () {
      const client = yield* aClient
      const callsOf = (want: number) =>
        Effect.gen(function* () {
          const read = Effect.promise(async () => {
            const stats = await client.info("commandstats")
            return [...stats.matchAll(/^cmdstat_(?:z|h|pexpire).*?calls=(\d+)/gm)].reduce(
              (sum, [, calls]) => sum + Number(calls),
              0
            )
          })
          const before = yield* read
          const limits = [`many-${want}`, `more-${want}`].map((name) => ({ name, concurrency: 1_000 }))
          const { permits } = yield* take(want, ...limits)
          yield* Limits.use((service) => service.renew(permits, leaseMs))
          yield* settle(...permits.map((permit) => ({ permit })))
          return (yield* read) - before
        })

      expect(yield* callsOf(500)).toBe(yield* callsOf(2))
    }).pipe(Effect.provide(redisLimits(namespace)))
  })
})

// ---------------------------------------------------------------------------------------------------------
// The two stores, held to each other
// ---------------------------------------------------------------------------------------------------------

const whole = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const Request = Schema.Struct({
  name: Schema.Literals(["a", "b", "c"]),
  rate: Schema.optionalKey(
    Schema.Struct({ count: whole(0, 12), perMs: whole(1, 3_000), amount: whole(0, 4) })
  ),
  concurrency: Schema.optionalKey(whole(0, 4))
})

/** `some` picks among the permits that were ever granted. */
const Command = Schema.Union([
  Schema.Struct({
    do: Schema.Literal("take"),
    want: whole(0, 5),
    limits: Schema.Array(Request).check(Schema.isMaxLength(3))
  }),
  Schema.Struct({
    do: Schema.Literal("take"),
    want: whole(0, 5),
    limits: Schema.Array(Request).check(Schema.isMaxLength(3)),
    judges: Schema.optionalKey(Schema.Boolean)
  }),
  Schema.Struct({
    do: Schema.Literal("settle"),
    some: Schema.Array(whole(0, 20)).check(Schema.isMaxLength(4)),
    actual: Schema.optionalKey(whole(0, 9)),
    unused: Schema.Boolean
  }),
  Schema.Struct({
    do: Schema.Literal("renew"),
    some: Schema.Array(whole(0, 20)).check(Schema.isMaxLength(4))
  }),
  Schema.Struct({ do: Schema.Literal("cool"), name: Schema.Literals(["a", "b"]), forMs: whole(0, 900) }),
  Schema.Struct({ do: Schema.Literal("advance"), ms: whole(0, 900) }),
  Schema.Struct({ do: Schema.Literal("advance"), ms: whole(0, 3_000) }),
  Schema.Struct({ do: Schema.Literal("setBack"), ms: whole(0, 900) })
])

/** Amounts that differ of one rate, beside places that something else takes up: those for which there is no room stand in line. */
const Amounts = Schema.Struct({
  do: Schema.Literal("take"),
  want: whole(1, 3),
  limits: Schema.Array(
    Schema.Union([
      Schema.Struct({
        name: Schema.Literal("a"),
        rate: Schema.Struct({ count: Schema.Literal(6), perMs: Schema.Literal(600), amount: whole(1, 6) }),
        concurrency: Schema.optionalKey(Schema.Literal(4))
      }),
      Schema.Struct({ name: Schema.Literal("b"), concurrency: Schema.Literal(1) })
    ])
  ).check(Schema.isMinLength(1), Schema.isMaxLength(2))
})
const AmountsCommand = Schema.Union([
  Amounts,
  Amounts,
  Amounts,
  Schema.Struct({
    do: Schema.Literal("settle"),
    some: Schema.Array(whole(0, 20)).check(Schema.isMaxLength(2)),
    unused: Schema.Boolean
  }),
  Schema.Struct({ do: Schema.Literal("cool"), name: Schema.Literal("a"), forMs: whole(0, 300) }),
  Schema.Struct({ do: Schema.Literal("advance"), ms: whole(0, 400) }),
  Schema.Struct({ do: Schema.Literal("advance"), ms: whole(0, 400) }),
  Schema.Struct({ do: Schema.Literal("advance"), ms: whole(6_000, 8_000) }),
  Schema.Struct({ do: Schema.Literal("setBack"), ms: whole(0, 300) })
])

const shortLeaseMs = 2_000

/** Does commands on one store, under names that no other run has, and tells all that can be seen of it. */
const runOn = Effect.fnUntraced(function* (commands: ReadonlyArray<typeof Command.Type>, run: number) {
  const limits = yield* Limits
  const time = yield* TestTime
  const named = (name: string) => `${name}-${run}`
  const granted: Array<string> = []
  const pick = (some: ReadonlyArray<number>) =>
    granted.length === 0 ? [] : some.map((at) => granted[at % granted.length]!)
  const seen: Array<unknown> = []
  for (const command of commands) {
    switch (command.do) {
      case "take": {
        const distinct = [...new Map(command.limits.map((one) => [one.name, one])).values()]
        const requests = distinct.map((one) => ({ ...one, name: named(one.name) }))
        const asks = [
          { limits: requests, want: command.want },
          { limits: requests.slice(-1), want: 1 }
        ]
        const replies = yield* limits.take(
          "w",
          asks,
          shortLeaseMs,
          "judges" in command ? command.judges : true
        )
        for (const { permits, retryAfterMs } of replies) {
          granted.push(...permits)
          seen.push({ permits: permits.map((permit) => permit.replace(/^\S+/, "")), retryAfterMs })
        }
        break
      }
      case "settle": {
        const { actual, unused } = command
        const said = actual === undefined ? {} : { actual: { [named("a")]: actual, [named("b")]: actual } }
        yield* limits.settle(pick(command.some).map((permit) => ({ permit, unused, ...said })))
        break
      }
      case "renew":
        yield* limits.renew(pick(command.some), shortLeaseMs)
        break
      case "cool":
        yield* limits.cool(named(command.name), command.forMs)
        break
      case "advance":
        yield* time.advance(command.ms)
        break
      case "setBack":
        yield* time.setBack(command.ms)
        break
    }
    seen.push(command.do, yield* limits.states(["a", "b", "c"].map(named)))
  }
  return seen
})

describe("memory and Redis", () => {
  for (const [what, command] of [
    ["commands on limits", Command],
    ["amounts that differ", AmountsCommand]
  ] as const) {
    it.live(
      `answer alike in random sequences of ${what}`,
      () =>
        answerAlike<typeof Command.Type, LimitsUnderTest, StoreError>({
          stores: [memoryLimits, redisLimits()],
          command,
          length: 40,
          runs: 300,
          runOn
        }),
      120_000
    )
  }
})
