/**
 * What all who follow one task in this process share: how it stands, its newest events, and its end.
 *
 * However many follow, news are read once. The end is asked for before the events, and a worker stores a run's
 * events before it settles the run: so when an end was seen, the events read after it are all there are. Only the
 * newest events are kept; a follower further behind reads the store itself, and comes back once it has caught up.
 */
import { Cause, Clock, Deferred, Effect, Latch, Schedule, type Scope } from "effect"
import { type Position, Store, StoreError, type TaskEvent } from "../../runtime/store.ts"
import { decodeRecord, partitionOfId, type TaskError, type TaskId, ulidOfId } from "../../runtime/task.ts"
import { type Ended, endedOf, type Standing, standingOf } from "../../runtime/view.ts"
import { Replies, TaskNotFound } from "../dispatch/replies.ts"

/** An event as it was stored. `id` is where a follower that has seen it goes on: `<attempt>-<seq>`. */
export type StoredEvent = { readonly id: string; readonly attempt: number; readonly seq: number } & (
  | { readonly type: "progress"; readonly fraction: number; readonly message?: string }
  | { readonly type: "log"; readonly level: string; readonly message: string }
  | { readonly type: "chunk"; readonly chunk: unknown }
  | { readonly type: "step"; readonly number: number; readonly name: string }
)

/** The last event of all. */
export interface EndEvent {
  readonly type: "end"
  readonly id: string
  readonly state: Ended["state"]
  readonly error?: Omit<TaskError, "stack">
}

/** How many of the newest events are kept for those who keep up, and how many characters of them. */
const recentMax = 128
const recentCharactersMax = 256 * 1024

/** How many events one read asks for. */
const readMax = 200

/** How often the store is told again that hints are wanted here, and all is looked at, in milliseconds. */
const watchEveryMs = 2_000

/** How failed reads are repeated: followers wait, and miss nothing. */
export const rereads = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("2 seconds")]).pipe(
  Schedule.jittered
)

const isAfter = (a: Position, b: Position) => a.run > b.run || (a.run === b.run && a.seq > b.seq)

export const eventOf = ({ data, kind, run, seq }: TaskEvent): StoredEvent => {
  const place = { id: `${run}-${seq}`, attempt: run, seq }
  const value: unknown = JSON.parse(data)
  // What a worker stored of its kind has that kind's shape.
  return (
    kind === "chunk" ? { type: kind, ...place, chunk: value } : { type: kind, ...place, ...(value as object) }
  ) as StoredEvent
}

export const positionOf = ({ attempt, seq }: StoredEvent): Position => ({ run: attempt, seq })

const endOf = (record: string): EndEvent => {
  const ended = endedOf(record)
  const id = `${decodeRecord(record).header.run}-end`
  if (ended.state === "succeeded") return { type: "end", id, state: ended.state }
  // A stack is for those who look at the task's record, not for everyone who listens.
  const { message, type } = ended.error
  return { type: "end", id, state: ended.state, error: { type, message } }
}

export interface Topic {
  readonly standing: () => Standing
  /** Once it is there, every event of the task is in the store. */
  readonly end: () => EndEvent | undefined
  /** Why there will be no more news, when it is not the end. */
  readonly failure: () => Cause.Cause<TaskNotFound> | undefined
  /** What came after a position; `undefined` when that is not all known here. */
  readonly recent: (after: Position) => ReadonlyArray<StoredEvent> | undefined
  /** From where on all events are known here. */
  readonly floor: () => Position | undefined
  /**
   * Says that the store was read and has no event after `position`; `floor` was the topic's before that read.
   * From then on the topic reads on from there, for everybody.
   */
  readonly caughtUp: (position: Position, floor: Position | undefined) => void
  /** Succeeds at the next news. */
  readonly news: Effect.Effect<void>
}

/** The newest events, oldest first, and the position after which none is missing. */
class Recent {
  floor: Position
  tip: Position
  readonly #events: Array<StoredEvent> = []
  readonly #sizes: Array<number> = []
  #characters = 0

  constructor(from: Position) {
    this.floor = from
    this.tip = from
  }

