/** A store behind sentinels: it finds the primary that they name, and goes where they name another one. */
import { describe, expect, test } from "bun:test"
import { Context, Effect, Fiber, Layer, Redacted, References, Schedule, type Scope } from "effect"
import { readAddress } from "../../runtime/redis/address.ts"
import * as RedisStore from "../../runtime/redis/stores.ts"
import { bellWaitMaxMs, Store } from "../../runtime/store.ts"
import { it } from "../support/effect.ts"
import { hears, insist, obeys } from "../support/listening.ts"
import type { RedisProcess } from "../support/redis-process.ts"
import {
  aMistakenSentinel,
  aSentinelSet,
  type SentinelSet,
  type SentinelSetOptions
} from "../support/redis-sentinel.ts"
import { aFreePort, settingsFor } from "../support/server.ts"
import { partition } from "../support/stores.ts"
import { aTask, claim, end, found, submit, tasks, turn } from "../support/tasks.ts"
import { eventually } from "../support/waiting.ts"

const storeAt = (url: string) =>
  Effect.map(Layer.build(RedisStore.layer().pipe(Layer.provide(settingsFor(url)))), Context.get(Store))

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

/** Why there is no store at a URL. */
const refusal = (url: string) => Effect.flip(Effect.scoped(storeAt(url))).pipe(quietly)

/** Runs `body` with a store behind sentinels of its own. The store is built once, whatever becomes of Redis. */
const withSet = <A, E>(
  body: (set: SentinelSet) => Effect.Effect<A, E, Store | Scope.Scope>,
  options: SentinelSetOptions = {}
) =>
  Effect.gen(function* () {
    const set = yield* aSentinelSet(options)
    yield* Effect.provideService(body(set), Store, yield* storeAt(set.url))
  }).pipe(quietly)

/** Waits until every replica that lives has what the primary has. */
const replicated = ({ first }: SentinelSet, count = 2) =>
  Effect.promise(async () => {
    await first.client.set("last", "written")
    expect(await first.client.wait(count, 5_000)).toBeGreaterThanOrEqual(count)
  })

/** How many keys of tasks a server has. */
const tasksOn = ({ client }: RedisProcess) =>
  Effect.promise(async () => (await client.keys("*}:task:*")).length)

/** How many functions a server was asked to run since it was started. */
const asked = ({ told }: RedisProcess) =>
  Effect.promise(async () =>
    Number(/calls=(\d+)/.exec((await told("cmdstat_fcall", "commandstats")) ?? "calls=0")![1])
  )

describe("a store behind sentinels", () => {
  it.live("uses the primary that they name", () =>
    withSet(
      Effect.fnUntraced(function* (set) {
        yield* submit(aTask())

        expect(yield* claim("w", 1)).toHaveLength(1)
        expect(yield* tasksOn(set.first)).toBe(1)
      })
    )
  )

  it.live("shows what is the sentinels' password to them, and what is the primary's to that", () =>
    withSet(
      Effect.fnUntraced(function* () {
        yield* submit(aTask())

        expect(yield* claim("w", 1)).toHaveLength(1)
      }),
      { password: "p", sentinelPassword: "s" }
    )
  )

  it.live("finds the primary by whichever sentinel answers", () =>
    Effect.gen(function* () {
      const set = yield* aSentinelSet({ replicas: 0 })
      const [frozen, killed] = set.sentinels
      yield* frozen!.freeze
      yield* killed!.kill

      const store = yield* storeAt(set.url)

      yield* submit(aTask()).pipe(Effect.provideService(Store, store))
      expect(yield* tasksOn(set.first)).toBe(1)
    }).pipe(quietly)
  )

  it.live("goes on without its sentinels", () =>
    withSet(
      Effect.fnUntraced(function* (set) {
        yield* submit(aTask())

        for (const sentinel of set.sentinels) yield* sentinel.kill

        // Longer than it takes to look at the sentinels again.
        for (let turns = 0; turns < 20; turns++) yield* Effect.andThen(turn("w"), Effect.sleep("100 millis"))
        expect(yield* claim("w", 1)).toHaveLength(1)
      }),
      { replicas: 0 }
    )
  )

  it.live("is retried while they name a server that is a replica", () =>
    Effect.gen(function* () {
      const set = yield* aSentinelSet({ replicas: 1 })
      let times = 0
      const sentinel = yield* aMistakenSentinel(() => set.servers[times++ < 3 ? 1 : 0]!.port)

      const store = yield* storeAt(set.urlVia([sentinel]))

      yield* submit(aTask()).pipe(Effect.provideService(Store, store))
      expect(yield* tasksOn(set.first)).toBe(1)
    }).pipe(quietly)
  )
})

