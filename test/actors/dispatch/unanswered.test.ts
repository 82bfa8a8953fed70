import { describe, expect } from "bun:test"
import { Effect, Layer, Logger, Stream } from "effect"
import { Dispatcher, TaskEnded } from "../../../actors/dispatch/dispatcher.ts"
import { Replies } from "../../../actors/dispatch/replies.ts"
import { Follow } from "../../../actors/follow/follow.ts"
import * as Tree from "../../../actors/tree.ts"
import { Settings } from "../../../runtime/config.ts"
import { Store, StoreError } from "../../../runtime/store.ts"
import type { TaskId } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { redisApi } from "../../support/api.ts"
import { dispatcherOn } from "../../support/serving.ts"
import { aClient, partition } from "../../support/stores.ts"
import { aTurn, ulidAt } from "../../support/tasks.ts"

const lost = Effect.fail(new StoreError({ operation: "Store.cancel", cause: "no answer" }))

/** A client one of whose cancels gets no answer, whether or not it was done. */
const unanswered = (isDone: boolean, which = 1) => {
  let calls = 0
  const store = Layer.effect(
    Store,
    Effect.map(Store, (store) => ({
      ...store,
      cancel: (...args: Parameters<typeof store.cancel>) =>
        Effect.suspend(() => {
          calls += 1
          if (calls !== which) return store.cancel(...args)
          return isDone ? Effect.andThen(store.cancel(...args), lost) : lost
        })
    }))
  )
  return Layer.fresh(Tree.client).pipe(
    Layer.provide(store),
    Layer.provideMerge(dispatcherOn("memory")),
    Layer.provide(Logger.layer([]))
  )
}

describe("a cancel that gets no answer", () => {
  for (const [how, isDone] of [
    ["was done", true],
    ["was not done", false]
  ] as const) {
    it.live(`is said again, and is no failure when the first one ${how}`, () =>
      Effect.gen(function* () {
        const dispatcher = yield* Dispatcher
        const { id } = yield* dispatcher.submit({ name: "first" })
        yield* dispatcher.cancel(id, "enough")
        expect(yield* dispatcher.result(id, 0)).toMatchObject({
          state: "cancelled",
          error: { message: "enough" }
        })
      }).pipe(Effect.provide(unanswered(isDone)))
    )
  }

  it.live("fails when somebody else had cancelled the task", () =>
    Effect.gen(function* () {
      const { id } = yield* Dispatcher.use((dispatcher) => dispatcher.submit({ name: "first" }))
      const dispatcher = yield* Dispatcher
      yield* dispatcher.cancel(id, "theirs")
      expect(yield* Effect.flip(dispatcher.cancel(id, "ours"))).toBeInstanceOf(TaskEnded)
    }).pipe(Effect.provide(unanswered(false, 2)))
  )
})

/** A client on a store whose first answer to a new time is lost; `meanwhile` happens before it is said again. */
const timeless = (
  isDone: boolean,
  meanwhile: (store: Store["Service"], ulid: string) => Effect.Effect<unknown>
) => {
  let calls = 0
  const store = Layer.effect(
    Store,
    Effect.map(Store, (store) => ({
      ...store,
      reschedule: (...args: Parameters<typeof store.reschedule>) =>
        Effect.suspend(() => {
          calls += 1
          if (calls > 1) return store.reschedule(...args)
          const done = isDone ? Effect.asVoid(store.reschedule(...args)) : Effect.void
          return done.pipe(Effect.andThen(meanwhile(store, args[1])), Effect.andThen(lost))
        })
    }))
  )
  return Layer.fresh(Tree.client).pipe(
    Layer.provide(store),
    Layer.provideMerge(dispatcherOn("memory")),
    Layer.provide(Logger.layer([]))
  )
}

/** Its turn comes: a worker takes it. */
const starts = (store: Store["Service"]) => Effect.orDie(store.turn(partition, aTurn("w", { want: 1 })))

describe("a new time that gets no answer", () => {
  const delayed = { name: "first", delayMs: 3_600_000 }

  for (const [how, isDone] of [
    ["was set", true],
    ["was not set", false]
  ] as const) {
    it.live(`is set again, and is the task's, when the first one ${how}`, () =>
      Effect.gen(function* () {
        const dispatcher = yield* Dispatcher
        const { id } = yield* dispatcher.submit(delayed)

        const { dueAt } = yield* dispatcher.reschedule(id, { delayMs: 60_000 })

        expect(yield* dispatcher.task(id)).toMatchObject({ state: "scheduled", dueAt })
      }).pipe(Effect.provide(timeless(isDone, () => Effect.void)))
    )
  }

  it.live("has been set when the task has begun since it was to run", () =>
    Effect.gen(function* () {
      const dispatcher = yield* Dispatcher
      const { id } = yield* dispatcher.submit(delayed)

      expect(yield* dispatcher.reschedule(id, { delayMs: 0 })).toMatchObject({ id, state: "running" })
    }).pipe(Effect.provide(timeless(true, starts)))
  )

  it.live("has not been set when somebody else has let the task run before that time", () =>
    Effect.gen(function* () {
      const dispatcher = yield* Dispatcher
      const { id } = yield* dispatcher.submit(delayed)

      expect(yield* Effect.flip(dispatcher.reschedule(id, { delayMs: 60_000 }))).toMatchObject({
        _tag: "NotReschedulable",
        state: "running"
      })
    }).pipe(
      Effect.provide(
        timeless(false, (store, ulid) =>
          Effect.andThen(Effect.orDie(store.reschedule(partition, ulid, { afterMs: 0 })), starts(store))
        )
      )
    )
  )

  it.live("has not been set when somebody has cancelled the task", () =>
    Effect.gen(function* () {
      const dispatcher = yield* Dispatcher
      const { id } = yield* dispatcher.submit(delayed)

      expect(yield* Effect.flip(dispatcher.reschedule(id, { delayMs: 0 }))).toMatchObject({
        _tag: "NotReschedulable",
        state: "cancelled"
      })
    }).pipe(
      Effect.provide(timeless(false, (store, ulid) => Effect.orDie(store.cancel(partition, ulid, "theirs"))))
    )
  )
})

describe("who asks for tasks that are not there", () => {
  it.live("has nothing listened to for it, however many queues it names", () =>
    Effect.gen(function* () {
      const client = yield* aClient
      const { namespace } = yield* Settings
      const channels = Effect.promise(
        () => client.call("pubsub", "shardchannels", `${namespace}:*reply*`) as Promise<Array<string>>
      )
      const replies = yield* Replies
      const follow = yield* Follow
      const absent = Array.from({ length: 20 }, (_, at) => `q${at}.0.${ulidAt(Date.now(), at)}` as TaskId)
      for (const id of absent) {
        for (const asking of [replies.ended(id), Stream.runDrain(follow.follow(id))]) {
          expect(yield* Effect.flip(Effect.asVoid(asking))).toMatchObject({ _tag: "TaskNotFound" })
        }
      }
      expect(yield* channels).toEqual([])

      const dispatcher = yield* Dispatcher
      const { id } = yield* dispatcher.submit({ name: "test" })
      yield* Effect.forkChild(replies.ended(id), { startImmediately: true })
      yield* Effect.repeat(
        Effect.tap(channels, () => Effect.sleep(1)),
        { until: (all) => all.length > 0 }
      )
    }).pipe(Effect.provide(redisApi))
  )
})
