/** How others speak to an actor: they tell it a message, or ask and wait for the answer. */
import { Deferred, Duration, Effect, Exit, type Request, Schema } from "effect"
import { type Ask, type Mailbox, MailboxFull, type WhenFull } from "./mailbox.ts"

/** Nobody will answer: the actor has stopped, or the life that took the message is over. It may have had an effect. */
export class ActorStopped extends Schema.TaggedError<ActorStopped>()("ActorStopped", {
  actor: Schema.String
}) {
  override get message() {
    return `${this.actor} has stopped`
  }
}

/** No answer came in time. The message may still be handled, or be handled right now. */
export class AskTimeout extends Schema.TaggedError<AskTimeout>()("AskTimeout", {
  actor: Schema.String,
  waitedMs: Schema.Finite
}) {
  override get message() {
    return `${this.actor} has not answered within ${this.waitedMs} ms`
  }
}

/** What every message is: a value of a tagged union. One that is answered is a `Request` besides. */
export interface Message {
  readonly _tag: string
}

const askTimeout = Duration.seconds(5)

export interface ActorRef<M extends Message, F extends WhenFull = WhenFull> {
  readonly name: string
  /** Whether the message is in the mailbox now. It is not when the actor has stopped, or drops what has no room. */
  readonly tell: (message: M) => Effect.Effect<boolean, F extends "fail" ? MailboxFull : never>
  /** Succeeds with the answer. Waits for 5 seconds, if it is not told for how long. */
  readonly ask: <Q extends Extract<M, Request.Any>>(
    message: Q,
    options?: { readonly timeout?: Duration.Input }
  ) => Effect.Effect<
    Request.Success<Q>,
    AskTimeout | ActorStopped | (F extends "suspend" ? never : MailboxFull)
  >
}

/** What the actor itself knows of those who wait for its answers. */
export interface Asks {
  /** Tells those whose messages this life has taken that no answer will come, or all. */
  readonly abandon: (which: "taken" | "all") => void
}

export const makeRef = <M extends Message, F extends WhenFull>(
  mailbox: Mailbox<M>,
  options: { readonly name: string; readonly capacity: number; readonly whenFull: F }
): ActorRef<M, F> & Asks => {
  const { capacity, name, whenFull } = options
  const asks = new Map<Ask, Deferred.Deferred<unknown, ActorStopped>>()

  const put = (message: M, ask?: Ask): Effect.Effect<boolean, MailboxFull> =>
    Effect.suspend(() => {
      const mail = ask === undefined ? { message } : { message, ask }
      if (whenFull === "suspend") return mailbox.offerInTime(mail)
      if (mailbox.offer(mail)) return Effect.succeed(true)
      const mustSay = mailbox.isOpen() && (whenFull === "fail" || ask !== undefined)
      return mustSay ? Effect.fail(new MailboxFull({ actor: name, capacity })) : Effect.succeed(false)
    })

  const ask = (message: M, { timeout = askTimeout }: { readonly timeout?: Duration.Input } = {}) =>
    Effect.suspend(() => {
      const answer = Deferred.makeUnsafe<unknown, ActorStopped>()
      const asked: Ask = {
        answer: (value) => void Deferred.doneUnsafe(answer, Exit.succeed(value)),
        taken: false
      }
      asks.set(asked, answer)
      return put(message, asked).pipe(
        Effect.flatMap((isIn) => (isIn ? Deferred.await(answer) : new ActorStopped({ actor: name }))),
        Effect.timeoutOrElse({
          duration: timeout,
          orElse: () =>
            Effect.fail(
              new AskTimeout({
                actor: name,
                waitedMs: Duration.toMillis(timeout)
              })
            )
        }),
        Effect.ensuring(Effect.sync(() => asks.delete(asked)))
      )
    })

  return {
    name,
    // How the mailbox refuses follows from `whenFull`, which the types of an implementation cannot follow.
    tell: put as ActorRef<M, F>["tell"],
    ask: ask as ActorRef<M, F>["ask"],
    abandon: (which) => {
      for (const [asked, answer] of asks)
        if (which === "all" || asked.taken)
          Deferred.doneUnsafe(answer, Exit.fail(new ActorStopped({ actor: name })))
    }
  }
}