describe("a store whose primary is killed", () => {
  it.live(
    "goes on at the next one with what the replicas had",
    () =>
      withSet(
        Effect.fnUntraced(function* (set) {
          const before = aTask()
          yield* submit(before)
          const [entry] = yield* claim("w", 1)
          yield* replicated(set)
          const { after: primary } = yield* set.failOver
          const after = aTask()

          yield* insist(submit(after))

          expect(yield* insist(turn("w", { join: false, settled: [end(entry!)], want: 5 }))).toMatchObject({
            lost: [],
            claimed: [{ entry: after.entry }]
          })
          expect(yield* found(before.ulid)).toMatchObject({ place: { kind: "ended" } })
          expect(yield* tasksOn(primary)).toBe(1)
        })
      ),
    30_000
  )

  it.live(
    "has its bells, its inboxes and its orders go there too",
    () =>
      withSet(
        Effect.fnUntraced(function* (set) {
          const store = yield* Store
          const bell = yield* store.bell(partition)
          const inbox = yield* store.inbox
          const orders = yield* store.orders("w", [partition])
          yield* inbox.tune(partition)
          yield* replicated(set)
          yield* set.failOver

          expect(yield* inbox.next).toBe("all")
          yield* hears(inbox)

          yield* insist(bell.wait(1))
          const waiting = yield* Effect.forkChild(bell.wait(bellWaitMaxMs), { startImmediately: true })
          yield* insist(submit(aTask()))
          yield* Fiber.join(waiting)
          expect(yield* insist(claim("w", 1))).toHaveLength(1)

          yield* obeys(orders)
        })
      ),
    30_000
  )

  it.live(
    "does not write to the old one when that comes back",
    () =>
      withSet(
        Effect.fnUntraced(function* (set) {
          yield* submit(aTask())
          yield* replicated(set)
          const { after, before } = yield* set.failOver
          const written: Array<string> = []
          const writer = yield* Effect.forkChild(
            Effect.forever(
              Effect.suspend(() => {
                const task = aTask()
                return Effect.map(insist(submit(task)), () => written.push(task.ulid))
              })
            )
          )

          yield* before.start
          yield* set.demoted(before)
          const count = written.length
          yield* Effect.promise(() =>
            eventually("more to be written", () => (written.length > count + 100 ? true : undefined))
          )
          yield* Fiber.interrupt(writer)

          expect(yield* asked(before)).toBe(0)
          expect(yield* asked(after)).toBeGreaterThan(100)
          for (const ulid of written) expect(yield* found(ulid)).toBeDefined()
        })
      ),
    30_000
  )
})

describe("a store whose primary does not answer any more", () => {
  it.live(
    "goes on at the next one, and says nothing more to the old one when that answers again",
    () =>
      withSet(
        Effect.fnUntraced(function* (set) {
          yield* submit(aTask())
          yield* replicated(set)
          const before = yield* set.primary
          yield* before.freeze
          const later = tasks(3)

          for (const task of later) yield* insist(submit(task))
          const said = yield* Effect.promise(
            async () => (await set.promoted(before).pipe(Effect.runPromise)).port
          )
          yield* before.thaw
          // What was said to it while it was frozen it hears at once now, some of it perhaps after the first question.
          yield* asked(before)
          const calls = yield* asked(before)
          yield* insist(submit(aTask()))
          yield* set.demoted(before)

          expect(said).not.toBe(before.port)
          expect(yield* asked(before)).toBe(calls)
          for (const { ulid } of later) expect(yield* found(ulid)).toBeDefined()
          expect(yield* insist(claim("w", 10))).toHaveLength(5)
        })
      ),
    40_000
  )
})

