/**
 * Brings an actor to life: takes its messages out of its mailbox, one at a time, and handles each to its end.
 *
 * A life ends when the actor stops itself, when its fiber is interrupted, or with the failure or defect of what it was
 * doing. Whoever supervises it then begins the next: with a fresh state and no timers, and with the mailbox as it was,
 * less the message that was being handled. An actor that has stopped itself starts with an empty one.
 */
import { Cause, Duration, Effect, Exit, FiberSet, type Scope } from "effect"
import type { Definition, Later, Self } from "./definition.ts"
import { type Mail, makeMailbox, StashFull, type WhenFull } from "./mailbox.ts"
import { type ActorRef, makeRef, type Message } from "./ref.ts"
import { makeTimers } from "./timers.ts"

export interface Actor<M extends Message, E, R, F extends WhenFull> {
  readonly ref: ActorRef<M, F>
  /**
   * Begins a life, and gives it, as a supervisor wants it: `{ id: ref.name, start: begin }`. It may be run again and
   * again, each time in a fresh scope, by one supervisor at a time. An actor that others should find stopped the moment
   * it ends, since nobody starts it again, is made within the start of its child spec.
   */
  readonly begin: Effect.Effect<Effect.Effect<void, E, R>, E, R | Scope.Scope>
  /** One life from its beginning to its end. Succeeds when the actor has stopped itself. */
  readonly life: Effect.Effect<void, E, R>
}

const later: Later<never> = { later: undefined as never }

/**
 * Makes an actor that others may write to from now on; what they write waits until a life begins. When the scope
 * closes, the actor has stopped, whatever became of its lives.
 */
export const make = <M extends Message, E, R, F extends WhenFull>(
  definition: Definition<M, E, R, F>
): Effect.Effect<Actor<M, E, R, F>, never, Scope.Scope> => build(definition, false)

/** Makes an actor and lives its one life, for as long as the scope is open. When it fails, it has stopped. */
export const start = <M extends Message, E, R, F extends WhenFull>(
  definition: Definition<M, E, R, F>
): Effect.Effect<ActorRef<M, F>, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    const { life, ref } = yield* build(definition, true)
    yield* life.pipe(
      Effect.tapCause((cause) =>
        Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError(`${definition.name} has failed`, cause)
      ),
      Effect.forkScoped
    )
    return ref
  })

/** `once`: its first life is its last. */
const build = <M extends Message, E, R, F extends WhenFull>(
  definition: Definition<M, E, R, F>,
  once: boolean
): Effect.Effect<Actor<M, E, R, F>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { name, stashCapacity } = definition
    const mailbox = yield* makeMailbox<M>(definition)
    const { abandon, ...ref } = makeRef(mailbox, definition)
    let cutShort: Cause.Cause<unknown> | undefined

    const close = Effect.sync(() => {
      mailbox.close()
      abandon("all")
    })
    yield* Effect.addFinalizer(() => close)

    /** What is left behind by a life is the next one's, if there is to be one. */
    const ended = (exit: Exit.Exit<unknown, unknown>) =>
      Effect.suspend(() => {
        cutShort = Exit.isFailure(exit) ? exit.cause : undefined
        if (once || Exit.isSuccess(exit)) return close
        mailbox.unstash(stashCapacity)
        abandon("taken")
        return Effect.void
      })

    const begin = Effect.gen(function* () {
      yield* mailbox.open
      yield* Effect.addFinalizer(ended)
      const timers = yield* makeTimers<M>(mailbox.offerInTime)
      const works = yield* FiberSet.make<unknown, unknown>()
      /** What is being handled. */
      let current: Mail<M> | undefined
      let stopping = false
      let idle: { readonly after: Duration.Duration; readonly message: M } | undefined
      const self: { -readonly [K in keyof Self<M, never, F>]: Self<M, never, F>[K] } = {
        state: undefined as never,
        ref,
        timers,
        stash: Effect.suspend(() => {
          if (current === undefined)
            return Effect.die(new Error(`${name} is handling no message that it could stash`))
          const { ask, message } = current
          if (!mailbox.stash(ask === undefined ? { message } : { message, ask }))
            return Effect.fail(new StashFull({ actor: name, capacity: stashCapacity }))
          if (ask !== undefined) ask.taken = false
          current = undefined
          return Effect.succeed(later)
        }),
        unstash: (count = stashCapacity) => Effect.sync(() => mailbox.unstash(count)),
        beside: (work) =>
          Effect.suspend(() => {
            const ask = current?.ask
            const answered = Effect.tap(work, (value) => Effect.sync(() => ask?.answer(value)))
            return Effect.as(FiberSet.run(works, answered), later)
          }),
        setReceiveTimeout: (after, message) =>
          Effect.sync(() => {
            idle = { after: Duration.fromInputUnsafe(after), message }
          }),
        cancelReceiveTimeout: Effect.sync(() => {
          idle = undefined
        }),
        stop: Effect.sync(() => {
          stopping = true
        })
      }

      const handle = (mail: Mail<M>) => {
        current = mail
        if (mail.ask !== undefined) mail.ask.taken = true
        const handler = definition.handle[mail.message._tag as M["_tag"]]
        return Effect.map(handler(mail.message as never, self), (answer) => {
          current = undefined
          if (answer !== later) mail.ask?.answer(answer)
        })
      }

      const handleNext = Effect.flatMap(
        Effect.suspend(() => mailbox.waits(idle?.after)),
        (waits): Effect.Effect<void, unknown, unknown> => {
          if (!waits) return idle === undefined ? Effect.void : handle({ message: idle.message })
          const mail = mailbox.take()
          return mail === undefined || mail.counts?.() === false ? Effect.void : handle(mail)
        }
      )

      if (cutShort !== undefined) yield* definition.onRestart(cutShort, self)
      self.state = (yield* definition.onStart(self)) as never
      yield* Effect.addFinalizer((reason) => definition.onStop(reason, self))
      // The life is given, not lived: its supervisor says when.
      // @effect-diagnostics-next-line returnEffectInGen:off
      return Effect.whileLoop({ while: () => !stopping, body: () => handleNext, step: () => {} }).pipe(
        Effect.raceFirst(FiberSet.join(works)),
        Effect.annotateLogs({ actor: name })
      )
      // What its handlers fail with and need is what the definition says.
    }).pipe(Effect.annotateLogs({ actor: name })) as Actor<M, E, R, F>["begin"]

    return { ref, begin, life: Effect.scoped(Effect.flatten(begin)) as Effect.Effect<void, E, R> }
  })
