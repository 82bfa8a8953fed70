/**
 * The store's clock as this process knows it. What a task says of times is counted on it, since the clocks of machines need not agree.
 *
 * It is asked for by the first task that says such a time, and then now and then beside others; in between our monotonic clock goes on
 * from what was heard. Where our own two clocks have come apart, as after a machine slept, it is asked for anew.
 */
import { Clock, Effect, Fiber } from "effect"
import { Schedules } from "../../runtime/schedules.ts"

/** How often it is asked for, at most; and how long it stays away from a store that did not answer. In milliseconds. */
const lookEveryMs = 10_000
const stayAwayMs = 2_000

/** How long anybody waits for an answer. */
const lookMax = "1 second"

/** How far our two clocks may come apart, in milliseconds. */
const apartMaxMs = 1_000

export interface StoreClock {
  /** Unix milliseconds on the store's clock; `undefined` when that is not known now: `look` first. */
  readonly now: () => number | undefined

  /** Looks, or waits for the look that is on its way, for a second at most. It cannot fail: then nothing is known. */
  readonly look: Effect.Effect<void>
}

/** What was heard of it, and what our two clocks showed then. */
interface Heard {
  readonly now: number
  readonly mono: number
  readonly wall: number
}

export const makeStoreClock = Effect.gen(function* () {
  const schedules = yield* Schedules
  const clock = yield* Clock.Clock
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const mono = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const wall = () => clock.currentTimeMillisUnsafe()
  let heard: Heard | undefined
  let askedMono = Number.NEGATIVE_INFINITY
  let looking: Fiber.Fiber<void> | undefined

  // Whatever the home of schedules answers tells the time; nothing of theirs has this id.
  const ask = Effect.suspend(() => {
    const sentMono = mono()
    askedMono = sentMono
    return Effect.map(schedules.read(""), ({ now }) => {
      const answeredMono = mono()
      // It was read on the way, as likely near the beginning as near the end.
      heard = { now: now + (answeredMono - sentMono) / 2, mono: answeredMono, wall: wall() }
    })
    // Who stores a task hears for itself that the store does not answer.
  }).pipe(Effect.ignore)

  const start = () => {
    if (looking !== undefined) return looking
    const fiber = fork(ask)
    looking = fiber
    fiber.addObserver(() => {
      looking = undefined
    })
    return fiber
  }

  const now: StoreClock["now"] = () => {
    if (heard === undefined) return undefined
    const passed = mono() - heard.mono
    if (Math.abs(wall() - heard.wall - passed) > apartMaxMs) {
      heard = undefined
      askedMono = Number.NEGATIVE_INFINITY
      return undefined
    }
    const known = Math.round(heard.now + passed)
    if (mono() - askedMono >= lookEveryMs) start()
    return known
  }

  const look = Effect.suspend(() =>
    looking === undefined && mono() - askedMono < stayAwayMs
      ? Effect.void
      : Fiber.await(start()).pipe(
          Effect.timeoutOrElse({ duration: lookMax, orElse: () => Effect.void }),
          Effect.asVoid
        )
  )

  const made: StoreClock = { now, look }
  return made
})