describe("a store whose primary lives on while the sentinels have made another one", () => {
  it.live(
    "goes to the new one, though the old one still answers and takes writes",
    () =>
      withSet(
        Effect.fnUntraced(function* (set) {
          const before = yield* set.primary
          yield* submit(aTask())
          yield* replicated(set)
          // Nobody can tell it that it is a replica now: as if only we reached it.
          yield* Effect.promise(() => before.client.acl("SETUSER", "default", "-slaveof", "-replicaof"))
          yield* set.switchOver
          const after = yield* set.promoted(before)
          const written = aTask()

          const goesThere = Effect.gen(function* () {
            const calls = yield* asked(after)
            yield* insist(submit(aTask()))
            return (yield* asked(after)) > calls
          })
          yield* Effect.repeat(goesThere, { until: (there) => there, schedule: Schedule.spaced("50 millis") })
          yield* insist(submit(written))

          expect(yield* Effect.promise(() => before.told("role"))).toBe("master")
          expect(yield* found(written.ulid)).toBeDefined()
          const calls = yield* asked(before)
          for (let n = 0; n < 10; n++) yield* insist(submit(aTask()))
          expect(yield* asked(before)).toBe(calls)
        })
      ),
    30_000
  )

  it.live(
    "has its bells and its inboxes go there too",
    () =>
      withSet(
        Effect.fnUntraced(function* (set) {
          const store = yield* Store
          const bell = yield* store.bell(partition)
          const inbox = yield* store.inbox
          yield* inbox.tune(partition)
          const before = yield* set.primary
          yield* replicated(set)
          yield* Effect.promise(() => before.client.acl("SETUSER", "default", "-slaveof", "-replicaof"))
          yield* set.switchOver
          yield* set.promoted(before)

          expect(yield* inbox.next).toBe("all")
          yield* insist(bell.wait(1))

          // What most sentinels say may be the old primary for a second more.
          const left = Effect.promise(async () =>
            String(await before.client.client("LIST")).match(/ name=troupe\S*/g)
          )
          yield* Effect.repeat(left, {
            until: (names) => names === null,
            schedule: Schedule.spaced("50 millis")
          })
        })
      ),
    30_000
  )
})

/** How long a test of what cannot be used may take: it is tried for four seconds. */
const unusableMaxMs = 15_000

describe("a store that cannot be built", () => {
  it.live(
    "says that no sentinel answers, and where they were looked for",
    () =>
      Effect.gen(function* () {
        const hosts = [`127.0.0.1:${aFreePort()}`, `127.0.0.1:${aFreePort()}`]

        const error = yield* refusal(`redis+sentinel://${hosts.join(",")}/mine`)

        expect(error).toMatchObject({ _tag: "RedisUnusable", problem: "unreachable" })
        for (const word of ["mine", "sentinels", ...hosts]) expect(error.message).toContain(word)
      }),
    unusableMaxMs
  )

  it.live(
    "says that the sentinels know no primary of that name",
    () =>
      Effect.gen(function* () {
        const set = yield* aSentinelSet({ replicas: 0 })

        const error = yield* refusal(
          set.urlVia(
            set.sentinels.map(({ host }) => host),
            "another"
          )
        )

        expect(error).toMatchObject({ _tag: "RedisUnusable", problem: "address" })
        expect(error.message).toContain(`"another"`)
      }),
    unusableMaxMs
  )

  it.live(
    "says that the sentinels refuse their password, and not that it is the primary",
    () =>
      Effect.gen(function* () {
        const set = yield* aSentinelSet({ replicas: 0, sentinelPassword: "s" })

        const error = yield* refusal(set.url.replace("sentinelPassword=s", "sentinelPassword=wrong"))

        expect(error).toMatchObject({ _tag: "RedisUnusable", problem: "password" })
        expect(error.message).toContain("sentinels")
      }),
    unusableMaxMs
  )

  it.live(
    "says that the primary refuses its password",
    () =>
      Effect.gen(function* () {
        const set = yield* aSentinelSet({ replicas: 0, password: "p" })

        const error = yield* refusal(set.url.replace(":p@", ":wrong@"))

        expect(error).toMatchObject({ _tag: "RedisUnusable", problem: "password" })
      }),
    unusableMaxMs
  )

  it.live(
    "says that nothing but replicas is named",
    () =>
      Effect.gen(function* () {
        const set = yield* aSentinelSet({ replicas: 1 })
        const sentinel = yield* aMistakenSentinel(() => set.servers[1]!.port)

        const error = yield* refusal(set.urlVia([sentinel]))

        expect(error).toMatchObject({ _tag: "RedisUnusable", problem: "replica" })
      }),
    unusableMaxMs
  )

  it.live(
    "says that the primary which is named does not answer",
    () =>
      Effect.gen(function* () {
        const gone = aFreePort()
        const sentinel = yield* aMistakenSentinel(() => gone)

        const error = yield* refusal(`redis+sentinel://${sentinel}/mine`)

        expect(error).toMatchObject({ _tag: "RedisUnusable", problem: "unreachable" })
        expect(error.message).toContain(String(gone))
      }),
    unusableMaxMs
  )
})

describe("an address of sentinels that is not written well", () => {
  const refused = (url: string) => {
    const read = readAddress(Redacted.make(url))
    return read._tag === "Failure" ? read.failure.message : "nothing"
  }

  test("is refused without a word of its password", () => {
    for (const kind of ["redis+sentinel", "redis+cluster"])
      for (const sign of ["@", "/", "?"])
        expect(refused(`${kind}://user:left${sign}right@one:1,two:2/mine`)).not.toMatch(/left|right/)
  })
})
