/**
 * Reads what is new of many tasks with few calls.
 *
 * Whoever wants to know is asked what they want right before the read, and told right after it. One read of a partition is
 * on its way at a time, and what is wanted meanwhile shares the next: so an idle system pays one round trip, and
 * a busy one batches by itself, as no hint is waited for and none has a read of its own. Ends are asked for before events:
 * when an end was seen, the events read after it are all there are.
 */
import { Cause, Effect, Exit, FiberSet, Schedule, type Scope } from "effect"
import { type Found, type Position, Store, type StoreError, type TaskEvent } from "../../runtime/store.ts"
import type { Partition } from "../../runtime/task.ts"

/** How many tasks one read is about, at least and at most; and how many characters it is to bring. */
const tasksMin = 4
const tasksMax = 250
const charactersMax = 4 * 1024 * 1024

/** How many events one read brings of a task. */
export const eventsMax = 50

/** What is wanted of a task. */
export interface Question {
  readonly after: Position
  /** Whether its end is looked at, and how it stands where nothing is new. */
  readonly sure: boolean
  /** The inbox that wants hints from now on. */
  readonly watch: string | undefined
}

/** What was found. */
export interface News {
  readonly events: ReadonlyArray<TaskEvent>
  /** As `Store.ended` says it, if that was asked for: `true` while it lives, `undefined` when it is gone. */
  readonly ended?: string | true | undefined
  /** How it stands, where it was asked about its end and nothing is new. */
  readonly found?: Found | undefined
}

/** Who wants to know what is new of a task. */
export interface Reader {
  readonly ulid: string
  readonly question: () => Question
  readonly told: (news: News, question: Question) => void
  /** Nothing was found out: they are asked again. */
  readonly unanswered: () => void
  /** They are not asked any more: the read cannot be made. */
  readonly failed: (cause: Cause.Cause<never>) => void
}

export interface Reading {
  /** Reads for them as soon as it can, once for all calls before that. */
  readonly want: (partition: Partition, reader: Reader) => void
  /** They want nothing any more. */
  readonly forget: (partition: Partition, reader: Reader) => void
}

/** How failed reads are repeated: followers wait, and miss nothing. */
export const rereads = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("2 seconds")]).pipe(
  Schedule.jittered
)

export const makeReading: Effect.Effect<Reading, never, Store | Scope.Scope> = Effect.gen(function* () {
  const store = yield* Store
  const fork = yield* FiberSet.makeRuntime<never>()
  const wanted = new Map<Partition, Set<Reader>>()
  const reading = new Set<Partition>()
  let tasks = tasksMax

  interface Asked {
    readonly reader: Reader
    readonly question: Question
  }

  const readOf = Effect.fnUntraced(function* (partition: Partition, asked: ReadonlyArray<Asked>) {
    const ends = new Map<Reader, string | true | undefined>()
    for (const watched of [true, false]) {
      const some = asked.filter(({ question: { sure, watch } }) => sure && (watch !== undefined) === watched)
      if (some.length === 0) continue
      const watch = some[0]!.question.watch
      const ulids = some.map(({ reader }) => reader.ulid)
      const records = yield* store.ended(partition, ulids, watch === undefined ? {} : { watch })
      for (const [at, { reader }] of some.entries()) ends.set(reader, records[at])
    }
    const events = yield* store.eventsOf(
      partition,
      asked.map(({ question, reader }) => ({ ulid: reader.ulid, after: question.after })),
      eventsMax
    )
    const quiet = asked.filter(({ reader }, at) => ends.get(reader) === true && events[at]!.length === 0)
    const found =
      quiet.length === 0
        ? []
        : yield* store.read(
            partition,
            quiet.map(({ reader }) => reader.ulid)
          )
    const standing = new Map(quiet.map(({ reader }, at) => [reader, found[at]]))
    return asked.map(({ reader }, at): News => ({
      events: events[at]!,
      ...(ends.has(reader) ? { ended: ends.get(reader) } : {}),
      ...(standing.has(reader) ? { found: standing.get(reader) } : {})
    }))
  })

  /** Where the events are large, the next read is of fewer tasks. */
  const measure = (all: ReadonlyArray<News>) => {
    let characters = 0
    for (const { events } of all) for (const { data } of events) characters += data.length
    if (characters > charactersMax) tasks = Math.max(tasksMin, Math.floor(tasks / 2))
    else if (characters * 2 < charactersMax) tasks = Math.min(tasksMax, tasks * 2)
  }

  const readSome = (partition: Partition, readers: Set<Reader>) =>
    Effect.suspend(() => {
      const asked: Array<Asked> = []
      for (const reader of readers) {
        if (asked.length === tasks) break
        readers.delete(reader)
        asked.push({ reader, question: reader.question() })
      }
      return readOf(partition, asked).pipe(
        Effect.map((all) => {
          measure(all)
          for (const [at, { question, reader }] of asked.entries()) reader.told(all[at]!, question)
        }),
        Effect.tapError(() =>
          Effect.sync(() => {
            for (const { reader } of asked) {
              reader.unanswered()
              readers.add(reader)
            }
          })
        ),
        Effect.tapDefect((defect) =>
          Effect.sync(() => {
            for (const { reader } of asked) reader.failed(Cause.die(defect))
          })
        )
      )
    })

  const begin = (partition: Partition, readers: Set<Reader>): void => {
    reading.add(partition)
    const all: Effect.Effect<void, StoreError> = Effect.gen(function* () {
      while (readers.size > 0) {
        // What is wanted in the same tick shares a read.
        yield* Effect.yieldNow
        yield* readSome(partition, readers)
      }
    })
    const reads = all.pipe(
      Effect.catch(() => Effect.retry(Effect.delay(all, "50 millis"), rereads)),
      Effect.catchCause((cause) => Effect.logError("tasks are no longer followed", cause)),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          reading.delete(partition)
          if (readers.size === 0) wanted.delete(partition)
          else if (Exit.isSuccess(exit)) begin(partition, readers)
        })
      )
    )
    fork(reads)
  }

  return {
    want: (partition, reader) => {
      const readers = wanted.get(partition) ?? new Set<Reader>()
      wanted.set(partition, readers)
      readers.add(reader)
      if (!reading.has(partition)) begin(partition, readers)
    },
    forget: (partition, reader) => void wanted.get(partition)?.delete(reader)
  }
})
