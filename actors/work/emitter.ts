/**
 * Stores what the running tasks of one partition emit, in order per task, many events a call.
 *
 * While a call is in flight, events gather for the next one. Where several did, the next call waits for a few
 * milliseconds more (`Gathering`): a store that many runs emit to is called at an even pace, and one that few emit to at
 * once. Pieces of text that a run emits
 * meanwhile are joined, so that a stream of tokens does not become a stream of events; the first is never held back,
 * and a run that awaits each piece gets an event for each. An event is stored when its write succeeds; a write whose call got no answer is said again, which cannot store it twice. Writes of a run that
 * is no longer the current one fail with `AttemptOver`.
 */
import { Clock, Context, Effect, Latch, Schedule, type Scope } from "effect"
import { AttemptOver, EventRefused } from "../../runtime/handler.ts"
import { type EventKind, type NewEvent, Store } from "../../runtime/store.ts"
import type { WorkerId } from "../../runtime/turn.ts"
import { type Entry, idIn, type Partition, runOfEntry, ulidOfEntry } from "../../runtime/task.ts"
import { Complaints } from "../../runtime/telemetry/complaints.ts"

/** The largest event, in characters of JSON. A larger one is refused; the run may go on. */
const eventMax = 256 * 1024

/** How many events of one partition may wait to be stored. More are refused: await what you emit. */
const waitingMax = 10_000

/** So many of a run may wait whatever others emit: one that awaits its events is not refused for one that does not. */
const waitingOfRun = 100

/** How much one call carries at most, in events and in characters. */
const batchMax = 500
const batchCharactersMax = 1024 * 1024

/** How long pieces of text are joined, in characters. */
const joinMax = 1_024

/** From so many events in a call on, the next one gathers. */
const gatherMin = 4

/** How long after a call with several events the next one is made at the earliest, in milliseconds. Memory costs no call. */
export const Gathering = Context.Reference<number>("troupe/Gathering", { defaultValue: () => 0 })

interface Waiting extends Omit<NewEvent, "data"> {
  data: string
  /** What it says, if that is text to which more may be joined. */
  text: string | undefined
  readonly resumes: Array<(result: Effect.Effect<void, AttemptOver>) => void>
}

export interface Emitter {
  readonly emit: (
    entry: Entry,
    kind: EventKind,
    data: unknown
  ) => Effect.Effect<void, AttemptOver | EventRefused>
  /** Succeeds once nothing of this entry waits to be stored; at once when nothing does. */
  readonly flushed: (entry: Entry) => Effect.Effect<void> | undefined
  /** Forgets an entry whose run has ended. */
  readonly forget: (entry: Entry) => void
  /** Whether the entry has a stream. */
  readonly streamed: (entry: Entry) => boolean
}

const delays = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")]).pipe(
  Schedule.jittered
)

/** Opens an emitter for one worker incarnation. `onLost` is told of entries that are no longer its own. */
export const openEmitter = Effect.fnUntraced(function* (options: {
  readonly partition: Partition
  readonly worker: WorkerId
  readonly onLost: (entry: Entry) => void
}): Effect.fn.Return<Emitter, never, Store | Scope.Scope> {
  const { onLost, partition, worker } = options
  const store = yield* Store
  const gatherMs = yield* Gathering
  const clock = yield* Clock.Clock
  const unstoredEvents = (yield* Complaints).about("events wait to be stored", "events are stored again")
  const waiting: Array<Waiting> = []
  const lastSeq = new Map<Entry, number>()
  /** The newest event of each entry that waits, while more may be joined to it. */
  const newest = new Map<Entry, Waiting>()
  const unstored = new Map<Entry, number>()
  const idle = new Map<Entry, () => void>()
  const some = Latch.makeUnsafe(false)

  const over = (entry: Entry) =>
    new AttemptOver({ task: idIn(partition, ulidOfEntry(entry)), attempt: runOfEntry(entry) })

  const stored = (entry: Entry) => {
    const left = (unstored.get(entry) ?? 1) - 1
    unstored.set(entry, left)
    if (left === 0) idle.get(entry)?.()
  }

  const takeBatch = () => {
    let characters = 0
    let count = 0
    while (count < waiting.length && count < batchMax && characters < batchCharactersMax) {
      characters += waiting[count]!.data.length
      count += 1
    }
    return waiting.splice(0, count)
  }

  const storeBatch = Effect.gen(function* () {
    if (waiting.length === 0) {
      some.closeUnsafe()
      yield* some.await
      // What is emitted in the same tick goes in the same call.
      yield* Effect.yieldNow
    }
    const batch = takeBatch()
    const calledAt = clock.currentTimeMillisUnsafe()
    newest.clear()
    const lost = yield* store.append(partition, worker, batch).pipe(
      Effect.tapError(({ message }) => unstoredEvents.wrong(message)),
      Effect.retry(delays)
    )
    const isOver = unstoredEvents.well()
    if (isOver !== undefined) yield* isOver
    const gone = new Set(lost)
    for (const { entry, resumes } of batch) {
      for (const resume of resumes) resume(gone.has(entry) ? Effect.fail(over(entry)) : Effect.void)
      stored(entry)
    }
    for (const entry of lost) onLost(entry)
    const restMs = batch.length < gatherMin ? 0 : calledAt + gatherMs - clock.currentTimeMillisUnsafe()
    if (restMs > 0) yield* Effect.sleep(Math.min(restMs, gatherMs))
  })
  yield* Effect.forever(storeBatch, { disableYield: true }).pipe(
    Effect.tapCause((cause) => Effect.logError("events are no longer stored", cause)),
    Effect.forkScoped
  )

  return {
    emit: (entry, kind, data) =>
      Effect.callback<void, AttemptOver | EventRefused>((resume) => {
        let json: string | undefined
        let reason = `a value that is ${typeof data}`
        try {
          json = JSON.stringify(data)
        } catch (thrown) {
          reason = String(thrown)
        }
        if (json === undefined)
          return resume(Effect.fail(new EventRefused({ reason: `the event is not JSON: ${reason}` })))
        if (json.length > eventMax) {
          const reason = `the event has ${json.length} characters of JSON; at most ${eventMax} are stored`
          return resume(Effect.fail(new EventRefused({ reason })))
        }
        if (waiting.length >= waitingMax && (unstored.get(entry) ?? 0) >= waitingOfRun) {
          const reason = `${waitingMax} events wait to be stored; await each before the next`
          return resume(Effect.fail(new EventRefused({ reason })))
        }
        const text = kind === "chunk" && typeof data === "string" ? data : undefined
        const before = newest.get(entry)
        if (text !== undefined && before?.text !== undefined && before.text.length + text.length <= joinMax) {
          before.text += text
          before.data = JSON.stringify(before.text)
          before.resumes.push(resume)
          return
        }
        const seq = (lastSeq.get(entry) ?? 0) + 1
        lastSeq.set(entry, seq)
        unstored.set(entry, (unstored.get(entry) ?? 0) + 1)
        const event: Waiting = { entry, seq, kind, data: json, text, resumes: [resume] }
        newest.set(entry, event)
        waiting.push(event)
        some.openUnsafe()
      }),
    flushed: (entry) =>
      (unstored.get(entry) ?? 0) === 0
        ? undefined
        : Effect.callback<void>((resume) => void idle.set(entry, () => resume(Effect.void))),
    forget: (entry) => {
      if (!lastSeq.delete(entry)) return
      unstored.delete(entry)
      idle.delete(entry)
      newest.delete(entry)
    },
    streamed: (entry) => lastSeq.has(entry)
  }
})
