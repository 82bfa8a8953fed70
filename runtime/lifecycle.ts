/**
 * The log of what happens to the tasks of a partition, kept only while somebody listens.
 *
 * Whoever listens leases the partition for a while, and renews that. What happens while it is leased is noted in the same
 * step in which it happens, so what is noted was committed, and nothing committed is missing. An unbroken time in which
 * somebody listens is an epoch: its notes are numbered from 1, so a gap can be seen.
 */
import { Context, type Effect, type Scope } from "effect"
import type { StoreError } from "./store.ts"
import type { Partition } from "./task.ts"

/** What becomes of a task. One that has `failed` for good is `dead` too: a dead letter. */
export const lifeKinds = [
  "submitted",
  "scheduled",
  "rescheduled",
  "started",
  "progress",
  "retrying",
  "completed",
  "failed",
  "dead",
  "cancelled",
  "expired"
] as const
export type LifeKind = (typeof lifeKinds)[number]

/** Where in the log of a partition somebody stands: the last note that was seen. Number 0 is before the first. */
export interface LifePlace {
  /** When somebody began to listen, about, in Unix milliseconds. */
  readonly epoch: number
  readonly number: number
}

export interface Life extends LifePlace {
  readonly kind: LifeKind
  readonly ulid: string
  /** The run that it is about; 0 before the first. */
  readonly attempt: number
  /** Unix milliseconds on the store's clock. */
  readonly at: number
  /** The envelope up to its input, as text: read it with `headOf`. */
  readonly head: string
  /** JSON that only this kind has, or "". */
  readonly more: string
}

/** What the envelope of a task says before its input. */
export interface Head {
  readonly name: string
  readonly key?: string
  readonly tags: ReadonlyArray<string>
  readonly tenant?: string
}

/** How many notes of a partition are kept, about: older ones go, and a listener is told of the gap. */
export const livesMax = 10_000

/** How many characters of an envelope a note has at most. */
export const headMax = 4_096

const text = `"(?:[^"\\\\]|\\\\.)*"`
const fieldOf = (name: string, value: string) => {
  const field = new RegExp(`"${name}":(${value})`)
  return (head: string): unknown => {
    const found = field.exec(head)
    return found === null ? undefined : (JSON.parse(found[1]!) as unknown)
  }
}
const nameIn = fieldOf("name", text)
const keyIn = fieldOf("key", text)
const tenantIn = fieldOf("tenant", text)
const tagsIn = fieldOf("tags", `\\[(?:${text},?)*\\]`)

/** Reads a head. It may be cut off, so that it is no JSON; a quote inside of a text of it always has a backslash before it. */
export const headOf = (head: string): Head => {
  const key = keyIn(head) as string | undefined
  const tenant = tenantIn(head) as string | undefined
  return {
    name: (nameIn(head) as string | undefined) ?? "",
    tags: (tagsIn(head) as ReadonlyArray<string> | undefined) ?? [],
    ...(key === undefined ? {} : { key }),
    ...(tenant === undefined ? {} : { tenant })
  }
}

/** The head of a record's text, as the scripts cut it (`runtime/lua/lib/lives.lua`). */
export const cutHead = (record: string): string => {
  const sealed = /"sealed":"[^"]*"/.exec(record)
  const from = sealed === null ? Math.max(0, record.indexOf("{")) : sealed.index + sealed[0].length
  const input = record.indexOf(',"input":', from)
  const over = record.indexOf('},"worker":"', from)
  const to = Math.min(input < 0 ? record.length : input, over < 0 ? record.length : over + 1, from + headMax)
  return record.slice(from, to)
}

export class LifecycleLog extends Context.Service<
  LifecycleLog,
  {
    /**
     * Has what happens in a partition noted for so long from now on, in milliseconds; says where its log ends now.
     * Repeatable.
     */
    readonly listen: (partition: Partition, leaseMs: number) => Effect.Effect<LifePlace, StoreError>
    /** Forgets that somebody listened, if that is over. Repeatable. */
    readonly forget: (partition: Partition) => Effect.Effect<void, StoreError>
    /** Up to `limit` notes after a place, oldest first. */
    readonly read: (
      partition: Partition,
      after: LifePlace,
      limit: number
    ) => Effect.Effect<ReadonlyArray<Life>, StoreError>
    /** Opens a channel that says where there is something new; `undefined` when that may have been missed. */
    readonly hints: Effect.Effect<
      {
        readonly next: Effect.Effect<Partition | undefined>
        /** Succeeds once hints of this partition reach the channel. */
        readonly tune: (partition: Partition) => Effect.Effect<void, StoreError>
      },
      StoreError,
      Scope.Scope
    >
  }
>()("troupe/LifecycleLog") {}
