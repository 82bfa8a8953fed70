/**
 * Moves tasks that have not started yet to another queue.
 *
 * A task's id names its queue, so what moves is a copy, under the same ULID: its id follows from the task's, and a move
 * that is said again makes no second copy. The task is cancelled first, with the copy's id as the reason, and copied
 * only if that was what ended it, so nothing runs in both queues. One that starts in that very moment is stopped, and
 * starts anew in the other queue. If the process dies between the two, or the other queue is full, the copy is missing; to say
 * the move again with `resume` makes it.
 *
 * What points at the task by its id stays behind: those who wait for its result hear that it was cancelled, and what
 * guarded its work guards it no more. A task that another one submitted does not move, as its parent waits for its id.
 */
import { Effect, Result, Schedule, Schema } from "effect"
import { Operations } from "../../runtime/operations.ts"
import { Handlers } from "../../runtime/registry.ts"
import { QueueFull, Store, type StoreError, type StoreFull } from "../../runtime/store.ts"
import type { Box, NewTask } from "../../runtime/mailbox.ts"
import {
  decodeRecord,
  encodeRecord,
  type Envelope,
  type Header,
  readEnvelope,
  readOutcome
} from "../../runtime/record.ts"
import {
  entryOf,
  idIn,
  type Partition,
  partitionOf,
  partitionOfId,
  QueueName,
  type TaskId,
  ulidOfId
} from "../../runtime/task.ts"
import type { TaskView } from "../../runtime/view.ts"
import { boxOf } from "../dispatch/box.ts"
import { type QueryRefused, reader, refuseField } from "./fields.ts"
import type { Finder, Whole } from "./finder.ts"
import type { Search } from "./query.ts"
import { partitionNamed } from "./queues.ts"
import type { Count } from "./revival.ts"
import { waitingIn } from "./stats.ts"

export const MoveJson = Schema.Struct({
  /** The other queue. */
  to: QueueName,
  name: Schema.optionalKey(Schema.String),
  tag: Schema.optionalKey(Schema.String),
  key: Schema.optionalKey(Schema.String),
  /** Makes the copies that a move which was broken off did not come to make. */
  resume: Schema.optionalKey(Schema.Boolean)
})
export type Move = typeof MoveJson.Type
const readMove = reader(MoveJson)

/** How many tasks are on their way at once. */
const concurrency = 16

/** How often a store that does not answer is asked again to take a copy. */
const putTries = 20

const reasonOf = (copy: TaskId) => `moved to ${copy}`

/** Whether a task has ended because it was moved. */
const wasMoved = (record: string, reason: string): boolean => {
  const { header, json } = decodeRecord(record)
  return header.letter === "C" && readOutcome(json).error?.message === reason
}

/** What is copied of a task: nobody waits at the end of a call for the copy's result. */
const copied = ({ reply: _, ...task }: Envelope): Envelope => task

/** The copy as it is stored. */
const copyOf = (
  ulid: string,
  header: Header,
  task: Envelope,
  box: Box | undefined,
  due: number | undefined
): NewTask => {
  const boxed = box !== undefined
  return {
    entry: entryOf(ulid, header.lane, header.run, boxed),
    record: encodeRecord({ ...header, letter: "Q", boxed }, JSON.stringify(copied(task))),
    ...(due === undefined ? {} : { due: { at: due } }),
    ...(box === undefined ? {} : { box }),
    ...(task.expiresAt === undefined ? {} : { expiresAt: task.expiresAt }),
    ...(task.deadlineAt === undefined ? {} : { deadlineAt: task.deadlineAt }),
    ...(task.callback === undefined ? {} : { callback: true })
  }
}

const fits = (move: Move, task: TaskView): boolean =>
  (move.name === undefined || task.name === move.name) &&
  (move.tag === undefined || task.tags.includes(move.tag)) &&
  (move.key === undefined || task.key === move.key)

/** Those that wait, for their turn or their time. The entry of one that has ended may still lie in its lane. */
const searches = (queue: string, move: Move): ReadonlyArray<Search> =>
  (["waiting", "later"] as const).map((shelf) => ({
    queue,
    shelf,
    tenants: "all",
    isMeant: (task) => task.finishedAt === undefined && fits(move, task)
  }))

