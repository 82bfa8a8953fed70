/**
 * Moves a test's time, and lets everything that is due run as far as it can before it goes on.
 *
 * It goes from stop to stop: to the time at which the next sleep ends, where it waits until the system has settled, and
 * so on. Settled means that no fiber has anything left to do, and no handler runs but such as sleep on the clock. A
 * handler that waits for something else, as a real timer, a file, a request, is waited for in real time; one from which
 * nothing is heard for `patience` is taken to wait for something that only the test or the clock can bring, and is not
 * waited for again.
 */
import { Effect } from "effect"
import { makeActivity } from "./activity.ts"
import { type HeldClock, makeClock, type RunKey } from "./clock.ts"
import { makeSpy, type Spy } from "./spy.ts"

/** How long it waits for what cannot be seen, between two looks at it, in real milliseconds. */
const blindMs = 1

export interface TimeOptions {
  /** What the clock shows at first, in Unix milliseconds. */
  readonly startMs: number
  /** In real milliseconds. */
  readonly patienceMs: number
}

export interface Time {
  readonly clock: HeldClock
  readonly scheduler: ReturnType<typeof makeActivity>["scheduler"]
  readonly spy: Spy
  /** Resolves when the system has settled at the present time. */
  readonly settle: () => Promise<void>
  /** Moves on, and resolves when the system has settled there. A time that is over is the present one. */
  readonly advanceBy: (millis: number) => Promise<void>
  readonly advanceTo: (at: number) => Promise<void>
  /** From now on time goes by itself, as fast as it can: what is being closed waits for no one. */
  readonly letGo: () => void
  /** Nothing sleeps any more, and nothing will. */
  readonly end: () => void
}

export const makeTime = ({ patienceMs, startMs }: TimeOptions): Time => {
  const activity = makeActivity()
  const clock = makeClock(startMs, {
    advanceBy: (millis) => Effect.promise(() => advanceBy(millis)),
    advanceTo: (at) => Effect.promise(() => advanceTo(at))
  })
  const spy = makeSpy({ now: clock.now, onEnd: activity.stir })
  const givenUp = new Set<RunKey>()
  let isOver = false

  const awaited = () => {
    const running = [...spy.running()]
    for (const run of givenUp) if (!running.includes(run) || clock.isAsleep(run)) givenUp.delete(run)
    return running.filter((run) => !givenUp.has(run) && !clock.isAsleep(run))
  }

  const settled = async () => {
    while (!isOver) {
      await activity.rest()
      const runs = awaited()
      if (runs.length === 0) return
      if (!(await activity.next(patienceMs))) for (const run of runs) givenUp.add(run)
    }
  }

  /** One after the other, in the order of the calls. */
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <A>(job: () => Promise<A>): Promise<A> => {
    const result = last.then(job)
    last = result.catch(() => {})
    return result
  }

  const move = async (at: number) => {
    await settled()
    while (true) {
      const next = clock.next()
      const isLast = next === undefined || next > at
      clock.moveTo(isLast ? at : next)
      await settled()
      if (isLast) return
    }
  }

  const advanceBy = (millis: number) => inTurn(() => move(clock.now() + millis))
  const advanceTo = (at: number) => inTurn(() => move(at))

  const letGo = () => {
    void inTurn(async () => {
      while (!isOver) {
        await settled()
        const next = clock.next()
        if (next !== undefined) clock.moveTo(next)
        else {
          // Something outside is waited for, and upkeep may be what finds out.
          await activity.next(blindMs)
          const upkeep = clock.nextOfAll()
          if (upkeep !== undefined && !isOver) clock.moveTo(upkeep)
        }
      }
    })
  }

  return {
    clock,
    scheduler: activity.scheduler,
    spy,
    settle: () => inTurn(settled),
    advanceBy,
    advanceTo,
    letGo,
    end: () => {
      isOver = true
      activity.stir()
    }
  }
}
