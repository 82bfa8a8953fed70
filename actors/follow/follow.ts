/**
 * What a task puts out, to whoever follows it: gap-free and in order, across reconnects, or with a word about the gap.
 *
 * A follower is a position in the task's events and pulls at its own pace: one that is slow costs no memory, one that
 * goes away leaves nothing behind. All who follow the same task in this process share what is read of it, and all
 * who follow anything share the process's connections to the store.
 */
import {
  Context,
  Effect,
  type Exit,
  FiberSet,
  Layer,
  RcMap,
  Result,
  Schema,
  type Scope,
  Stream
} from "effect"
import { type Position, Store, type StoreError } from "../../runtime/store.ts"
import { decodeRecord } from "../../runtime/record.ts"
import { partitionOfId, type TaskId, ulidOfId } from "../../runtime/task.ts"
import { makeOwnership } from "../dispatch/ownership.ts"
import { type Replies, type TaskNotFound } from "../dispatch/replies.ts"
import { makeReading, rereads } from "./reading.ts"
import { type FollowEvent, type Follower, openFollower, pageMax } from "./follower.ts"
import { pullOf } from "./source.ts"
import { eventOf, openTopic, type StoredEvent } from "./topic.ts"

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

/** After all events of a run. */
const seqOfEnd = 1_000_000_000

/** Reads the id of an event: where to go on. */
export const readPosition = (text: string): Result.Result<Position, PositionInvalid> => {
  const [whole, run, seq] = /^(\d{1,9})-(\d{1,9}|end)$/.exec(text) ?? []
  if (whole === undefined) return Result.fail(new PositionInvalid({ text }))
  return Result.succeed({ run: Number(run), seq: seq === "end" ? seqOfEnd : Number(seq) })
}

export class Follow extends Context.Service<
  Follow,
  {
    /**
     * What happened to a task after a position (default: from the first event on), what happens, and its end. Fails
     * when the task is not there, or cannot be read at first; later it waits until the store answers again.
     */
    readonly follow: (id: TaskId, after?: Position) => Stream.Stream<FollowEvent, TaskNotFound | StoreError>
    /** The same for who takes without a fiber, until the scope closes. */
    readonly open: (
      id: TaskId,
      after?: Position
    ) => Effect.Effect<Follower, TaskNotFound | StoreError, Scope.Scope>
    /**
     * Whether nothing comes after this position: the end was seen there, and the task has not been run again since, as a
     * dead letter is that is tried again.
     */
    readonly isOver: (id: TaskId, after: Position) => Effect.Effect<boolean, TaskNotFound | StoreError>
    /** How many tasks are followed now. */
    readonly topics: Effect.Effect<number>
  }
>()("troupe/Follow") {}

const make: Effect.Effect<Follow["Service"], never, Store | Replies | Scope.Scope> = Effect.gen(function* () {
  const store = yield* Store
  const topics = yield* RcMap.make({ lookup: openTopic(yield* makeReading) })
  const ownership = yield* makeOwnership

  /** Reads on until it has an answer, or nobody waits for it any more. */
  const pagesOf = Effect.fnUntraced(function* (id: TaskId) {
    const fork = yield* FiberSet.makeRuntime<never>()
    return (after: Position, done: (read: Exit.Exit<ReadonlyArray<StoredEvent>>) => void) =>
      void fork(
        store.events(id, after, pageMax).pipe(
          Effect.map((events) => events.map(eventOf)),
          Effect.retry(rereads),
          Effect.orDie,
          Effect.exit,
          Effect.map(done)
        )
      )
  })

  const open: Follow["Service"]["open"] = Effect.fnUntraced(function* (id, after = start) {
    yield* ownership.check(id)
    const topic = yield* RcMap.get(topics, id)
    const readPage = yield* pagesOf(id)
    return yield* Effect.acquireRelease(
      Effect.sync(() => openFollower(topic, after, readPage)),
      ({ close }) => Effect.sync(close)
    )
  })

  const isOver: Follow["Service"]["isOver"] = Effect.fnUntraced(function* (id, { run, seq }) {
    if (seq !== seqOfEnd) return false
    yield* ownership.check(id)
    const [found] = yield* store.read(partitionOfId(id), [ulidOfId(id)])
    if (found?.place.kind !== "ended") return false
    return decodeRecord(found.record).header.run <= run
  })

  return Follow.of({
    open,
    isOver,
    follow: (id, after) =>
      Stream.unwrap(
        Effect.map(open(id, after), (follower) => Stream.fromPull(Effect.succeed(pullOf(follower))))
      ),
    topics: Effect.map(RcMap.keys(topics), (keys) => [...keys].length)
  })
})

/** Give it the store and the reply channel. */
export const layer = Layer.effect(Follow, make)
