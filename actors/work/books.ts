/**
 * What is kept of one puller's runs beside their settlements: the permits they hold, what is counted of them, and the
 * pauses of limits they were told of. Permits of runs that were lost end as well.
 */
import { Effect, type Scope } from "effect"
import { Limits } from "../../runtime/limits.ts"
import type { Operations } from "../../runtime/operations.ts"
import { Handlers } from "../../runtime/registry.ts"
import type { WorkerId, Claim } from "../../runtime/turn.ts"
import type { Entry, Partition } from "../../runtime/task.ts"
import { requestsOf } from "../dispatch/rings.ts"
import { histogram, makeTally } from "../tally.ts"
import { openPermits, type Permits } from "./permits.ts"
import type { Settled } from "./settled.ts"

const waitCounter = histogram("wait")
const runCounter = histogram("run")

export interface Books {
  readonly permits: Permits
  /** A run was claimed; gives the permit that it was claimed with, if it needs one. */
  readonly claimed: (claim: Claim) => string | undefined
  readonly started: () => void
  /** It has ended, or will not start. */
  readonly settled: (one: Settled) => void
  /** Ends the permits of runs that are no longer there. */
  readonly look: (isThere: (entry: Entry) => boolean) => void
}

export interface BooksOptions {
  readonly partition: Partition
  readonly worker: WorkerId
  readonly leaseMs: number
  /** Whether leases of others are judged now. */
  readonly judges: () => boolean
  /** Permits came, or were refused. */
  readonly onPermits: () => void
}

export const openBooks = Effect.fnUntraced(function* (
  options: BooksOptions
): Effect.fn.Return<Books, never, Limits | Operations | Handlers | Scope.Scope> {
  const { judges, leaseMs, onPermits, partition, worker } = options
  const limits = yield* Limits
  const handlers = yield* Handlers
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const tally = yield* makeTally
  const permits = yield* openPermits({
    worker,
    leaseMs,
    judges,
    limitsOf: (ring) => requestsOf(ring, handlers.all),
    onChange: onPermits
  })
  const permitted = new Map<Entry, string>()

  const end = (entry: Entry, { unused = false, used }: Pick<Settled, "unused" | "used"> = {}) => {
    const permit = permitted.get(entry)
    if (permit === undefined) return
    permitted.delete(entry)
    if (unused) permits.ended({ permit, unused })
    else permits.ended(used === undefined ? { permit } : { permit, actual: used })
  }

  const count = ({ outcome, runMs, waitMs }: Settled) => {
    if (outcome === "succeeded" || outcome === "failed" || outcome === "retried")
      tally.add(partition, outcome, 1)
    if (waitMs !== undefined) {
      tally.add(partition, waitCounter(waitMs), 1)
      tally.add(partition, "waitUs", Math.round(waitMs * 1_000))
    }
    if (runMs !== undefined) {
      tally.add(partition, runCounter(runMs), 1)
      tally.add(partition, "runUs", Math.round(runMs * 1_000))
    }
  }

  const cool = (name: string, forMs: number) =>
    fork(
      limits.cool(name, forMs).pipe(
        Effect.catch((error) => Effect.logWarning(`limit ${name} was not paused: ${error.message}`)),
        Effect.annotateLogs({ partition, worker })
      )
    )

  return {
    permits,
    claimed: ({ entry, ring }) => {
      const permit = ring === undefined ? undefined : permits.claimed(ring)
      if (permit !== undefined) permitted.set(entry, permit)
      return permit
    },
    started: () => tally.add(partition, "started", 1),
    settled: (one) => {
      count(one)
      end(one.settlement.entry, one)
      for (const { forMs, name } of one.cool ?? []) cool(name, forMs)
    },
    look: (isThere) => {
      for (const entry of permitted.keys()) if (!isThere(entry)) end(entry)
    }
  }
})