  add(event: TaskEvent): void {
    this.#events.push(eventOf(event))
    this.#sizes.push(event.data.length)
    this.#characters += event.data.length
    this.tip = event
    while (
      this.#events.length > recentMax ||
      (this.#characters > recentCharactersMax && this.#events.length > 1)
    ) {
      this.floor = positionOf(this.#events.shift()!)
      this.#characters -= this.#sizes.shift()!
    }
  }

  after(position: Position): ReadonlyArray<StoredEvent> | undefined {
    if (isAfter(this.floor, position)) return undefined
    let from = this.#events.length
    while (from > 0 && isAfter(positionOf(this.#events[from - 1]!), position)) from--
    return this.#events.slice(from)
  }
}

/** Opens the topic of a task. It reads nothing until a follower has caught up, and ends with the scope. */
export const openTopic = Effect.fnUntraced(function* (
  id: TaskId
): Effect.fn.Return<Topic, TaskNotFound | StoreError, Store | Replies | Scope.Scope> {
  const store = yield* Store
  const replies = yield* Replies
  const partition = partitionOfId(id)
  const ulid = ulidOfId(id)

  // Looked at first: a stranger may ask for ids of ever new queues. Nothing is missed, as a pass reads it all anew.
  const [found] = yield* store.read(partition, [ulid])
  if (found === undefined) return yield* new TaskNotFound({ id })
  yield* replies.tune(partition)

  let standing = standingOf(found)
  let end = found.place.kind === "ended" ? endOf(found.record) : undefined
  let failure: Cause.Cause<TaskNotFound> | undefined
  let recent: Recent | undefined
  /** When hints were last asked for, in Unix milliseconds. */
  let watchedAt: number | undefined

  const started = Latch.makeUnsafe(false)
  const hinted = Latch.makeUnsafe(false)
  /** How many hints were not followed yet. */
  let hints = 0
  const hint = () => {
    hints += 1
    hinted.openUnsafe()
  }
  let news = Deferred.makeUnsafe<void>()
  const tell = () => {
    const told = news
    news = Deferred.makeUnsafe()
    Deferred.doneUnsafe(told, Effect.void)
  }

  const isWatchDue = Effect.map(
    Clock.currentTimeMillis,
    (now) => watchedAt === undefined || Math.abs(now - watchedAt) >= watchEveryMs
  )

  const readEnd = Effect.gen(function* () {
    const watch = yield* isWatchDue
    if (watch) watchedAt = yield* Clock.currentTimeMillis
    const [record] = yield* store.ended(partition, [ulid], watch ? { watch: replies.inbox } : {})
    return record ?? (yield* new TaskNotFound({ id }))
  })

  /** Reads on from the newest event, and says how many there were. */
  const readEvents = Effect.gen(function* () {
    let count = 0
    while (true) {
      const from = recent!
      const events = yield* store.events(id, from.tip, readMax)
      // Somebody who caught up meanwhile showed that there is nothing at this position: it starts from theirs.
      if (from !== recent) continue
      for (const event of events) from.add(event)
      const run = from.tip.run
      if (events.length > 0 && run > standing.attempt) standing = { state: "running", attempt: run }
      count += events.length
      if (events.length > 0) tell()
      if (events.length < readMax) return count
    }
  })

  const readStanding = Effect.gen(function* () {
    const [found] = yield* store.read(partition, [ulid])
    // It ended since it was asked about its end, or is gone: the next pass sees which.
    if (found === undefined || found.place.kind === "ended") return hint()
    const now = standingOf(found)
    if (now.state === standing.state && now.attempt === standing.attempt) return
    standing = now
    tell()
  })

  /** Looks at the end first, so that the events read then are all there are; and at how the task stands, if at neither. */
  const readAll = Effect.gen(function* () {
    const record = yield* readEnd
    const count = yield* readEvents
    if (record !== true) {
      end = endOf(record)
      tell()
    } else if (count === 0) yield* readStanding
  })

  /** One look at what is new. A single hint is of events, as a rule: where there are some, nothing else is asked. */
  const pass = (sure: boolean) =>
    Effect.gen(function* () {
      if (!sure && (yield* readEvents) > 0) return
      yield* readAll
    }).pipe(Effect.retry({ schedule: rereads, while: (error) => error instanceof StoreError }))

  const follow = Effect.gen(function* () {
    yield* started.await
    while (end === undefined) {
      yield* hinted.await
      // Hints that arrive during a pass share the next one.
      hinted.closeUnsafe()
      const sure = hints > 1 || (yield* isWatchDue)
      hints = 0
      yield* pass(sure)
    }
  }).pipe(
    Effect.catchCause((cause) =>
      Effect.suspend(() => {
        if (Cause.hasInterruptsOnly(cause)) return Effect.void
        failure = cause as Cause.Cause<TaskNotFound>
        tell()
        return Cause.hasDies(cause) ? Effect.logError(`${id} is no longer followed`, cause) : Effect.void
      })
    )
  )

  if (end === undefined) {
    const unsubscribe = replies.subscribe(id, hint)
    yield* Effect.addFinalizer(() => {
      unsubscribe()
      const none = watchedAt === undefined || end !== undefined
      // A watch that stays after a failure goes at the task's end; hints that nobody hears do no harm.
      return none || replies.awaits(id)
        ? Effect.void
        : Effect.ignore(store.unwatch(partition, [ulid], replies.inbox))
    })
    yield* Effect.forkScoped(follow)
  }

  return {
    standing: () => standing,
    end: () => end,
    failure: () => failure,
    recent: (after) => recent?.after(after),
    floor: () => recent?.floor,
    caughtUp: (position, floor) => {
      // A floor above a position with nothing after it was never an event: somebody asked to go on from nowhere.
      const astray = recent !== undefined && recent.floor === floor && isAfter(recent.floor, position)
      if (recent !== undefined && !astray) return
      recent = new Recent(position)
      hint()
      started.openUnsafe()
    },
    news: Effect.suspend(() => Deferred.await(news))
  }
})
