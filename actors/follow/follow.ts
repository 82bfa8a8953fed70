/**
 * What a task puts out, to whoever follows it: gap-free and in order, across reconnects, or with a word about the gap.
 *
 * A follower is a position in the task's events and pulls at its own pace: one that is slow costs no memory, one that
 * goes away leaves nothing behind. All who follow the same task in this process share what is read of it, and all
 * who follow anything share the process's connections to the store.
 */
import {
  type Array as Arr,
  Cause,
  Context,
  Effect,
  Layer,
  type Pull,
  RcMap,
  Result,
  Schema,
  type Scope,
  Stream
} from "effect"
import { type Position, Store, type StoreError } from "../../runtime/store.ts"
import type { TaskId } from "../../runtime/task.ts"
import type { Standing } from "../../runtime/view.ts"
import { makeOwnership } from "../dispatch/ownership.ts"
import { type Replies, type TaskNotFound } from "../dispatch/replies.ts"
import { makeReading, rereads } from "./reading.ts"
import { type EndEvent, eventOf, openTopic, positionOf, type StoredEvent, type Topic } from "./topic.ts"

/** What a follower is told. Those with an `id` were stored: a follower that comes back goes on after the last one. */
export type FollowEvent =
  /** How the task stands: at first, and whenever that changes. */
  | ({ readonly type: "state" } & Standing)
  /** The run so far is void, with everything it put out: another one begins. */
  | { readonly type: "attempt"; readonly attempt: number; readonly reset: true }
  /** Events `from` to `to` of a run are no longer there to be read. */
  | { readonly type: "gap"; readonly attempt: number; readonly from: number; readonly to: number }
  | StoredEvent
  | EndEvent

/** Before the first event. */
export const start: Position = { run: 0, seq: 0 }

/** The text is not the id of an event. Leave it out to follow from the first one. */
export class PositionInvalid extends Schema.TaggedError<PositionInvalid>()("PositionInvalid", {
  text: Schema.String
}) {
  override get message() {
    return `"${this.text.slice(0, 40)}" is not the id of an event, such as 1-17; leave it out to start from the first`
  }
}

/** Reads the id of an event: where to go on, or that the end was seen and there is nothing more. */
export const readPosition = (text: string): Result.Result<Position | "end", PositionInvalid> => {
  const [whole, run, seq] = /^(\d{1,9})-(\d{1,9}|end)$/.exec(text) ?? []
  if (whole === undefined) return Result.fail(new PositionInvalid({ text }))
  return Result.succeed(seq === "end" ? seq : { run: Number(run), seq: Number(seq) })
}

/** How many events a follower that is behind reads at once: so many it may hold in memory. */
const pageMax = 50

export class Follow extends Context.Service<
  Follow,
  {
    /**
     * What happened to a task after a position (default: from the first event on), what happens, and its end. Fails
     * when the task is not there, or cannot be read at first; later it waits until the store answers again.
     */
    readonly follow: (id: TaskId, after?: Position) => Stream.Stream<FollowEvent, TaskNotFound | StoreError>
    /** How many tasks are followed now. */
    readonly topics: Effect.Effect<number>
  }
>()("troupe/Follow") {}

/** One who follows: its pull takes what there is, and waits while there is nothing. */
const follower = (
  topic: Topic,
  after: Position,
  readPage: (after: Position) => Effect.Effect<ReadonlyArray<StoredEvent>>
) => {
  let position = after
  let told: Standing | undefined
  let over = false

  /** The event, and what has to be said before it. */
  const announce = (event: StoredEvent): ReadonlyArray<FollowEvent> => {
    const said: Array<FollowEvent> = []
    const { attempt, seq } = event
    if (position.run > 0 && attempt > position.run) said.push({ type: "attempt", attempt, reset: true })
    const expected = attempt === position.run ? position.seq + 1 : 1
    if (seq > expected) said.push({ type: "gap", attempt, from: expected, to: seq - 1 })
    position = positionOf(event)
    said.push(event)
    return said
  }

  /** The end, and that the last run, though it put out nothing, made void what an earlier one did. */
  const finish = (end: EndEvent): ReadonlyArray<FollowEvent> => {
    over = true
    const attempt = Number.parseInt(end.id)
    const isNew = position.run > 0 && attempt > position.run
    return isNew ? [{ type: "attempt", attempt, reset: true }, end] : [end]
  }

  const pull: Pull.Pull<Arr.NonEmptyReadonlyArray<FollowEvent>, TaskNotFound> = Effect.gen(function* () {
    while (true) {
      if (over) return yield* Cause.done()
      const failure = topic.failure()
      if (failure !== undefined) return yield* Effect.failCause(failure)
      // Taken before the events are: they are then all there are.
      const end = topic.end()
      const floor = topic.floor()
      const recent = topic.recent(position)
      const events = recent ?? (yield* readPage(position))
      const standing = topic.standing()
      const said: Array<FollowEvent> = []
      if (standing !== told && end === undefined) said.push({ type: "state", ...standing })
      told = standing
      said.push(...events.flatMap(announce))
      if (events.length === 0 && end !== undefined) said.push(...finish(end))
      // Whoever reads slower than the task emits would never find an empty page: a short one says as much.
      if (events.length < pageMax && recent === undefined && end === undefined)
        topic.caughtUp(position, floor)
      if (said.length > 0) return said as unknown as Arr.NonEmptyReadonlyArray<FollowEvent>
      if (recent !== undefined) yield* topic.news
    }
  })
  return pull
}

const make: Effect.Effect<Follow["Service"], never, Store | Replies | Scope.Scope> = Effect.gen(function* () {
  const store = yield* Store
  const topics = yield* RcMap.make({ lookup: openTopic(yield* makeReading) })
  const ownership = yield* makeOwnership

  const readPage = (id: TaskId) => (after: Position) =>
    store.events(id, after, pageMax).pipe(
      Effect.map((events) => events.map(eventOf)),
      Effect.retry(rereads),
      Effect.orDie
    )

  return Follow.of({
    follow: (id, after = start) =>
      Stream.unwrap(
        Effect.map(Effect.andThen(ownership.check(id), RcMap.get(topics, id)), (topic) =>
          Stream.fromPull(Effect.sync(() => follower(topic, after, readPage(id))))
        )
      ),
    topics: Effect.map(RcMap.keys(topics), (keys) => [...keys].length)
  })
})

/** Give it the store and the reply channel. */
export const layer = Layer.effect(Follow, make)
