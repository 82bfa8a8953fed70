/**
 * What is kept of one puller's runs beside their settlements: the permits they hold, what is counted of them, and the
 * pauses of limits they were told of. Permits of runs that were lost end as well.
 */
import { Effect, FiberSet, type Scope } from "effect"
import type { Limits } from "../../runtime/limits.ts"
import type { Operations } from "../../runtime/operations.ts"
import { Handlers } from "../../runtime/registry.ts"
import { Complaints } from "../../runtime/telemetry/complaints.ts"
import type { WorkerId, Claim } from "../../runtime/turn.ts"
import type { Entry, Partition } from "../../runtime/task.ts"
import { requestsOf } from "../dispatch/rings.ts"
import { histogram, makeTally } from "../tally.ts"
import { openPauses } from "./pauses.ts"
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
  const handlers = yield* Handlers
  const pause = yield* openPauses
  const tally = yield* makeTally
  const fork = yield* FiberSet.makeRuntime<never>()
  const unknown = (yield* Complaints).about(
    "tasks wait for a limit that no handler of this worker names",
    "they wait no more"
  )
  /** They run where a handler names it, and nowhere when it was taken out of all of them. */
  const limitsOf = (ring: string) => {
    const requests = requestsOf(ring, handlers.all)
    if (requests === undefined) fork(Effect.annotateLogs(unknown.wrong(ring), { partition, worker }))
    return requests
  }
  const permits = yield* openPermits({
    worker,
    leaseMs,
    judges,
    limitsOf,
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
      if (one.cool !== undefined) pause(one.cool)
    },
    look: (isThere) => {
      for (const entry of permitted.keys()) if (!isThere(entry)) end(entry)
    }
  }
})
