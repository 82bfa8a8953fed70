import { describe, expect, test } from "bun:test"
import { Effect, Exit, Layer, Result, Schedule, Scope } from "effect"
import { randomBytes } from "node:crypto"
import * as Lifecycle from "../../../actors/follow/lifecycle.ts"
import { placesText, positionMax, readPlaces } from "../../../actors/follow/lifecycle-position.ts"
import { readKeyRing } from "../../../runtime/encryption/key-ring.ts"
import { LifecycleLog } from "../../../runtime/lifecycle.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { Operations } from "../../../runtime/operations.ts"
import * as Redis from "../../../runtime/redis/stores.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { Store } from "../../../runtime/store.ts"
import { Tenant } from "../../../runtime/tenant.ts"
import { encodeRecord } from "../../../runtime/record.ts"
import { idIn, type Partition, queueOf } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { aReader } from "../../support/reader.ts"
import { memorySettings, redisSettings } from "../../support/redis.ts"
import { elsewhere, partition } from "../../support/stores.ts"
import { aTask, type TestTask, submit, tasks } from "../../support/tasks.ts"
import { aWorker } from "../../support/worker.ts"

type Services = Lifecycle.Lifecycle | LifecycleLog | Operations | Store

const on = <E>(store: Layer.Layer<LifecycleLog | Operations | Store, E>): Layer.Layer<Services> =>
  Layer.orDie(Lifecycle.layer.pipe(Layer.provide(Handlers.layer({ given: [] })), Layer.provideMerge(store)))
const memory = () => on(Memory.layer.pipe(Layer.provide(memorySettings())))
const redis = () => on(Redis.layer().pipe(Layer.provide(redisSettings())))
const sealed = () => {
  const encryptionKeys = Result.getOrThrow(readKeyRing(`a:${randomBytes(32).toString("base64")}`))
  return on(Redis.layer().pipe(Layer.provide(redisSettings({ encryptionKeys }))))
}

const noted = Operations.use((operations) =>
  Effect.andThen(operations.note(partition), operations.note(elsewhere))
)

const aListener = Effect.fnUntraced(function* (filter?: Lifecycle.LifecycleFilter, after?: string) {
  yield* noted
  const { follow } = yield* Lifecycle.Lifecycle
  const scope = yield* Scope.make()
  const reader = yield* Scope.provide(aReader(follow(filter, after)), scope)
  const { id, type } = yield* reader.one
  expect(type).toBe("listening")
  return { ...reader, id, stop: Scope.close(scope, Exit.void) }
})

const nobodyListens = Effect.gen(function* () {
  const { listeners } = yield* Lifecycle.Lifecycle
  while ((yield* listeners) > 0) yield* Effect.sleep(1)
})

const named = (name: string, more: object = {}): TestTask => {
  const task = aTask()
  const record = JSON.stringify({ name, ...more, input: 1 })
  return { ...task, record: encodeRecord({ letter: "Q", lane: "normal", run: 1, crashes: 0 }, record) }
}

