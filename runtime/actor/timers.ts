/**
 * The timers of one life of an actor: each has a key, and sends the actor a message after a while, once or again and
 * again. They end with the life.
 *
 * A timer that is cancelled, or replaced by one of the same key, sends nothing more; and what it has sent already and
 * still waits in the mailbox is not handled. No more than one message of a timer waits at a time, so that an actor
 * that is slower than its timer does not fall behind.
 */
import { type Duration, Effect, FiberMap, Schedule, type Scope } from "effect"
import type { Mail } from "./mailbox.ts"

export interface Timers<M> {
  /** Sends `message` once, after `delay`. */
  readonly startSingle: (key: string, message: M, delay: Duration.Input) => Effect.Effect<void>
  /** Sends `message` again and again, first when the first interval is over. */
  readonly startPeriodic: (
    key: string,
    message: M,
    every: Duration.Input | Schedule.Schedule<unknown>
  ) => Effect.Effect<void>
  readonly cancel: (key: string) => Effect.Effect<void>
  readonly cancelAll: Effect.Effect<void>
  /** Whether something of it is still to come. */
  readonly isActive: (key: string) => boolean
}

interface Timer {
  /** Whether a message of it is in the mailbox, or waits for room there. */
  waiting: boolean
}

/** `send` puts a message into the mailbox as soon as there is room. The timers end with the scope. */
export const makeTimers = <M>(
  send: (mail: Mail<M>) => Effect.Effect<unknown>
): Effect.Effect<Timers<M>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const timers = new Map<string, Timer>()
    yield* Effect.addFinalizer(() => Effect.sync(() => timers.clear()))
    const fibers = yield* FiberMap.make<string>()

    const start = (
      key: string,
      message: M,
      periodic: boolean,
      run: (fire: Effect.Effect<void>) => Effect.Effect<unknown>
    ) =>
      Effect.suspend(() => {
        const timer: Timer = { waiting: false }
        timers.set(key, timer)
        const counts = () => {
          timer.waiting = false
          if (timers.get(key) !== timer) return false
          if (!periodic) timers.delete(key)
          return true
        }
        const fire = Effect.suspend(() => {
          if (timer.waiting) return Effect.void
          timer.waiting = true
          return Effect.asVoid(send({ message, counts }))
        })
        return Effect.asVoid(FiberMap.run(fibers, key, run(fire)))
      })

    return {
      startSingle: (key, message, delay) => start(key, message, false, Effect.delay(delay)),
      startPeriodic: (key, message, every) =>
        start(
          key,
          message,
          true,
          Effect.schedule(Schedule.isSchedule(every) ? every : Schedule.spaced(every))
        ),
      cancel: (key) =>
        Effect.suspend(() => {
          timers.delete(key)
          return FiberMap.remove(fibers, key)
        }),
      cancelAll: Effect.suspend(() => {
        timers.clear()
        return FiberMap.clear(fibers)
      }),
      isActive: (key) => timers.has(key)
    }
  })
