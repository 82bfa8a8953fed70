/**
 * Tells those in this process who wait for tasks that there is news of them.
 *
 * One reply channel serves the whole process. A hint on it says only that there is something to read, and may be
 * lost: whatever is waited for is read again every few seconds, so a lost hint costs time and never a result. Many
 * who wait for one task share its reads.
 */
import { Cause, Context, Deferred, Effect, Exit, Layer, Schema } from "effect"
import { type Inbox, Store, type StoreError } from "../runtime/store.ts"
import { idIn, type Partition, partitionOfId, type TaskId, ulidOfId } from "../runtime/task.ts"

/** No task has this id: it never was, or is past its retention. */
export class TaskNotFound extends Schema.TaggedError<TaskNotFound>()("TaskNotFound", { id: Schema.String }) {
  override get message() {
    return `there is no task ${this.id}; it may be past its retention`
  }
}

/** How often everything that is waited for is read again, in case a hint was lost. */
const rereadEvery = "2 seconds"

/** How many tasks one read asks about at most. */
const readMax = 500

interface Waiting {
  readonly done: Array<Deferred.Deferred<string, TaskNotFound>>
  /** Whether the store knows that this process wants hints of it. */
  watched: boolean
}

/** A task's record to come; `forget` when it will not. */
export interface Expected {
  readonly record: Effect.Effect<string, TaskNotFound>
  readonly forget: Effect.Effect<void>
}

export class Replies extends Context.Service<Replies, {
  /** The name of the reply channel. A task submitted with it as `reply` gives a hint when it ends. */
  readonly inbox: string
  /** Succeeds once hints from this partition can be heard. */
  readonly tune: (partition: Partition) => Effect.Effect<void, StoreError>
  /** Succeeds with a task's record once it has ended. */
  readonly ended: (id: TaskId) => Effect.Effect<string, TaskNotFound | StoreError>
  /**
   * The same for a task that is about to be submitted with this inbox as its `reply`: it is expected from this
   * call on, and needs no watching.
   */
  readonly expect: (id: TaskId) => Expected
  /** Calls `news` whenever a task may have changed, until what it returns is called. */
  readonly subscribe: (id: TaskId, news: () => void) => () => void
  /** Whether somebody here waits for this task's end, so that its hints are wanted. */
  readonly awaits: (id: TaskId) => boolean
}>()("troupe/Replies") {}

const make = Effect.gen(function*() {
  const store = yield* Store
  const inbox: Inbox = yield* store.inbox
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const waiting = new Map<TaskId, Waiting>()
  const listeners = new Map<TaskId, Set<() => void>>()
  /** Tasks to be read next, by partition; one read of a partition is on its way at a time. */
  const unread = new Map<Partition, Set<TaskId>>()
  const reading = new Set<Partition>()

  const finish = (id: TaskId, exit: Exit.Exit<string, TaskNotFound>) => {
    const entry = waiting.get(id)
    waiting.delete(id)
    for (const done of entry?.done ?? []) Deferred.doneUnsafe(done, exit)
  }

  const readSome = Effect.fnUntraced(function*(partition: Partition) {
    const wanted = unread.get(partition)!
    const ids: Array<TaskId> = []
    for (const id of wanted) {
      if (ids.length === readMax) break
      wanted.delete(id)
      if (waiting.has(id)) ids.push(id)
    }
    if (ids.length === 0) return
    const unwatched = ids.some((id) => !waiting.get(id)!.watched)
    const records = yield* store.ended(partition, ids.map(ulidOfId), unwatched ? { watch: inbox.name } : {})
    for (const [at, id] of ids.entries()) {
      const record = records[at]
      if (record === true) {
        const entry = waiting.get(id)
        if (entry !== undefined) entry.watched = true
      } else finish(id, record === undefined ? Exit.fail(new TaskNotFound({ id })) : Exit.succeed(record))
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
        // Those who wait are read again within seconds.
        Effect.catchCause((cause) => Effect.logWarning("results could not be read", cause)),
        Effect.ensuring(Effect.sync(() => {
          reading.delete(partition)
          for (const left of wanted) read(left)
        }))
      )
    )
  }

  const news = (id: TaskId) => {
    if (waiting.has(id)) read(id)
    for (const listener of listeners.get(id) ?? []) listener()
  }

  yield* Effect.forever(Effect.map(inbox.next, (hint) => {
    if (hint === "all") {
      for (const id of new Set([...waiting.keys(), ...listeners.keys()])) news(id)
    } else for (const ulid of hint.ulids) news(idIn(hint.partition, ulid))
  })).pipe(
    Effect.tapCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError("replies are no longer heard", cause)),
    Effect.forkScoped
  )
  yield* Effect.forever(
    Effect.andThen(
      Effect.sleep(rereadEvery),
      Effect.sync(() => {
        for (const id of new Set([...waiting.keys(), ...listeners.keys()])) news(id)
      })
    )
  ).pipe(Effect.forkScoped)

  const expect = (id: TaskId, told: boolean): Expected => {
    const done = Deferred.makeUnsafe<string, TaskNotFound>()
    const entry = waiting.get(id) ?? { done: [], watched: told }
    waiting.set(id, entry)
    entry.done.push(done)
    const forget = Effect.sync(() => {
      entry.done.splice(entry.done.indexOf(done), 1)
      if (entry.done.length === 0 && waiting.get(id) === entry) waiting.delete(id)
    })
    return { record: Effect.onInterrupt(Deferred.await(done), () => forget), forget }
  }

  const ended: Replies["Service"]["ended"] = Effect.fnUntraced(function*(id) {
    yield* inbox.tune(partitionOfId(id))
    const { record } = expect(id, false)
    read(id)
    return yield* record
  })

  return Replies.of({
    inbox: inbox.name,
    tune: inbox.tune,
    ended,
    expect: (id) => expect(id, true),
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
