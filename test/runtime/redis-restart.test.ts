import { describe, expect } from "bun:test"
import { Context, Effect, Exit, Fiber, Layer, References, Schedule } from "effect"
import { TestClock } from "effect/testing"
import type { Redis } from "ioredis"
import * as RedisStore from "../../runtime/redis/stores.ts"
import { bellWaitMaxMs, Store, StoreError } from "../../runtime/store.ts"
import type { Settlement, TurnReply } from "../../runtime/turn.ts"
import { idIn, ulidOfEntry } from "../../runtime/task.ts"
import { it } from "../support/effect.ts"
import { aServer, settingsFor } from "../support/server.ts"
import { partition } from "../support/stores.ts"
import { scriptsOnTestTime } from "../support/time.ts"
import { aTask, aTurn, aUlid, claim, end, found, release, submit, tasks, turn } from "../support/tasks.ts"

/** A server of the test's own, and a store on it that is never restarted. */
const aStore = Effect.fnUntraced(function* (...options: ReadonlyArray<string>) {
  const server = yield* aServer(...options)
  const context = yield* Layer.build(RedisStore.layer().pipe(Layer.provide(settingsFor(server.url))))
  return { server, store: Context.get(context, Store), client: yield* server.client }
})

/** Runs `body` with a store, without a word about a Redis that goes away. */
const withStore = <A, E>(
  body: (
    parts: Effect.Success<ReturnType<typeof aStore>>
  ) => Effect.Effect<A, E, Store | Effect.Services<ReturnType<typeof aStore>>>,
  ...options: ReadonlyArray<string>
) =>
  aStore(...options).pipe(
    Effect.flatMap((parts) => Effect.provideService(body(parts), Store, parts.store)),
    Effect.provideService(References.MinimumLogLevel, "None")
  )

/** Says it again until Redis answers, as every caller of the store does. */
const insist = <A, E, R>(call: Effect.Effect<A, E, R>) =>
  Effect.retry(call, {
    schedule: Schedule.spaced("10 millis"),
    while: (error) => error instanceof StoreError,
    times: 500
  })

describe("a store whose Redis is killed and started again", () => {
  it.live("goes on with the tasks that were acknowledged", () =>
    withStore(
      Effect.fnUntraced(function* ({ server }) {
        const before = aTask()
        yield* submit(before)
        const entries = yield* claim("w", 1)
        yield* server.kill
        yield* server.start
        const after = aTask()

        yield* insist(submit(after))

        expect(yield* turn("w", { join: false, settled: [end(entries[0]!)], want: 5 })).toMatchObject({
          lost: [],
          claimed: [{ entry: after.entry }]
        })
        expect(yield* found(before.ulid)).toMatchObject({ place: { kind: "ended" } })
      })
    )
  )

  it.live("rings its bells again", () =>
    withStore(
      Effect.fnUntraced(function* ({ server, store }) {
        const bell = yield* store.bell(partition)
        yield* server.kill
        yield* server.start
        yield* insist(bell.wait(1))
        const waiting = yield* Effect.forkChild(bell.wait(bellWaitMaxMs), { startImmediately: true })

        yield* insist(submit(aTask()))

        yield* Fiber.join(waiting)
        expect(yield* claim("w", 1)).toHaveLength(1)
      })
    )
  )

  it.live("tells its inboxes that they may have missed something, and gives them hints again", () =>
    withStore(
      Effect.fnUntraced(function* ({ server, store }) {
        const inbox = yield* store.inbox
        yield* inbox.tune(partition)
        yield* server.kill
        yield* server.start

        expect(yield* inbox.next).toBe("all")

        const ulid = aUlid()
        yield* insist(turn("w", { hints: [[inbox.name, [ulid]]] }))
        expect(yield* inbox.next).toEqual({ partition, news: [{ ulid, record: undefined }] })
      })
    )
  )

  it.live(
    "loses no acknowledged task under load, and ends each once",
    () =>
      withStore(
        Effect.fnUntraced(function* ({ server, store }) {
          const acknowledged = new Set<string>()
          const ended = new Map<string, number>()
          let submitting = true
          let acknowledging = true

          const submitter = Effect.gen(function* () {
            while (submitting) {
              const batch = tasks(5)
              yield* insist(submit(...batch))
              for (const { ulid } of batch) acknowledged.add(ulid)
            }
          })
          const worker = (name: string) =>
            Effect.gen(function* () {
              let settled: ReadonlyArray<Settlement> = []
              let join = true
              let again = true
              while (acknowledging || settled.length > 0 || ended.size < acknowledged.size) {
                const reply: TurnReply | void = yield* store
                  .turn(partition, aTurn(name, { join, again, settled, want: 20 }))
                  .pipe(Effect.catchTag("StoreError", () => Effect.void))
                again = reply === undefined
                if (reply === undefined) continue
                join = false
                expect(reply.lost).toEqual([])
                for (const { entry } of settled)
                  ended.set(ulidOfEntry(entry), (ended.get(ulidOfEntry(entry)) ?? 0) + 1)
                // What it holds and did not hear of came with an answer that was lost.
                settled = [...reply.claimed.map(({ entry }) => entry), ...reply.held].map((entry) =>
                  end(entry)
                )
              }
            })
          const start = Effect.forEach((loop: Effect.Effect<void, unknown, Store>) => Effect.forkChild(loop))
          const submitters = yield* start([submitter, submitter, submitter])
          const workers = yield* start([worker("w1"), worker("w2")])

          for (const enough of [200, 400, 600]) {
            yield* Effect.repeat(Effect.yieldNow, { until: () => ended.size > enough })
            yield* server.kill
            yield* server.start
          }
          submitting = false
          yield* Effect.forEach(submitters, (fiber) => Fiber.join(fiber))
          acknowledging = false
          yield* Effect.forEach(workers, (fiber) => Fiber.join(fiber))

          expect([...ended.values()].every((times) => times === 1)).toBe(true)
          expect([...acknowledged].filter((ulid) => !ended.has(ulid))).toEqual([])
          expect(yield* store.depth(partition)).toMatchObject({ lanes: { normal: 0 }, held: 0 })
        })
      ),
    20_000
  )
})

