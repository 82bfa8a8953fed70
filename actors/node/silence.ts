/**
 * What a node does about a child that says nothing, though its process lives: a decision over plain values.
 *
 * A handler may block its process, and a process may be stopped. For a bounded time the node keeps what such a process
 * holds for it; then it is killed, so that the rest goes on elsewhere. Silence is counted in small steps, so that a node
 * that was stopped itself does not take its own absence for theirs.
 */

export interface SilencePolicy {
  /** A child that was silent for less is well. */
  readonly heartbeatMs: number
  /** One that was silent for so long is killed. */
  readonly stallMs: number
  /** How often the node looks. */
  readonly lookMs: number
}

/** A step is never longer than this many looks. */
const stepMaxLooks = 2

/** How long a child has been silent after another look, `elapsedMs` after the last one. */
export const silenceAfter = (policy: SilencePolicy, silentMs: number, elapsedMs: number): number =>
  silentMs + Math.min(elapsedMs, stepMaxLooks * policy.lookMs)

export type Measure = "none" | "renew" | "kill"

/** What to do about a silence; what was `renewedMs` ago is renewed once a heartbeat. */
export const measureAgainst = (policy: SilencePolicy, silentMs: number, renewedMs: number): Measure => {
  if (silentMs >= policy.stallMs) return "kill"
  return silentMs >= policy.heartbeatMs && renewedMs >= policy.heartbeatMs ? "renew" : "none"
}
