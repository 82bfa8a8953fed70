/**
 * The mailbox of an actor: in memory, in order, and bounded.
 *
 * It outlives the actor's lives: one that is started again finds what waited. In front of everything lies what it had
 * stashed and has taken out again.
 */
import { type Duration, Effect, Queue, Schema } from "effect"

/** The mailbox holds `capacity` messages already. Nothing was put in; slow down, and send again. */
export class MailboxFull extends Schema.TaggedError<MailboxFull>()("MailboxFull", {
  actor: Schema.String,
  capacity: Schema.Int
}) {
  override get message() {
    return `the mailbox of ${this.actor} is full (${this.capacity})`
  }
}

/** The stash holds `capacity` messages already. Handle the message, or let the actor fail. */
export class StashFull extends Schema.TaggedError<StashFull>()("StashFull", {
  actor: Schema.String,
  capacity: Schema.Int
}) {
  override get message() {
    return `the stash of ${this.actor} is full (${this.capacity})`
  }
}

/** Somebody waits for the answer to a message. */
export interface Ask {
  readonly answer: (value: unknown) => void
  /** Whether the actor has begun with it, so that the end of this life is the end of it. */
  taken: boolean
}

/** A message on its way through the mailbox. */
export interface Mail<M> {
  readonly message: M
  readonly ask?: Ask
  /** Called as it is taken out: whether it still counts. The message of a cancelled timer does not. */
  readonly counts?: () => boolean
}

/**
 * What becomes of a message for which there is no room: `drop` does not take it and says so, `fail` fails with
 * `MailboxFull`, `suspend` lets the sender wait for room.
 */
export type WhenFull = "drop" | "fail" | "suspend"

export interface Mailbox<M> {
  /** Begins anew, empty, if it was closed. */
  readonly open: Effect.Effect<void>
  readonly isOpen: () => boolean
  /** Puts a message in if there is room. */
  readonly offer: (mail: Mail<M>) => boolean
  /** Waits for room, and puts a message in. False if the mailbox was closed instead. */
  readonly offerInTime: (mail: Mail<M>) => Effect.Effect<boolean>
  /** Succeeds once something waits: true; or when nothing has come for so long: false. */
  readonly waits: (idle: Duration.Duration | undefined) => Effect.Effect<boolean>
  readonly take: () => Mail<M> | undefined
  /** Puts a message aside. False if there is no room. */
  readonly stash: (mail: Mail<M>) => boolean
  /** Puts the first `count` that were stashed in front of everything, in the order in which they came. */
  readonly unstash: (count: number) => void
  /** Drops everything, and takes no more. Who waits for room waits no longer. */
  readonly close: () => void
}

export const makeMailbox = <M>(options: {
  readonly capacity: number
  readonly stashCapacity: number
}): Effect.Effect<Mailbox<M>> =>
  Effect.gen(function* () {
    const fresh = Queue.bounded<Mail<M>>(options.capacity)
    let queue = yield* fresh
    let isOpen = true
    let front: Array<Mail<M>> = []
    let stash: Array<Mail<M>> = []
    return {
      open: Effect.suspend(() =>
        isOpen
          ? Effect.void
          : Effect.map(fresh, (made) => {
              queue = made
              isOpen = true
            })
      ),
      isOpen: () => isOpen,
      offer: (mail) => Queue.offerUnsafe(queue, mail),
      offerInTime: (mail) => Effect.suspend(() => Queue.offer(queue, mail)),
      waits: (idle) =>
        Effect.suspend(() => {
          if (front.length > 0) return Effect.succeed(true)
          const something = Effect.as(Queue.peek(queue), true)
          if (idle === undefined) return something
          return Effect.timeoutOrElse(something, { duration: idle, orElse: () => Effect.succeed(false) })
        }),
      take: () => {
        const first = front.shift()
        if (first !== undefined) return first
        const taken = Queue.takeUnsafe(queue)
        return taken?._tag === "Success" ? taken.value : undefined
      },
      stash: (mail) => stash.length < options.stashCapacity && stash.push(mail) > 0,
      unstash: (count) => {
        front = [...stash.slice(0, count), ...front]
        stash = stash.slice(count)
      },
      close: () => {
        isOpen = false
        front = []
        stash = []
        Queue.shutdownUnsafe(queue)
      }
    }
  })