describe("a store", () => {
  it.live("loads its scripts again when somebody has flushed them", () =>
    withStore(
      Effect.fnUntraced(function* ({ client, store }) {
        const flush = Effect.promise(() => client.function("FLUSH"))
        const task = aTask()
        const [entry, id] = [task.entry, idIn(partition, task.ulid)]

        const calls: ReadonlyArray<Effect.Effect<unknown, unknown, Store>> = [
          submit(task),
          turn("w", { want: 1 }),
          store.append(partition, "w", [{ entry, seq: 1, kind: "chunk", data: "1" }]),
          store.read(partition, [task.ulid]),
          store.ended(partition, [task.ulid], { watch: "nobody" }),
          store.unwatch(partition, [task.ulid], "nobody"),
          store.evict(partition, "w"),
          store.sweep(partition, 1)
        ]

        for (const call of calls) yield* Effect.andThen(flush, call)

        expect(yield* store.events(id, { run: 0, seq: 0 }, 10)).toHaveLength(1)
      })
    )
  )

  it.live("keeps a few versions of its scripts in Redis, whichever come", () =>
    withStore(
      Effect.fnUntraced(function* ({ client, server }) {
        const librariesOf = Effect.promise(
          () => client.function("LIST") as Promise<ReadonlyArray<ReadonlyArray<string>>>
        )
        for (const version of [1, 2, 3]) {
          const text = `#!lua name=troupe_${version}\nredis.register_function("troupe_a_${version}", function() end)`
          yield* Effect.promise(() => client.function("LOAD", text))
        }
        expect(yield* librariesOf).toHaveLength(4)
        const newer = scriptsOnTestTime

        yield* Layer.build(RedisStore.layer(newer).pipe(Layer.provide(settingsFor(server.url))))
        expect((yield* librariesOf).map(([, name]) => name)).toEqual([newer.library])

        yield* submit(aTask())
        expect(yield* claim("w", 1)).toHaveLength(1)
        expect(yield* librariesOf).toHaveLength(2)
      })
    )
  )

  it.live("heals each of its connections when somebody closes it", () =>
    withStore(
      Effect.fnUntraced(function* ({ client, store }) {
        const bell = yield* store.bell(partition)
        const inbox = yield* store.inbox
        yield* inbox.tune(partition)
        const listening = yield* Effect.forkChild(Effect.exit(bell.wait(bellWaitMaxMs)), {
          startImmediately: true
        })
        const mine = yield* Effect.promise(() => client.client("ID"))
        const others = String(yield* Effect.promise(() => client.client("LIST")))
          .split("\n")
          .map((line) => /^id=(\d+)/.exec(line)?.[1])
          .filter((id) => id !== undefined && id !== String(mine))
        expect(others).toHaveLength(3)

        for (const id of others) yield* Effect.promise(() => client.client("KILL", "ID", id!))

        expect(Exit.isFailure(yield* Fiber.join(listening))).toBe(true)
        expect(yield* inbox.next).toBe("all")
        yield* insist(bell.wait(1))
        yield* insist(submit(aTask()))
        yield* insist(bell.wait(bellWaitMaxMs))
        expect(yield* insist(claim("w", 1))).toHaveLength(1)
      })
    )
  )

  it.live("answers while its bell is waited for", () =>
    withStore(
      Effect.fnUntraced(function* ({ store }) {
        const bell = yield* store.bell(partition)
        const waiting = yield* Effect.forkChild(bell.wait(bellWaitMaxMs), { startImmediately: true })

        for (let calls = 0; calls < 20; calls++) yield* turn("w")

        expect(waiting.pollUnsafe()).toBeUndefined()
        yield* Fiber.interrupt(waiting)
      })
    )
  )

  it.live("hears on an inbox that several tune at once, once each of them is done", () =>
    withStore(
      Effect.fnUntraced(function* ({ store }) {
        const inbox = yield* store.inbox
        const ulid = aUlid()

        const tuneAndTell = Effect.andThen(
          inbox.tune(partition),
          turn("w", { hints: [[inbox.name, [ulid]]] })
        )
        yield* Effect.all([tuneAndTell, tuneAndTell], { concurrency: 2 })

        expect([yield* inbox.next, yield* inbox.next]).toEqual([
          { partition, news: [{ ulid, record: undefined }] },
          { partition, news: [{ ulid, record: undefined }] }
        ])
      })
    )
  )

  it.effect("notices that nobody speaks to its inbox any more, though its connection stands", () =>
    withStore(
      Effect.fnUntraced(function* ({ server, store }) {
        const inbox = yield* store.inbox
        yield* inbox.tune(partition)
        const news = yield* Effect.forkChild(inbox.next, { startImmediately: true })
        yield* server.freeze
        // A probe is sent, and gets no answer.
        yield* TestClock.adjust("10 seconds")
        yield* server.thaw

        expect(yield* Fiber.join(news)).toBe("all")
      })
    )
  )
})