export const makeMover = Effect.fnUntraced(function* (finder: Finder) {
  const store = yield* Store
  const operations = yield* Operations
  const handlers = yield* Handlers

  /** The copy, or `undefined` when this process cannot tell which box it waits in. */
  const prepare = Effect.fnUntraced(function* (
    { found, id }: Whole,
    task: Envelope
  ): Effect.fn.Return<NewTask | undefined> {
    const { header } = decodeRecord(found.record)
    const ulid = ulidOfId(id)
    const due = found.place.kind === "later" ? found.place.due : task.dueAt
    if (header.boxed !== true) return copyOf(ulid, header, task, undefined, due)
    const definition = handlers.find(task.name)
    // An agent's messages stay where its state is.
    if (definition === undefined || definition.body.kind === "agent") return undefined
    const input = yield* Effect.promise(async () => definition.readInput(task.input))
    if (Result.isFailure(input)) return undefined
    const box = boxOf(definition, {
      key: task.key,
      tenant: task.tenant,
      lane: header.lane,
      input: input.success
    })
    return copyOf(ulid, header, task, box, due)
  })

  /** Whether it may move: it has not started, nobody waits for it as its parent, and its box is known. */
  const movable = Effect.fnUntraced(function* (match: Whole) {
    const { header, json } = decodeRecord(match.found.record)
    const { kind } = match.found.place
    if (header.letter !== "Q" || header.run !== 1 || (kind !== "lane" && kind !== "later")) return undefined
    const task = readEnvelope(json)
    // What cannot be opened is sealed for the id that it has.
    return task.parent === undefined && task.sealed === undefined ? yield* prepare(match, task) : undefined
  })

  /** Nothing is cancelled for copies that would be refused, as far as can be told before. */
  const checkRoom = Effect.fnUntraced(function* (to: Partition, more: number) {
    const { depth, limits } = yield* operations.queue(to)
    const living = waitingIn(depth) + depth.later + depth.held + depth.waiting
    if (limits.maxDepth !== undefined && living + more > limits.maxDepth) {
      return yield* new QueueFull({ partition: to, bound: "maxDepth", limit: limits.maxDepth })
    }
  })

  /** By now the task is cancelled, so the store is asked for its copy until it answers, within reason. */
  const put = (to: Partition, copy: NewTask) =>
    store.submit(to, [copy]).pipe(
      Effect.retry({
        schedule: Schedule.spaced("500 millis"),
        times: putTries,
        while: (error) => error._tag === "StoreError"
      }),
      // No agent's message moves.
      Effect.catchTag("AgentQuarantined", Effect.die)
    )

  const moveOne = Effect.fnUntraced(function* (match: Whole, to: Partition) {
    const copy = yield* movable(match)
    if (copy === undefined) return false
    const { id } = match
    const ulid = ulidOfId(id)
    const reason = reasonOf(idIn(to, ulid))
    const cancelled = yield* store.cancel(partitionOfId(id), ulid, reason)
    // Said again, or by another one who moves the same: the copy is stored once.
    const ours =
      cancelled.kind === "cancelled" || (cancelled.kind === "ended" && wasMoved(cancelled.record, reason))
    if (ours) yield* put(to, copy)
    return ours
  })

  /** Makes the copy that a task which was cancelled for it does not have. */
  const resumeOne = Effect.fnUntraced(function* (match: Whole, to: Partition) {
    const { record } = match.found
    const ulid = ulidOfId(match.id)
    if (!wasMoved(record, reasonOf(idIn(to, ulid)))) return false
    const { task } = readOutcome(decodeRecord(record).json)
    if (!("input" in task)) return false
    const [there] = yield* store.read(to, [ulid])
    if (there !== undefined) return false
    const copy = yield* prepare(match, task as Envelope)
    if (copy === undefined) return false
    yield* put(to, copy)
    return true
  })

  /** The tasks of a list, read anew, as many at a time as are on their way. */
  const each = Effect.fnUntraced(function* <E>(
    ids: ReadonlyArray<TaskId>,
    one: (match: Whole) => Effect.Effect<boolean, E>
  ) {
    const done = yield* Effect.forEach(
      ids,
      (id) =>
        Effect.flatMap(finder.readOne(id), (match) =>
          match === undefined ? Effect.succeed(false) : one(match)
        ),
      { concurrency }
    )
    return done.filter(Boolean).length
  })

  return Effect.fnUntraced(function* (
    queue: string,
    given: unknown,
    options: { readonly dryRun?: boolean } = {}
  ): Effect.fn.Return<Count, QueryRefused | StoreError | StoreFull | QueueFull> {
    const from = yield* partitionNamed(queue)
    const move = yield* Effect.fromResult(readMove(given))
    const to = partitionOf(move.to)
    if (to === from) return yield* refuseField("to", "it is the queue that they are in")
    if (options.dryRun !== true) yield* operations.note(to)
    let count = 0
    let left = 0
    for (const search of searches(queue, move)) {
      const ids = yield* finder.all(search)
      if (options.dryRun !== true) yield* checkRoom(to, ids.length)
      const done = yield* each(ids, (match) =>
        options.dryRun === true
          ? Effect.map(movable(match), (copy) => copy !== undefined)
          : moveOne(match, to)
      )
      count += done
      left += ids.length - done
    }
    if (move.resume === true && options.dryRun !== true) {
      const isCancelled = (task: TaskView) => task.state === "cancelled" && fits(move, task)
      const ended = yield* finder.all({ queue, shelf: "all", tenants: "all", isMeant: isCancelled })
      count += yield* each(ended, (match) => resumeOne(match, to))
    }
    return { count, ...(left === 0 ? {} : { left }) }
  })
})