for (const [name, layer] of [
  ["memory", memory],
  ["Redis", redis],
  ["Redis, sealed", sealed]
] as const) {
  const promise = <A, E>(sentence: string, body: () => Effect.Effect<A, E, Services | Scope.Scope>) =>
    it.live(sentence, () => Effect.suspend(body).pipe(Effect.provide(layer())))

  describe(`one who listens to all tasks, on ${name}`, () => {
    promise("is told of every step of each, with what programs need to know", () =>
      Effect.gen(function* () {
        const listener = yield* aListener()
        const task = named("shop.order", { key: "k", tags: ["a"] })
        yield* submit(task)
        const run = yield* (yield* aWorker()).claimOne
        yield* run.emit("progress", { fraction: 0.5, message: "half" })
        yield* run.succeed("done")

        const events = yield* listener.take(4)

        const common = {
          task: idIn(partition, task.ulid),
          name: "shop.order",
          queue: "default",
          key: "k",
          tags: ["a"],
          at: expect.any(Number),
          id: expect.any(String)
        }
        expect(events).toEqual([
          { ...common, type: "task.submitted", state: "queued", attempt: 0 },
          { ...common, type: "task.started", state: "running", attempt: 1, worker: expect.any(String) },
          {
            ...common,
            type: "task.progress",
            state: "running",
            attempt: 1,
            progress: { fraction: 0.5, message: "half" }
          },
          { ...common, type: "task.completed", state: "succeeded", attempt: 1 }
        ])
      })
    )

    promise("is given ids that name the queues it follows, and no others", () =>
      Effect.gen(function* () {
        const everywhere = yield* aListener()
        const here = yield* aListener({ queues: ["default"] })
        yield* submit(named("a"))
        const [event] = yield* here.take(1)

        expect(everywhere.id).toContain(`${elsewhere}@`)
        for (const { id } of [here, event!])
          expect([...Result.getOrThrow(readPlaces(id)).places.keys()]).toEqual([partition])
      })
    )

    promise("is told of a gap in what its id had no room for", () =>
      Effect.gen(function* () {
        const { id, stop } = yield* aListener()
        yield* stop
        const cut = `${id.split(",").find((part) => part.startsWith(partition))!},*`
        const back = yield* aListener(undefined, cut)

        expect(yield* back.take(1)).toMatchObject([{ type: "gap", queue: queueOf(elsewhere) }])
        yield* submit(named("a"))
        expect(yield* back.take(1)).toMatchObject([{ type: "task.submitted" }])
      })
    )

    promise("hears only what it asked for", () =>
      Effect.gen(function* () {
        const listener = yield* aListener({
          types: ["task.submitted"],
          names: ["a", "b"],
          queues: ["default"],
          keys: ["k"],
          tags: ["x", "y"]
        })
        const wanted = named("b", { key: "k", tags: ["z", "y"] })
        yield* submit(
          named("c", { key: "k", tags: ["x"] }),
          named("a", { key: "other", tags: ["x"] }),
          named("a", { tags: ["x"] }),
          named("a", { key: "k", tags: ["z"] }),
          wanted
        )
        const [event] = yield* listener.take(1)

        expect(event).toMatchObject({ type: "task.submitted", task: idIn(partition, wanted.ulid) })
      })
    )

    promise("hears of its own tenant's tasks only", () =>
      Effect.gen(function* () {
        const [ours, theirs] = [named("a"), named("a", { tenant: "them" })] as const
        const us = yield* aListener()
        const them = yield* Effect.provideService(aListener(), Tenant, "them")
        yield* submit(theirs, ours)

        expect(yield* us.take(1)).toMatchObject([{ task: idIn(partition, ours.ulid) }])
        expect(yield* them.take(1)).toMatchObject([{ task: idIn(partition, theirs.ulid), tenant: "them" }])
      })
    )

    promise("goes on after the last event that it has seen, and misses nothing of what came meanwhile", () =>
      Effect.gen(function* () {
        const first = yield* aListener()
        yield* submit(...tasks(3))
        const seen = yield* first.take(2)
        yield* first.stop
        yield* nobodyListens
        yield* submit(...tasks(500))

        const second = yield* aListener({}, seen[1]!.id)

        const events = yield* second.take(501)
        expect(events.every(({ type }) => type === "task.submitted")).toBe(true)
        expect(new Set(events.map((event) => (event as { task: string }).task)).size).toBe(501)
      })
    )

    promise("is told of a gap when nobody listened in between", () =>
      Effect.gen(function* () {
        const log = yield* LifecycleLog
        const { epoch } = yield* log.listen(partition, 60_000)
        const listener = yield* aListener({}, `${partition}@${(epoch - 1).toString(36)}.5`)

        expect(yield* listener.take(1)).toMatchObject([{ type: "gap", queue: "default" }])
        yield* submit(aTask())
        expect(yield* listener.take(1)).toMatchObject([{ type: "task.submitted" }])
      })
    )

    promise("is told of a gap when it was too slow", () =>
      Effect.gen(function* () {
        const log = yield* LifecycleLog
        const { epoch } = yield* log.listen(partition, 60_000)
        for (let at = 0; at < 11; at++) yield* submit(...tasks(1_000))

        const listener = yield* aListener({}, `${partition}@${epoch.toString(36)}.0`)
        const events = yield* listener.take(10_001)

        expect(events[0]).toMatchObject({ type: "gap", queue: "default" })
        expect(events.filter(({ type }) => type === "gap")).toHaveLength(1)
      })
    )

    promise("hears of a queue that is new", () =>
      Effect.gen(function* () {
        const listener = yield* aListener({ queues: ["default", "brand-new"] })
        yield* Operations.use((operations) => operations.note("brand-new.0"))
        // It is heard of within two seconds after its first task, however often it gets others until then.
        yield* Effect.forkScoped(
          Effect.repeat(
            Store.use((store) => store.submit("brand-new.0", [aTask()])),
            Schedule.spaced("100 millis")
          )
        )
        expect(yield* listener.take(1)).toMatchObject([{ type: "task.submitted", queue: "brand-new" }])
      })
    )

    promise("opens no log of a queue that there is not, whoever names it", () =>
      Effect.gen(function* () {
        yield* (yield* aListener({ queues: ["default"] })).one.pipe(Effect.forkScoped)
        yield* Operations.use((operations) => operations.note("known.0"))
        yield* aListener({ queues: ["made-up", "known"] })

        yield* Store.use((store) => store.submit("made-up.0", [aTask()]))
        yield* Store.use((store) => store.submit("known.0", [aTask()]))

        const log = yield* LifecycleLog
        const lives = (of: Partition) => log.read(of, { epoch: 0, number: 0 }, 10)
        expect(yield* lives("known.0")).toHaveLength(1)
        expect(yield* lives("made-up.0")).toEqual([])
      })
    )
  })
}

describe("the id of a lifecycle event", () => {
  test("names a place in each queue", () => {
    const { more, places } = Result.getOrThrow(readPlaces("a.0@1.0,b-c.0@zz.10"))
    expect(more).toBe(false)
    expect(places).toEqual(
      new Map([
        ["a.0", { epoch: 1, number: 0 }],
        ["b-c.0", { epoch: 1_295, number: 36 }]
      ])
    )
    expect(placesText(places)).toBe("a.0@1.0,b-c.0@zz.10")
  })

  test("can be sent back however many queues there are, and says that it does not name all", () => {
    const queues = Array.from({ length: 1_000 }, (_, at) => `a-queue-with-a-name-of-some-length-${at}.0`)
    const places = new Map(queues.map((partition) => [partition, { epoch: 1_790_000_000_000, number: 7 }]))
    const text = placesText(places, queues.at(-1))
    const back = Result.getOrThrow(readPlaces(text))
    expect(text.length).toBeLessThanOrEqual(positionMax)
    expect(back.more).toBe(true)
    expect(back.places.get(queues.at(-1)!)).toEqual({ epoch: 1_790_000_000_000, number: 7 })
    expect(back.places.size).toBeGreaterThan(100)
  })

  test("is refused when it is none", () => {
    for (const text of [
      "",
      "x",
      "a.0@1",
      "a.0@1.0,",
      "*",
      ",*",
      "a.0@-1.0",
      "A.0@1.0",
      "a.0@1.0,".repeat(5_000)
    ]) {
      expect(Result.isFailure(readPlaces(text))).toBe(true)
    }
  })
})