describe("a store whose Redis has no memory left", () => {
  const full = (client: Redis) => Effect.promise(() => client.config("SET", "maxmemory", "1"))

  it.live("refuses new tasks, and stores none of them", () =>
    withStore(
      Effect.fnUntraced(function* ({ client, store }) {
        yield* submit(aTask())
        yield* full(client)
        const refused = tasks(3)

        expect(yield* Effect.flip(submit(...refused))).toMatchObject({ _tag: "StoreFull" })

        expect(
          yield* store.read(
            partition,
            refused.map(({ ulid }) => ulid)
          )
        ).toEqual([undefined, undefined, undefined])
        expect(yield* store.depth(partition)).toMatchObject({ lanes: { normal: 1 } })
      })
    )
  )

  for (const flushed of [false, true]) {
    const lost = flushed ? ", where Redis has lost the scripts and has no room for them" : ""
    it.live(`claims, settles, releases, reaps and renews all the same${lost}`, () =>
      withStore(
        Effect.fnUntraced(function* ({ client, store }) {
          yield* submit(...tasks(4))
          const [ended, buried, released] = yield* claim("w", 3)
          yield* full(client)
          if (flushed) yield* Effect.promise(() => client.function("FLUSH"))

          const { lost } = yield* turn("w", {
            settled: [end(ended!), end(buried!, "F"), release(released!)],
            want: 2
          })

          expect(lost).toEqual([])
          expect(yield* store.depth(partition)).toMatchObject({ held: 2, dead: 1 })
          yield* store.evict(partition, "w")
          expect(yield* claim("v", 5)).toHaveLength(2)
        })
      )
    )
  }

  it.live("gives results to those who wait for them", () =>
    withStore(
      Effect.fnUntraced(function* ({ client, store }) {
        const [ended, living] = tasks(2)
        yield* submit(ended!, living!)
        yield* claim("w", 2)
        const inbox = yield* store.inbox
        yield* inbox.tune(partition)
        yield* full(client)
        yield* turn("w", { settled: [end(ended!.entry)] })

        const ulids = [ended!.ulid, living!.ulid]
        expect(yield* store.ended(partition, ulids, { watch: inbox.name })).toEqual([
          expect.any(String),
          true
        ])
        yield* turn("w", { settled: [end(living!.entry)] })
        expect(yield* inbox.next).toEqual({ partition, news: [{ ulid: living!.ulid, record: undefined }] })
      })
    )
  )

  it.live("takes tasks again when there is room", () =>
    withStore(
      Effect.fnUntraced(function* ({ client }) {
        yield* full(client)
        yield* Effect.flip(submit(aTask()))

        yield* Effect.promise(() => client.config("SET", "maxmemory", "0"))

        yield* submit(aTask())
        expect(yield* claim("w", 1)).toHaveLength(1)
      })
    )
  )
})
