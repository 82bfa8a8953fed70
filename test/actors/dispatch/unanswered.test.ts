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
import { aClient } from "../../support/stores.ts"
import { ulidAt } from "../../support/tasks.ts"

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
