/**
 * Where schedules lie: what each is, when it is to be looked at, and what became of its last slots.
 *
 * A schedule is changed by whoever read it last: a change names the version it was read with, and is refused if that is
 * not the one which is there. So of any number of processes that want to fire one slot, one does. What a change submits
 * is put into the outbox of the schedules' partition in the same step, and is stored by whoever relays that.
 *
 * What a schedule means is not known here: its text is written and read by `actors/schedule`. There are two layers,
 * Redis and memory; one suite holds both to what is written here.
 */
import { Context, type Effect, type Scope } from "effect"
import type { StoreError } from "./store.ts"
import type { NewTask } from "./mailbox.ts"
import type { Partition } from "./task.ts"

/** Where schedules are kept: no queue's name begins with a sign, so none has this partition. */
export const schedulesPartition: Partition = "_schedules.0"

/** How many schedules a tenant may have, so that none leaves others without room. */
export const schedulesMax = 10_000

/** How many there may be in all: each is looked at when it is due, and all of them may be due at once. */
export const schedulesOfAllMax = 100_000

/** Whose a schedule is, as its id begins: `~acme/`, or nothing for the tenant `default`. No other id begins with a tilde. */
export const ownerOf = (id: string): string => /^~[^/]*\//.exec(id)?.[0] ?? ""

/** How many notes of what became of its slots are kept of a schedule; the oldest go first. */
export const slotNotesMax = 50

/** How many schedules one call gives at most. */
export const schedulesAtOnce = 100

/** The longest that a ring is waited for, in milliseconds: one that was lost costs no more. */
export const ringWaitMaxMs = 5_000

export interface StoredSchedule {
  readonly id: string
  /** Another one with each change; without spaces. */
  readonly version: string
  /** What it is, in the words of `actors/schedule`. */
  readonly text: string
}

/** One change of one schedule, all of it or nothing. */
export interface Change {
  readonly id: string
  /** The version it was read with; `undefined` when there is to be none of this id. */
  readonly from: string | undefined
  /** What it is from now on, and when it is to be looked at, if ever; `undefined` when it goes, with all its notes. */
  readonly to:
    | { readonly version: string; readonly text: string; readonly lookAt: number | undefined }
    | undefined
  /** A slot that must have come, in Unix milliseconds on the store's clock. */
  readonly slot: number | undefined
  /** What became of its slots, oldest first; without line breaks. */
  readonly notes: ReadonlyArray<string>
  /** Tasks that are owed from now on. */
  readonly submits: ReadonlyArray<{ readonly partition: Partition; readonly task: NewTask }>
}

/** What came of a change. */
export type Changed =
  | "changed"
  /** It has another version, is there already, or is not there any more: read it again. Nothing was written. */
  | "conflict"
  /** The slot has not come yet. Nothing was written. */
  | "early"
  /** Its tenant has `schedulesMax` already, or all have `schedulesOfAllMax`. Nothing was written. */
  | "full"

/** What is to be looked at. `now` is the store's clock, in Unix milliseconds. */
export interface Due {
  readonly now: number
  /** The longest overdue first. */
  readonly schedules: ReadonlyArray<StoredSchedule>
  /** When the first of those that are not due yet will be. */
  readonly next: number | undefined
  /** Whether the outbox has messages to be relayed. */
  readonly outbox: boolean
}

export class Schedules extends Context.Service<
  Schedules,
  {
    /** Those that are to be looked at by now: up to `schedulesAtOnce`, after the first `skip` of them. */
    readonly due: (skip: number) => Effect.Effect<Due, StoreError>

    /** One schedule with its notes, newest first. */
    readonly read: (id: string) => Effect.Effect<
      {
        readonly now: number
        readonly schedule: StoredSchedule | undefined
        readonly notes: ReadonlyArray<string>
      },
      StoreError
    >

    /** Up to `most` schedules in the order of their ids, those after an id. */
    readonly list: (
      after: string | undefined,
      most: number
    ) => Effect.Effect<
      { readonly now: number; readonly schedules: ReadonlyArray<StoredSchedule> },
      StoreError
    >

    /** How many there are, and since when the longest overdue of them should have been looked at, in milliseconds. */
    readonly standing: Effect.Effect<{ readonly count: number; readonly lateMs: number }, StoreError>

    /** Changes a schedule. Repeatable as it was: a version that is there already counts as changed. */
    readonly change: (change: Change) => Effect.Effect<Changed, StoreError>

    /** The same for any number of them, of another schedule each: what came of each by itself, in their order. */
    readonly changeAll: (changes: ReadonlyArray<Change>) => Effect.Effect<ReadonlyArray<Changed>, StoreError>

    /**
     * Opens an ear for changes. `wait` succeeds when a schedule was changed so that it is to be looked at, or after
     * `maxMs` (at most `ringWaitMaxMs`). Of many who wait, one hears a ring; it may be lost.
     */
    readonly ear: Effect.Effect<
      { readonly wait: (maxMs: number) => Effect.Effect<void, StoreError> },
      StoreError,
      Scope.Scope
    >
  }
>()("troupe/Schedules") {}
