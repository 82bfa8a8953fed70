/** Following, with tasks and a worker that a test moves by hand. */
import { Effect, Layer, Result, Stream } from "effect"
import * as Follow from "../../actors/follow/follow.ts"
import * as Replies from "../../actors/dispatch/replies.ts"
import type { Store } from "../../runtime/store.ts"
import { idIn, type State, type TaskId } from "../../runtime/task.ts"
import { aReader } from "./reader.ts"
import { partition } from "./stores.ts"
import { aTask, submit } from "./tasks.ts"
import { aWorker } from "./worker.ts"

export type Services = Follow.Follow | Replies.Replies | Store

/** What following takes, on a store. */
export const on = <E>(store: Layer.Layer<Store, E>): Layer.Layer<Services> =>
  Layer.orDie(Follow.layer.pipe(Layer.provideMerge(Replies.layer), Layer.provideMerge(store)))

/** Follows from the first event on, or after the one of this id. */
export const follow = Effect.fnUntraced(function* (id: TaskId, last?: string) {
  const position = last === undefined ? Follow.start : Result.getOrThrow(Follow.readPosition(last))
  return (yield* Follow.Follow).follow(id, position)
})

/** One who follows a task, and does not care how it stands. */
export const aFollower = Effect.fnUntraced(function* (id: TaskId, last?: string) {
  return yield* aReader(Stream.filter(yield* follow(id, last), ({ type }) => type !== "state"))
})

export const aQueuedTask = Effect.gen(function* () {
  const task = aTask()
  yield* submit(task)
  return idIn(partition, task.ulid)
})

/** A task that a worker runs. */
export const aRun = Effect.gen(function* () {
  yield* aQueuedTask
  const worker = yield* aWorker()
  return { worker, run: yield* worker.claimOne }
})

export const stands = (state: State, attempt: number) => ({ type: "state", state, attempt }) as const
export const chunk = (attempt: number, seq: number, chunk: unknown) =>
  ({ type: "chunk", id: `${attempt}-${seq}`, attempt, seq, chunk }) as const
export const reset = (attempt: number) => ({ type: "attempt", attempt, reset: true }) as const
export const succeeded = (attempt: number) =>
  ({ type: "end", id: `${attempt}-end`, state: "succeeded" }) as const
export const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, at) => from + at)
