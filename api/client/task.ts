/** A submitted task in the hands of who submitted it, as effects. */
import { Effect, Stream } from "effect"
import type {
  Dispatcher,
  ResultTimeout,
  Submitted,
  TaskEnded,
  TaskGone
} from "../../actors/dispatch/dispatcher.ts"
import type { TaskNotFound } from "../../actors/dispatch/replies.ts"
import type { FollowEvent } from "../../actors/follow/follower.ts"
import { type Follow, type PositionInvalid, readPosition } from "../../actors/follow/follow.ts"
import type { PayloadUnreadable } from "../../runtime/encryption/key-ring.ts"
import type { Names } from "../../runtime/option-names.ts"
import type { StoreError } from "../../runtime/store.ts"
import type { State, TaskId } from "../../runtime/task.ts"
import type { Ended } from "../../runtime/view.ts"
import { TaskFailed } from "./errors.ts"
import { heeded } from "./method-options.ts"
import { type Named, type OutputOf, waitIn, type WaitOptions } from "./submission.ts"

export type { WaitOptions } from "./submission.ts"

interface CancelOptions {
  readonly reason?: string
}

/** Where to begin with events. Default: with the first that is kept, or from now on where there are those of all tasks. */
export interface EventOptions {
  /** The `id` of the last event that was seen. Default: from the first on. */
  readonly after?: string
}

const eventNames: Names<EventOptions> = { after: true }
const cancelNames: Names<CancelOptions> = { reason: true }

/** Where to begin, as options say it. */
export const afterIn = (options: EventOptions | undefined) =>
  heeded("events", options, eventNames, ({ after }) => Effect.succeed(after))

/** Why it ends, as options say it. */
export const reasonIn = (options: CancelOptions | undefined) =>
  heeded("cancel", options, cancelNames, ({ reason }) => Effect.succeed(reason))

/** Why there is no result. */
export type ResultError =
  | TaskFailed
  | TaskNotFound
  | TaskGone
  | ResultTimeout
  | PayloadUnreadable
  | StoreError

/** Why nothing can be followed. */
export type EventError = PositionInvalid | TaskNotFound | StoreError

/** A submitted task. */
export interface Task<Output = unknown> {
  readonly id: TaskId
  /** Whether it was there already: a guard (idempotency key, unique, throttle, cache) found it. */
  readonly existing: boolean
  /** That it waits, as far as can be seen, for a worker that is not there. */
  readonly warning?: string
  readonly state: Effect.Effect<State, TaskNotFound | StoreError>
  /** Waits for its end. */
  readonly result: (options?: WaitOptions) => Effect.Effect<Output, ResultError>
  /** Ends it as cancelled, whoever runs it, and its children after it. */
  readonly cancel: (options?: {
    readonly reason?: string
  }) => Effect.Effect<void, TaskNotFound | TaskEnded | StoreError>
  /** What has happened to it and what happens, up to its end. */
  readonly events: (options?: EventOptions) => Stream.Stream<FollowEvent, EventError>
}

/** What the methods of a handle are, made of what it is a handle of. */
interface Makers<Of, State, Result, Cancel, Events> {
  readonly state: (of: Of) => State
  readonly result: (of: Of) => Result
  readonly cancel: (of: Of) => Cancel
  readonly events: (of: Of) => Events
}

/**
 * A handle, which most who submit throw away: its methods are made when they are asked for, and bound, so that they may be
 * taken out of it.
 */
export class Handle<
  Of extends { readonly id: TaskId; readonly existing?: boolean; readonly warning?: string },
  State,
  Result,
  Cancel,
  Events
> {
  readonly id: TaskId
  readonly existing: boolean
  declare readonly warning?: string
  readonly #of: Of
  readonly #makers: Makers<Of, State, Result, Cancel, Events>

  constructor(of: Of, makers: Makers<Of, State, Result, Cancel, Events>) {
    this.id = of.id
    this.existing = of.existing === true
    if (of.warning !== undefined) this.warning = of.warning
    this.#of = of
    this.#makers = makers
  }

  get state(): State {
    return this.#makers.state(this.#of)
  }

  get result(): Result {
    return this.#makers.result(this.#of)
  }

  get cancel(): Cancel {
    return this.#makers.cancel(this.#of)
  }

  get events(): Events {
    return this.#makers.events(this.#of)
  }
}

/** The output of a task that has succeeded. */
export const outputOf = (ended: Ended, id: TaskId): Effect.Effect<unknown, TaskFailed> =>
  ended.state === "succeeded"
    ? Effect.succeed(ended.output)
    : Effect.fail(new TaskFailed({ id, state: ended.state, error: ended.error }))

/** What a connection knows of tasks by their ids, and the handles of those that it submits. */
export const tasksOver = (dispatcher: Dispatcher["Service"], follow: Follow["Service"]) => {
  const result = Effect.fnUntraced(function* (id: TaskId, options?: WaitOptions) {
    // Who looks for a task that is there has no error for what is a slip of code.
    yield* Effect.orDie(Effect.fromResult(waitIn(options)))
    return yield* outputOf(yield* dispatcher.result(id, options?.timeout), id)
  })

  const events = (id: TaskId, options?: EventOptions) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const said = yield* afterIn(options)
        if (said === undefined) return follow.follow(id)
        const after = yield* Effect.fromResult(readPosition(said))
        return (yield* follow.isOver(id, after)) ? Stream.empty : follow.follow(id, after)
      })
    )

  const methods = {
    state: ({ id }: Submitted) => Effect.map(dispatcher.task(id), ({ state }) => state),
    result:
      ({ id }: Submitted) =>
      (options?: WaitOptions) =>
        result(id, options),
    cancel:
      ({ id }: Submitted) =>
      (options?: CancelOptions) =>
        Effect.flatMap(reasonIn(options), (reason) => dispatcher.cancel(id, reason)),
    events:
      ({ id }: Submitted) =>
      (options?: EventOptions) =>
        events(id, options)
  }
  /** What a task of this handler gives is what its definition says: its worker checked it. */
  const handle = <T extends Named>(submitted: Submitted) =>
    new Handle(submitted, methods) as Task<OutputOf<T>>

  return { result, events, handle }
}
