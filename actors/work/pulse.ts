/**
 * What a puller looks after when nothing else makes it: runs whose time is up or whose note is due, and its lease.
 *
 * A lease is renewed however quiet it is, and once in a lease everything held is asked for, so that a claim whose reply was
 * lost is found, even if Redis ran it late.
 */
import { Cause, Effect, type Scope } from "effect"
import { upkeepPause } from "../../runtime/upkeep.ts"
import type { Runs } from "./runs.ts"

/** How often running tasks are looked after at most: time limits, notes, what was lost, in milliseconds. */
const pulseMs = 25

/**
 * How often it looks whether its lease is to be renewed. So it is renewed at the latest after two beats, well before
 * half a lease without an answer is taken for an outage, after which nobody is judged for a while.
 */
export const beatsPerLease = 6

export interface PulseOptions {
  readonly leaseMs: number
  readonly runs: Pick<Runs, "dueMono" | "look">
  readonly mono: () => number
  /** Succeeds once this holds, which is looked at whenever something has changed. */
  readonly until: (holds: () => boolean) => Effect.Effect<void>
  readonly tell: (log: Effect.Effect<void>) => Effect.Effect<void>
  /** The runs were looked at. */
  readonly onLook: () => void
  /** A beat is over; `whole` when it ends a lease. */
  readonly onBeat: (whole: boolean) => void
}

/** Looks after it until the scope closes. */
export const openPulse = Effect.fnUntraced(function* (
  options: PulseOptions
): Effect.fn.Return<void, never, Scope.Scope> {
  const { leaseMs, mono, onBeat, onLook, runs, tell, until } = options
  const forever = (what: string, step: Effect.Effect<void>) =>
    Effect.forever(step).pipe(
      Effect.tapCause((cause) =>
        Cause.hasInterruptsOnly(cause) ? Effect.void : tell(Effect.logError(`${what} stopped`, cause))
      ),
      Effect.forkScoped
    )

  yield* forever(
    "looking after running tasks",
    Effect.gen(function* () {
      const dueMono = runs.dueMono()
      const restMs = dueMono - mono()
      const sooner = until(() => runs.dueMono() < dueMono)
      // A run that just lasts needs no looking after.
      if (restMs <= pulseMs) yield* Effect.sleep(pulseMs)
      else yield* restMs === Number.POSITIVE_INFINITY ? sooner : Effect.timeoutOption(sooner, restMs)
      runs.look()
      onLook()
    })
  )

  let beats = 0
  yield* forever(
    "renewing the lease",
    Effect.gen(function* () {
      yield* upkeepPause(leaseMs / beatsPerLease)
      beats += 1
      onBeat(beats % beatsPerLease === 0)
    })
  )
})
