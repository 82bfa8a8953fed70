/**
 * What all who follow one task in this process share: how it stands, its newest events, and its end.
 *
 * However many follow, news are read once. The end is asked for before the events, and a worker stores a run's
 * events before it settles the run: so when an end was seen, the events read after it are all there are. Only the
 * newest events are kept; a follower further behind reads the store itself, and comes back once it has caught up.
 */
import { Cause, Clock, Effect, type Scope } from "effect"
import { type Position, Store, type StoreError, type TaskEvent } from "../../runtime/store.ts"
import { decodeRecord, type TaskError } from "../../runtime/record.ts"
import { partitionOfId, type TaskId, ulidOfId } from "../../runtime/task.ts"
import { type Ended, endedOf, type Standing, standingOf } from "../../runtime/view.ts"
import { Replies, TaskNotFound } from "../dispatch/replies.ts"
import { eventsMax, type News, type Question, type Reader, type Reading } from "./reading.ts"

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

/** How often the store is told again that hints are wanted here, and all is looked at, in milliseconds. */
const watchEveryMs = 2_000

const isAfter = (a: Position, b: Position) => a.run > b.run || (a.run === b.run && a.seq > b.seq)

/** Whether nothing can lie between; after another run's events something may, if a hint was lost. */
const isNext = (event: Position, tip: Position) =>
  event.run === tip.run ? event.seq === tip.seq + 1 : tip.run === 0 && event.run === 1 && event.seq === 1

export const eventOf = ({ data, kind, run, seq }: TaskEvent): StoredEvent => {
  const id = `${run}-${seq}`
  const value: unknown = JSON.parse(data)
  if (kind === "chunk") return { type: kind, id, attempt: run, seq, chunk: value }
  // What a worker stored of its kind has that kind's shape.
  return { type: kind, id, attempt: run, seq, ...(value as object) } as StoredEvent
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
  /** Calls `news` at all news, until what it returns is called. */
  readonly subscribe: (news: () => void) => () => void
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
export const openTopic = (reading: Reading) =>
  Effect.fnUntraced(function* (
    id: TaskId
  ): Effect.fn.Return<Topic, TaskNotFound | StoreError, Store | Replies | Scope.Scope> {
    const store = yield* Store
    const replies = yield* Replies
    const clock = yield* Clock.Clock
    const partition = partitionOfId(id)
    const ulid = ulidOfId(id)

    // Looked at first: a stranger may ask for ids of ever new queues. Nothing is missed, as it is all read anew.
    const [found] = yield* store.read(partition, [ulid])
    if (found === undefined) return yield* new TaskNotFound({ id })
    yield* replies.tune(partition)

    let standing = standingOf(found)
    let end = found.place.kind === "ended" ? endOf(found.record) : undefined
    let failure: Cause.Cause<TaskNotFound> | undefined
    let recent: Recent | undefined
    /** What was known when the read that is on its way was asked for. */
    let askedOf: Recent | undefined
    /** When hints were last asked for, in Unix milliseconds. */
    let watchedAt: number | undefined
    /** How many hints were not followed yet. */
    let hints = 0
    /** Whether the end is looked at next, whatever the hints are of. */
    let sure = false
    let closed = false

    const followers = new Set<() => void>()
    const tell = () => {
      for (const news of followers) news()
    }

    /** A single hint is of events, as a rule: where there are some, nothing else is asked. */
    const question = (): Question => {
      const now = clock.currentTimeMillisUnsafe()
      const isDue = watchedAt === undefined || Math.abs(now - watchedAt) >= watchEveryMs
      const isSure = sure || hints > 1 || isDue
      if (isSure && isDue) watchedAt = now
      hints = 0
      sure = false
      askedOf = recent
      return { after: recent!.tip, sure: isSure, watch: isSure && isDue ? replies.inbox : undefined }
    }

    const standsNow = (found: News["found"]) => {
      // It ended since it was asked about its end, or is gone: the next read sees which.
      if (found === undefined || found.place.kind === "ended") return look()
      const now = standingOf(found)
      if (now.state === standing.state && now.attempt === standing.attempt) return
      standing = now
      tell()
    }

    const failed = (cause: Cause.Cause<TaskNotFound>) => {
      failure = cause
      tell()
    }

    const told = (found: News, asked: Question) => {
      if (closed || end !== undefined || failure !== undefined) return
      const { ended, events } = found
      if (asked.sure && ended === undefined) return failed(Cause.fail(new TaskNotFound({ id })))
      // Somebody who caught up meanwhile showed that there is nothing at this position: it starts from theirs.
      if (askedOf !== recent) return look()
      // Some may have come along with hints since.
      for (const event of events) if (isAfter(event, recent!.tip)) recent!.add(event)
      const { run } = recent!.tip
      if (events.length > 0 && run > standing.attempt) standing = { state: "running", attempt: run }
      // The end counts once all events before it are here.
      const isAll = events.length < eventsMax
      if (isAll && typeof ended === "string") end = endOf(ended)
      if (events.length > 0 || end !== undefined) tell()
      if (end !== undefined) return
      if (!isAll || (!asked.sure && events.length === 0)) look(asked.sure || isAll)
      else if ("found" in found) standsNow(found.found)
    }

    /** An event that came along with a hint. One that is not the next one shows that there is something to read. */
    const heard = (event: TaskEvent) => {
      if (!isAfter(event, recent!.tip)) return
      if (!isNext(event, recent!.tip)) return look(false)
      recent!.add(event)
      if (event.run > standing.attempt) standing = { state: "running", attempt: event.run }
      tell()
    }

    const unanswered = () => {
      sure = true
      watchedAt = undefined
    }

    const reader: Reader = { ulid, question, told, unanswered, failed }
    const look = (surely = true) => {
      sure ||= surely
      reading.want(partition, reader)
    }

    if (end === undefined) {
      const unsubscribe = replies.subscribe(id, (event) => {
        const isKnown = recent !== undefined && end === undefined && failure === undefined
        if (event !== undefined && isKnown) return heard(event)
        hints += 1
        if (isKnown) reading.want(partition, reader)
      })
      yield* Effect.addFinalizer(() => {
        closed = true
        unsubscribe()
        reading.forget(partition, reader)
        const none = watchedAt === undefined || end !== undefined
        // A watch that stays after a failure goes at the task's end; hints that nobody hears do no harm.
        return none || replies.awaits(id)
          ? Effect.void
          : Effect.ignore(store.unwatch(partition, [ulid], replies.inbox))
      })
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
        if (end === undefined) look()
      },
      subscribe: (news) => {
        followers.add(news)
        return () => void followers.delete(news)
      }
    }
  })
