/**
 * What an actor is, as a value: the messages it takes, how a life of it begins, what it does with each message.
 *
 * A message is a value with a `_tag`. One that is answered is a `Request` of the answer's type:
 *
 *     class Total extends Request.TaggedClass("Total")<{}, number> {}
 *     type Message = { readonly _tag: "Add"; readonly amount: number } | Total
 *
 *     const counter = defineActor<Message>()({
 *       name: "counter",
 *       onStart: () => Effect.succeed({ sum: 0 }),
 *       handle: {
 *         Add: ({ amount }, self) => Effect.sync(() => void (self.state.sum += amount)),
 *         Total: (_, self) => Effect.sync(() => self.state.sum)
 *       }
 *     })
 */
import { type Cause, type Duration, Effect, type Exit, type Request, type Scope } from "effect"
import type { StashFull, WhenFull } from "./mailbox.ts"
import type { ActorRef, Message } from "./ref.ts"
import type { Timers } from "./timers.ts"

/** Stands for an answer that a handler does not give now, but later or to nobody. */
export interface Later<out A> {
  readonly later: A
}

/** What a handler may answer: for a message that is no request, anything, which nobody reads. */
export type Answer<M> = M extends Request.Request<infer A, infer _E, infer _R> ? A | Later<A> : unknown

/** The actor as it is seen from within one life. */
export interface Self<M extends Message, State, F extends WhenFull = WhenFull> {
  /**
   * What `onStart` has made. Nobody else sees it, and one message is handled at a time, so a handler may change it as it
   * likes.
   */
  readonly state: State
  /** For others, who want to tell it something. An actor that asks itself, or waits for room in its own mailbox, hangs. */
  readonly ref: ActorRef<M, F>
  readonly timers: Timers<M>
  /**
   * Puts the message that is being handled aside, and handles it anew, and only then answers it, after `unstash`. What
   * lies in the stash when a life ends is in front of the mailbox for the next.
   */
  readonly stash: Effect.Effect<Later<never>, StashFull>
  /** Handles the first `count` of what was put aside, or all of it, before everything that waits. */
  readonly unstash: (count?: number) => Effect.Effect<void>
  /**
   * Goes on with `work` while the next messages are handled. What it succeeds with is the answer; a failure ends this
   * life, and the end of this life interrupts it.
   */
  readonly beside: <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<Later<A>, E, R>
  /** Handles `message` whenever nothing else has come for so long. */
  readonly setReceiveTimeout: (after: Duration.Input, message: M) => Effect.Effect<void>
  readonly cancelReceiveTimeout: Effect.Effect<void>
  /** Ends this life when the message that is being handled is done. What waits is dropped: the actor has stopped. */
  readonly stop: Effect.Effect<void>
}

/** The actor as its life begins: it has no state yet, and handles nothing. */
export type Beginning<M extends Message, F extends WhenFull> = Omit<Self<M, never, F>, "state" | "stash">

/** A handler for each message. A failure or a defect of one ends the life; its message is not handled again. */
export type Handlers<M extends Message, State, F extends WhenFull> = {
  readonly [Tag in M["_tag"]]: (
    message: Extract<M, { readonly _tag: Tag }>,
    self: Self<M, State, F>
  ) => Effect.Effect<Answer<Extract<M, { readonly _tag: Tag }>>, unknown, unknown>
}

/** The same, as what gives each handler's effect, from which it follows what a life fails with and needs. */
type Handling<Effects> = { readonly [Tag in keyof Effects]: (...args: never) => Effects[Tag] }

export interface Definition<M extends Message, E, R, F extends WhenFull> {
  readonly name: string
  readonly capacity: number
  readonly whenFull: F
  readonly stashCapacity: number
  readonly onStart: (self: Self<M, never, F>) => Effect.Effect<unknown, E, R | Scope.Scope>
  readonly onRestart: (cause: Cause.Cause<unknown>, self: Self<M, never, F>) => Effect.Effect<void, E, R>
  readonly onStop: (
    reason: Exit.Exit<unknown, unknown>,
    self: Self<M, never, F>
  ) => Effect.Effect<void, never, R>
  readonly handle: Handlers<M, never, F>
}

const capacityDefault = 1_000
const stashCapacityDefault = 100

/**
 * Defines an actor that takes the messages `M`.
 *
 * Its mailbox holds 1 000 messages and then fails senders with `MailboxFull`, its stash holds 100, if it does not say
 * otherwise.
 */
export const defineActor =
  <M extends Message>() =>
  <S, Effects, E = never, R = never, ER = never, RR = never, RS = never, F extends WhenFull = "fail">(actor: {
    readonly name: string
    readonly capacity?: number
    readonly whenFull?: F
    readonly stashCapacity?: number
    /** Begins a life: gives its state, starts its timers. What it acquires is released when the life ends. */
    readonly onStart: (self: Beginning<M, F>) => Effect.Effect<S, E, R>
    /** Comes before `onStart` in a life that follows one that was cut short, with the reason. */
    readonly onRestart?: (cause: Cause.Cause<unknown>, self: Beginning<M, F>) => Effect.Effect<void, ER, RR>
    /** Ends a life that has begun: it stopped itself (a success), was stopped (an interruption), or failed. */
    readonly onStop?: (
      reason: Exit.Exit<unknown, unknown>,
      self: Self<M, S, F>
    ) => Effect.Effect<void, never, RS>
    readonly handle: Handlers<M, NoInfer<S>, F> & Handling<Effects>
  }): Definition<
    M,
    E | ER | Effect.Error<Effects[keyof Effects]>,
    Exclude<R | RR | RS | Effect.Services<Effects[keyof Effects]>, Scope.Scope>,
    F
  > => {
    const { capacity = capacityDefault, name, stashCapacity = stashCapacityDefault } = actor
    for (const [field, size] of Object.entries({ capacity, stashCapacity }))
      if (!Number.isInteger(size) || size < 1)
        throw new RangeError(`${field} of the actor ${name} is ${size}; it is to be a whole number from 1 on`)
    const definition: Definition<M, unknown, unknown, F> = {
      name,
      capacity,
      stashCapacity,
      whenFull: actor.whenFull ?? ("fail" as F),
      onStart: actor.onStart,
      onRestart: actor.onRestart ?? (() => Effect.void),
      onStop: actor.onStop ?? (() => Effect.void),
      handle: actor.handle
    }
    // What its parts need and fail with is in the signature.
    return definition as never
  }
