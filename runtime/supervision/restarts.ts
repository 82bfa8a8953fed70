/**
 * Whether and when what has ended is started again: a decision over plain values, without a clock.
 *
 * `intensity` and `period` are Erlang's, and mean what they mean there: more than `intensity` restarts within `period`
 * mean that restarting does not help. The first restart is at once; each further one waits twice as long as the one
 * before, less a random part of it so that a crowd that failed together does not come back together. What lived for
 * `healthyAfter` starts over at no delay.
 */
import { Data, Duration } from "effect"

/** All times in milliseconds. */
export interface RestartPolicy {
  /** How many restarts there may be in any period. */
  readonly intensity: number
  readonly periodMs: number
  readonly backoff: {
    /** The delay before the second restart in a row. */
    readonly baseMs: number
    /** No delay is longer. */
    readonly capMs: number
    /** Up to this part of a delay is left out, 0 to 1. */
    readonly jitter: number
  }
  /** What has lived this long was healthy: its next restart is the first of a row. */
  readonly healthyAfterMs: number
}

/** A restart policy as callers write it, all parts optional. */
export interface RestartOptions {
  /** How many restarts there may be in any period. Default 1. */
  readonly intensity?: number
  /** Default 5 seconds. */
  readonly period?: Duration.Input
  readonly backoff?: {
    /** The delay before the second restart in a row. Default 100 ms. */
    readonly base?: Duration.Input
    /** No delay is longer. Default 10 seconds. */
    readonly cap?: Duration.Input
    /** Up to this part of a delay is left out, 0 to 1. Default 0.5. */
    readonly jitter?: number
  }
  /** What has lived this long starts over at no delay. Default: the period. */
  readonly healthyAfter?: Duration.Input
}

/** Intensity and period are Erlang's defaults. */
export const restartPolicy = (options: RestartOptions = {}): RestartPolicy => {
  const { backoff = {}, intensity = 1, period = "5 seconds", healthyAfter = period } = options
  return {
    intensity,
    periodMs: Duration.toMillis(period),
    backoff: {
      baseMs: Duration.toMillis(backoff.base ?? "100 millis"),
      capMs: Duration.toMillis(backoff.cap ?? "10 seconds"),
      jitter: backoff.jitter ?? 0.5
    },
    healthyAfterMs: Duration.toMillis(healthyAfter)
  }
}

/** What has ended, and when there were restarts before. Times are milliseconds on a monotonic clock. */
export interface Ending {
  /** When the earlier restarts that count against the intensity were, or will be: those to come count as well. */
  readonly restarts: ReadonlyArray<number>
  readonly now: number
  /** How often this one was restarted in a row before. */
  readonly streak: number
  /** How long it has lived since. */
  readonly livedMs: number
  /** In [0, 1). */
  readonly random: number
}

export type Restarting = Data.TaggedEnum<{
  /** Start it again after this delay, and remember the streak and that it is restarted at `now` plus the delay. */
  Again: { readonly afterMs: number; readonly streak: number }
  GiveUp: {}
}>

export const Restarting = Data.taggedEnum<Restarting>()

/** The restarts that still count: no other restart can fall into one period with those before. */
export const countingRestarts = (
  policy: RestartPolicy,
  restarts: ReadonlyArray<number>,
  now: number
): ReadonlyArray<number> => restarts.filter((at) => at > now - policy.periodMs)

export const nextRestart = (policy: RestartPolicy, ending: Ending): Restarting => {
  const counting = countingRestarts(policy, ending.restarts, ending.now)
  if (counting.length >= policy.intensity) return Restarting.GiveUp()
  const streak = ending.livedMs >= policy.healthyAfterMs ? 0 : ending.streak
  return Restarting.Again({ afterMs: delayOf(policy, streak, ending.random), streak: streak + 1 })
}

const delayOf = ({ backoff: { baseMs, capMs, jitter } }: RestartPolicy, streak: number, random: number) => {
  // 0 times a power too large for a number would be none.
  if (streak === 0 || baseMs === 0) return 0
  return Math.round(Math.min(capMs, baseMs * 2 ** (streak - 1)) * (1 - jitter * random))
}
