/**
 * One life of a child, from its start to its end, in a fiber of its own.
 *
 * The fiber belongs to nobody but its supervisor: it ends by itself or is stopped, and what it had in its scope is
 * closed before it counts as ended.
 */
import { type Clock, Context, Deferred, Effect, Exit, Fiber, Option } from "effect"
import { ignore, type PlannedChild } from "./spec.ts"
import type { TreeNode } from "./tree.ts"

/** How a start went: there is a life, there is nothing to do, or it failed. */
export type Started = "running" | "ignored" | Exit.Failure<unknown, unknown>

export interface Run {
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  readonly started: Deferred.Deferred<Started>
  /** When its life began and ended, in milliseconds on the monotonic clock. */
  bornMs: number | undefined
  endedMs: number | undefined
}

/** Where code runs that a supervisor has started: a supervisor that is started there shows in the tree. */
export interface Within {
  readonly path: string
  /** Supervisors that are alive in this child. */
  readonly supervisors: Set<() => TreeNode>
}

export const Within = Context.Reference<Within | undefined>("troupe/supervision/Within", {
  defaultValue: () => undefined
})

export const monotonicMs = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

export const newRun = (): Run => ({
  fiber: undefined,
  started: Deferred.makeUnsafe(),
  bornMs: undefined,
  endedMs: undefined
})

/**
 * Begins a run, and does not wait for it. `onEnd` is called when a life has ended, however; not for a start that
 * failed or had nothing to do.
 */
export const begin = (
  run: Run,
  spec: PlannedChild,
  within: Within,
  onEnd: (exit: Exit.Exit<unknown, unknown>) => void
): Effect.Effect<void> =>
  Effect.uninterruptible(
    Effect.clockWith((clock) => {
      let ignored = false
      const body = Effect.flatMap(spec.start, (life) => {
        if (life === ignore) {
          ignored = true
          return Effect.void
        }
        run.bornMs = monotonicMs(clock)
        Deferred.doneUnsafe(run.started, Exit.succeed("running"))
        return life
      }).pipe(Effect.scoped, Effect.provideService(Within, within), Effect.provideContext(spec.context))
      return Effect.map(Effect.forkDetach(body, { startImmediately: true }), (fiber) => {
        run.fiber = fiber
        fiber.addObserver((exit) => {
          run.endedMs = monotonicMs(clock)
          if (run.bornMs !== undefined) return onEnd(exit)
          const started = ignored && Exit.isSuccess(exit) ? "ignored" : notStarted(exit)
          Deferred.doneUnsafe(run.started, Exit.succeed(started))
        })
      })
    })
  )

/** A scope that fails to close after a start that had nothing to do is a failed start as well. */
const notStarted = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit)
    ? exit
    : (Exit.die(new Error("the start ended without a life")) as Exit.Failure<unknown, unknown>)

/** Interrupts a run and waits for its end for as long as its spec says. Says whether it ended in that time. */
export const stop = ({ fiber }: Run, { shutdownMs }: PlannedChild): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    if (fiber === undefined) return Effect.succeed(true)
    fiber.interruptUnsafe()
    if (fiber.pollUnsafe() !== undefined) return Effect.succeed(true)
    if (shutdownMs === 0) return Effect.succeed(false)
    const ended = Fiber.await(fiber)
    if (shutdownMs === Infinity) return Effect.as(ended, true)
    return Effect.map(Effect.timeoutOption(ended, shutdownMs), Option.isSome)
  })
