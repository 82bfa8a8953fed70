/**
 * What to do when a supervised child exits: start it again, and when, or give up and let the parent decide.
 *
 * `intensity` and `period` are Erlang's, and mean what they mean there: more than `intensity` restarts within
 * `period` means that restarting does not help.
 */
import { Data, Duration } from "effect"

export interface RestartPolicy {
  readonly intensity: number
  readonly period: Duration.Duration
  /** The delay before the second restart within a period; the first is at once, each further one twice as long. */
  readonly backoff: Duration.Duration
  readonly backoffMax: Duration.Duration
}

export type Decision = Data.TaggedEnum<{
  Restart: { readonly afterMs: number }
  GiveUp: {}
}>

export const Decision = Data.taggedEnum<Decision>()

/**
 * Decides what follows an exit. `restarts` are the times of earlier restarts of the same child, `now` is the time
 * of this exit, both in milliseconds on a monotonic clock.
 */
export const decide = (
  policy: RestartPolicy,
  options: { readonly restarts: ReadonlyArray<number>; readonly now: number }
): Decision => {
  const since = options.now - Duration.toMillis(policy.period)
  const recent = options.restarts.filter((at) => at > since).length
  if (recent >= policy.intensity) return Decision.GiveUp()
  if (recent === 0) return Decision.Restart({ afterMs: 0 })
  const delay = Duration.toMillis(policy.backoff) * 2 ** (recent - 1)
  return Decision.Restart({ afterMs: Math.min(delay, Duration.toMillis(policy.backoffMax)) })
}
