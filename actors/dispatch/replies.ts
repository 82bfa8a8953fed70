/**
 * Tells those in this process who wait for tasks that there is news of them.
 *
 * One reply channel serves the whole process. A hint on it says only that there is something to read, and may be
 * lost: whatever is waited for is read again every few seconds, so a lost hint costs time and never a result. Many
 * who wait for one task share its reads.
 */
import { Cause, Context, Effect, Exit, Layer, Schema } from "effect"
import * as Actor from "../../runtime/actor/actor.ts"
import { defineActor } from "../../runtime/actor/definition.ts"
import { describe } from "../../runtime/fault.ts"
import { type Inbox, Store, type StoreError, type TaskEvent } from "../../runtime/store.ts"
import { IsUpkeep } from "../../runtime/upkeep.ts"
import { start as supervise } from "../../runtime/supervision/supervisor.ts"
import { idIn, type Partition, partitionOfId, type TaskId, ulidOfId } from "../../runtime/task.ts"
import { Complaints } from "../../runtime/telemetry/complaints.ts"

/** No task has this id: it never was, or is past its retention. */
export class TaskNotFound extends Schema.TaggedError<TaskNotFound>()("TaskNotFound", { id: Schema.String }) {
  override get message() {
    return `there is no task ${this.id}; it may be past its retention`
  }
}

/** How often everything that is waited for is read again, in case a hint was lost. */
const rereadEvery = "2 seconds"

/**
 * How many tasks one read asks about, at least and at most; and how many characters it is to bring. Where results are
 * large the next read is of fewer, so that the first who wait need not wait for what all of them wait for.
 */
const readMin = 8
const readMax = 500
const readCharacters = 1024 * 1024

type Done = (exit: Exit.Exit<string, TaskNotFound>) => void

interface Waiting {
  /** Whom to tell, each once: mostly one. */
  readonly done: Array<Done>
  /** Whether the store knows that this process wants hints of it. */
  watched: boolean
  /** Whether its submit may still be on its way: that it is not there says nothing then. */
  onItsWay: boolean
}

/** A task that is expected, until it has ended. */
export interface Expected {
  /** It is stored: from now on it is missed where it is not there. */
  readonly stored: () => void
  readonly forget: () => void
}

export class Replies extends Context.Service<
  Replies,
  {
    /** The name of the reply channel. A task submitted with it as `reply` gives a hint when it ends. */
    readonly inbox: string
    /** Succeeds once hints from this partition can be heard. */
    readonly tune: (partition: Partition) => Effect.Effect<void, StoreError>
    /** Succeeds with a task's record once it has ended. */
    readonly ended: (id: TaskId) => Effect.Effect<string, TaskNotFound | StoreError>
    /**
     * The same for a task that is about to be submitted with this inbox as its `reply`: it is expected from this call
     * on, needs no watching, and `done` is called with its record.
     */
    readonly expect: (id: TaskId, done: Done) => Expected
    /** Calls `news` whenever a task may have changed, with the event if one came along, until what it returns is called. */
    readonly subscribe: (id: TaskId, news: (event?: TaskEvent) => void) => () => void
    /** Whether somebody here waits for this task's end, so that its hints are wanted. */
    readonly awaits: (id: TaskId) => boolean
  }
>()("troupe/Replies") {}

/** Everything that is waited for is to be read again. */
interface Message {
  readonly _tag: "Reread"
}

