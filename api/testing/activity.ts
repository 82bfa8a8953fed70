/**
 * Knows when the fibers of a test have come to rest: nothing runs, nothing is scheduled, and what they have set off
 * beside them, as microtasks and the next turn of the event loop, has been.
 *
 * What happens outside, as a timer or an answer from the network, cannot be seen from here.
 */
import { Scheduler } from "effect"

/** Turns of the event loop without a step of any fiber after which there will be none. */
const quietTurns = 3

/** The real ones, whatever a test puts in their place later. */
const { clearTimeout, setImmediate, setTimeout } = globalThis

const turnOfTheLoop = () =>
  new Promise<void>((resolve) => {
    setImmediate(resolve)
  })

export interface Activity {
  /** The scheduler that its fibers run on. */
  readonly scheduler: Scheduler.Scheduler
  /** Resolves at rest. */
  readonly rest: () => Promise<void>
  /** Resolves with the next step of a fiber, or the next `stir`; with `false` after so many real milliseconds. */
  readonly next: (withinMs: number) => Promise<boolean>
  /** Says that something has happened which is no step of a fiber. */
  readonly stir: () => void
}

export const makeActivity = (): Activity => {
  const real = new Scheduler.MixedScheduler()
  let steps = 0
  let scheduled = 0
  const listeners = new Set<() => void>()

  const stir = () => {
    steps += 1
    if (listeners.size === 0) return
    const told = [...listeners]
    listeners.clear()
    for (const listener of told) listener()
  }

  const scheduler: Scheduler.Scheduler = {
    executionMode: real.executionMode,
    // Asked before each step of each fiber.
    shouldYield: (fiber) => {
      stir()
      return real.shouldYield(fiber)
    },
    makeDispatcher: () => {
      const dispatcher = real.makeDispatcher()
      return {
        scheduleTask: (task, priority) => {
          scheduled += 1
          dispatcher.scheduleTask(() => {
            scheduled -= 1
            task()
          }, priority)
        },
        flush: () => dispatcher.flush()
      }
    }
  }

  const rest = async () => {
    let seen = steps
    for (let quiet = 0; quiet < quietTurns;) {
      await turnOfTheLoop()
      quiet = scheduled === 0 && steps === seen ? quiet + 1 : 0
      seen = steps
    }
  }

  const next = (withinMs: number) =>
    new Promise<boolean>((resolve) => {
      const listener = () => {
        clearTimeout(timer)
        resolve(true)
      }
      const timer = setTimeout(() => {
        listeners.delete(listener)
        resolve(false)
      }, withinMs)
      listeners.add(listener)
    })

  return { scheduler, rest, next, stir }
}
