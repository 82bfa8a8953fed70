/**
 * Limits that all processes share: how often, and how many at once, a named resource may be used.
 *
 * A run needs a permit of each of its limits before it is claimed. Permits live in one partition of their own, since a
 * limit is shared by all queues. A worker that dies keeps its places among so many at once until its lease on them ends;
 * what it took of a rate stays counted. Everything goes by itself once it does not count any more.
 *
 * There are two layers, Redis and memory; one suite holds both to what is written here.
 */
import { Context, type Effect } from "effect"
import type { StoreError } from "./store.ts"
import type { WorkerId } from "./turn.ts"
import type { Partition } from "./task.ts"

/** Where limits are kept: no queue's name begins with a sign, so none has this partition. */
export const limitsPartition: Partition = "_limits.0"

/** How soon a worker may ask again for a place among so many at once: one may come free at any time. */
export const placePollMs = 250

/** The longest pause of a limit, a day: somebody's clock or header may say anything. */
const coolMaxMs = 86_400_000

/** A pause as stores take it: whole milliseconds. */
export const coolFor = (forMs: number): number => Math.min(coolMaxMs, Math.max(0, Math.ceil(forMs) || 0))

/** What is asked of one limit. The limit is what the newest call says it is: handlers define them. */
export interface LimitRequest {
  /** As it is counted (`limit-name.ts`). */
  readonly name: string
  /**
   * At most so much of it in any `perMs`, a sliding window. `amount` is what one permit takes of it, at first: 0 or
   * more, and all of `count` where it is more than that. Parts of a whole number are rounded so that less is granted.
   */
  readonly rate?: { readonly count: number; readonly perMs: number; readonly amount: number }
  /** At most so many permits at once. */
  readonly concurrency?: number
}

/** Permits that are asked for, each good for all of these limits together. */
export interface PermitsAsk {
  /** No limit is named twice. */
  readonly limits: ReadonlyArray<LimitRequest>
  /** So many at most. */
  readonly want: number
}

/** Permits for runs of the same limits. */
export interface Granted {
  /** One text for each run that may start; it is named when the run has ended. At most as many as were asked for. */
  readonly permits: ReadonlyArray<string>
  /** When to ask again, in milliseconds from now, if fewer than asked for were granted. */
  readonly retryAfterMs: number | undefined
}

/** What one run did with its permit. */
export interface Used {
  readonly permit: string
  /** What it really took of each rate, by the limit's name, whoever has it for themselves, where it differs from the `amount` that was reserved. */
  readonly actual?: Readonly<Record<string, number>>
  /** It never started: all that it took is given back. */
  readonly unused?: boolean
}

/** A limit as it stands. */
export interface LimitState {
  readonly name: string
  /** Used within the window, and places that are taken up. */
  readonly used: number
  readonly running: number
  /** Until when nothing is granted, in Unix milliseconds. */
  readonly coolsUntil?: number
}

export class Limits extends Context.Service<
  Limits,
  {
    /**
     * Takes permits, each of all the limits of its ask or of none, one ask after the other. After a `StoreError` some may be out
     * that nobody knows of: their lease ends, and what they took of a
     * rate goes with its window. Who does not judge leaves places alone whose lease ran out, as after an outage: their runs
     * may go on, and renew it.
     */
    readonly take: (
      worker: WorkerId,
      asks: ReadonlyArray<PermitsAsk>,
      leaseMs: number,
      judges?: boolean
    ) => Effect.Effect<ReadonlyArray<Granted>, StoreError>

    /**
     * Ends permits. What a run took over its amount is counted as of now; what it left is taken off where it was
     * counted. Repeatable: a place that is not taken up, and a rate that was corrected, are passed over.
     */
    readonly settle: (used: ReadonlyArray<Used>) => Effect.Effect<void, StoreError>

    /**
     * Renews the lease on places, one that ran out as well unless somebody has judged it since. One that is not taken up any more
     * is passed over; a rate has none. Repeatable.
     */
    readonly renew: (permits: ReadonlyArray<string>, leaseMs: number) => Effect.Effect<void, StoreError>

    /** Grants nothing of a limit for so long, as after a 429, a day at most. A longer pause that is there already stays. Repeatable. */
    readonly cool: (name: string, forMs: number) => Effect.Effect<void, StoreError>

    /** How limits stand, in the order of `names`; one that was never used stands at 0. */
    readonly states: (names: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<LimitState>, StoreError>
  }
>()("troupe/Limits") {}