const make = Effect.gen(function* () {
  const store = yield* Store
  const inbox: Inbox = yield* store.inbox
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const waiting = new Map<TaskId, Waiting>()
  const listeners = new Map<TaskId, Set<(event?: TaskEvent) => void>>()
  /** Tasks to be read next, by partition; one read of a partition is on its way at a time. */
  const unread = new Map<Partition, Set<TaskId>>()
  const reading = new Set<Partition>()
  const unreadable = (yield* Complaints).about("results could not be read", "results are read again")
  let readNext = readMin

  /** Tells all who wait for it, and says whether anybody does. */
  const finish = (id: TaskId, exit: Exit.Exit<string, TaskNotFound>): boolean => {
    const entry = waiting.get(id)
    if (entry === undefined) return false
    waiting.delete(id)
    const all = entry.done
    for (const done of all.length === 1 ? all : all.splice(0)) done(exit)
    return true
  }

  const readSome = Effect.fnUntraced(function* (partition: Partition) {
    const wanted = unread.get(partition)!
    const ids: Array<TaskId> = []
    for (const id of wanted) {
      if (ids.length === readNext) break
      wanted.delete(id)
      if (waiting.has(id)) ids.push(id)
    }
    if (ids.length === 0) return
    const unwatched = ids.some((id) => !waiting.get(id)!.watched)
    const onTheirWay = new Set(ids.filter((id) => waiting.get(id)!.onItsWay))
    const records = yield* store.ended(partition, ids.map(ulidOfId), unwatched ? { watch: inbox.name } : {})
    let characters = 0
    for (const record of records) if (typeof record === "string") characters += record.length
    if (characters > readCharacters) readNext = Math.max(readMin, Math.floor(readNext / 2))
    else if (ids.length === readNext) readNext = Math.min(readMax, readNext * 2)
    for (const [at, id] of ids.entries()) {
      const record = records[at]
      if (record === true) {
        const entry = waiting.get(id)
        if (entry !== undefined) entry.watched = true
      } else if (record !== undefined) finish(id, Exit.succeed(record))
      else if (!onTheirWay.has(id)) finish(id, Exit.fail(new TaskNotFound({ id })))
    }
  })

  const read = (id: TaskId) => {
    const partition = partitionOfId(id)
    const wanted = unread.get(partition) ?? new Set<TaskId>()
    unread.set(partition, wanted)
    wanted.add(id)
    if (reading.has(partition)) return
    reading.add(partition)
    fork(
      // What is asked for in the same tick shares a read; what is asked for meanwhile shares the next.
      Effect.yieldNow.pipe(
        Effect.andThen(readSome(partition)),
        Effect.repeat({ while: () => wanted.size > 0 }),
        Effect.tap(() => unreadable.well() ?? Effect.void),
        // Those who wait are read again within seconds.
        Effect.catchCause((cause) => unreadable.wrong(describe(Cause.squash(cause)).message)),
        Effect.ensuring(
          Effect.sync(() => {
            reading.delete(partition)
            for (const left of wanted) read(left)
          })
        )
      )
    )
  }

  const news = (id: TaskId, event?: TaskEvent) => {
    // An event is not its end.
    if (event === undefined && waiting.has(id)) read(id)
    for (const listener of listeners.get(id) ?? []) listener(event)
  }

  const readAll = () => {
    for (const id of new Set([...waiting.keys(), ...listeners.keys()])) news(id)
  }

  const hearing = Effect.forever(
    Effect.map(inbox.next, (hint) => {
      if (hint === "all") return readAll()
      for (const { event, record, ulid } of hint.news) {
        const id = idIn(hint.partition, ulid)
        if (record === undefined || !finish(id, Exit.succeed(record))) news(id, event)
      }
    })
  )

  // Hints go past its mailbox: there may be many.
  const reader = yield* Actor.make(
    defineActor<Message>()({
      name: "dispatcher",
      onStart: ({ beside, timers }) =>
        timers
          .startPeriodic("reread", { _tag: "Reread" }, rereadEvery)
          .pipe(Effect.provideService(IsUpkeep, true), Effect.andThen(beside(hearing))),
      handle: { Reread: () => Effect.sync(readAll) }
    })
  )
  const { ended: unheard } = yield* Effect.orDie(
    supervise({ name: "replies", children: [{ id: reader.ref.name, start: reader.begin }] })
  )
  yield* unheard.pipe(
    Effect.tapError(({ message }) => Effect.logError(`replies are no longer heard: ${message}`)),
    Effect.ignore,
    Effect.forkScoped
  )

  /** Whom it tells of a task; what it returns takes that back. */
  const tell = (entry: Waiting, id: TaskId, done: Done) => {
    const all = entry.done
    all.push(done)
    return () => {
      const at = all.indexOf(done)
      if (at < 0) return
      all.splice(at, 1)
      if (all.length === 0 && waiting.get(id) === entry) waiting.delete(id)
    }
  }
  const entryOf = (id: TaskId, isSubmitted: boolean): Waiting => {
    const there = waiting.get(id)
    if (there !== undefined) return there
    const entry: Waiting = { done: [], watched: isSubmitted, onItsWay: isSubmitted }
    waiting.set(id, entry)
    return entry
  }

  const expect: Replies["Service"]["expect"] = (id, done) => {
    const entry = entryOf(id, true)
    return {
      stored: () => void (entry.onItsWay = false),
      forget: tell(entry, id, done)
    }
  }

  const ended: Replies["Service"]["ended"] = Effect.fnUntraced(function* (id) {
    // Looked at first: a stranger may ask for ids of ever new queues, and what is heard once is heard for good.
    const partition = partitionOfId(id)
    const [record] = yield* store.ended(partition, [ulidOfId(id)])
    if (record === undefined) return yield* new TaskNotFound({ id })
    if (record !== true) return record
    yield* inbox.tune(partition)
    return yield* Effect.callback<string, TaskNotFound>((resume) => {
      const forget = tell(entryOf(id, false), id, resume)
      read(id)
      return Effect.sync(forget)
    })
  })

  return Replies.of({
    inbox: inbox.name,
    tune: inbox.tune,
    ended,
    expect,
    awaits: (id) => waiting.has(id),
    subscribe: (id, listener) => {
      const all = listeners.get(id) ?? new Set()
      listeners.set(id, all)
      all.add(listener)
      return () => {
        all.delete(listener)
        if (all.size === 0 && listeners.get(id) === all) listeners.delete(id)
      }
    }
  })
})

export const layer = Layer.effect(Replies, make)
