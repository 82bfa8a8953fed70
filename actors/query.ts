/**
 * Finds tasks: page after page of those that a filter names.
 *
 * No index is kept beside the mailboxes, so a filter is held against one task after the other. A page ends when it is
 * full, or when so many tasks have been looked at that looking on would take long; `next` then says where to go on. So
 * a page may be short, or empty, and not be the last. A task that moves while somebody pages may be seen twice, or not.
 */
import { Effect, Result, Schema } from "effect"
import { isCursorOf, writeCursor as writePlace } from "../runtime/cursor.ts"
import { Operations, type Shelf } from "../runtime/operations.ts"
import { Handlers } from "../runtime/registry.ts"
import { type Found, Store, type StoreError } from "../runtime/store.ts"
import {
  idIn,
  type Partition,
  partitionOf,
  QueueName,
  segmentAfter,
  State,
  submittedAt,
  type TaskId,
  ulidOfId
} from "../runtime/task.ts"
import { type TaskView, viewOf } from "../runtime/view.ts"
import { millisOf, type QueryRefused, reader, refuseField, Time } from "./fields.ts"

/** How many tasks one page holds at most, and when nobody says. */
const pageMax = 1_000
export const pageDefault = 100

/** How many tasks are looked at for one page. */
export const lookedAtMax = 5_000

/** How many tasks are read from the store in one go. */
const pieceSize = 200

const fields = {
  name: Schema.optionalKey(Schema.String),
  queue: Schema.optionalKey(QueueName),
  /** From this time on, and before that one. */
  from: Schema.optionalKey(Time),
  to: Schema.optionalKey(Time)
}

const paging = {
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: pageMax }))),
  cursor: Schema.optionalKey(Schema.String)
}

/** Which tasks are meant: those that fit all that is said. Times are those of their submits. */
const TaskQuery = Schema.Struct({
  state: Schema.optionalKey(State),
  tag: Schema.optionalKey(Schema.String),
  key: Schema.optionalKey(Schema.String),
  ...fields,
  ...paging
})
export type TaskQuery = typeof TaskQuery.Type
export const readTaskQuery = reader(TaskQuery)

/** Which dead letters are meant. Times are those of their deaths; `error` is a group's, or the type of an error. */
const DeadFilter = Schema.Struct({ error: Schema.optionalKey(Schema.String), ...fields })
export type DeadFilter = typeof DeadFilter.Type

const DeadQuery = Schema.Struct({ ...DeadFilter.fields, ...paging })
export type DeadQuery = typeof DeadQuery.Type
export const readDeadQuery = reader(DeadQuery)

/** Dead letters by their ids, or by a filter. */
const DeadSelection = Schema.Struct({
  ids: Schema.optionalKey(Schema.Array(Schema.String)),
  ...DeadFilter.fields
})
export type DeadSelection = typeof DeadSelection.Type
export const readDeadSelection = reader(DeadSelection)

/** The shelf on which tasks of a state stand, and maybe others. */
export const shelfOf = (state: State | undefined): Shelf => {
  switch (state) {
    case "queued":
    case "waiting":
      return "waiting"
    case "running":
      return "running"
    case "scheduled":
    case "retrying":
      return "later"
    case "failed":
      return "dead"
    default:
      return "all"
  }
}

/** From a time on and before another, in Unix milliseconds. */
export interface Bounds {
  readonly from: number
  readonly to: number
}

export const boundsOf = ({ from, to }: { readonly from?: string; readonly to?: string }): Bounds => ({
  from: from === undefined ? 0 : millisOf(from),
  to: to === undefined ? Infinity : millisOf(to)
})

export const isWithin = (time: number, { from, to }: Bounds): boolean => time >= from && time < to

const isMeant = (query: TaskQuery) => (task: TaskView) =>
  (query.state === undefined || task.state === query.state) &&
  (query.name === undefined || task.name === query.name) &&
  (query.tag === undefined || task.tags.includes(query.tag)) &&
  (query.key === undefined || task.key === query.key)

// ---------------------------------------------------------------------------------------------------------
// Where a search stands
// ---------------------------------------------------------------------------------------------------------

/** The piece that comes next, and the last task that was given of it already. */
export interface Place {
  readonly partition: Partition
  readonly cursor: string | undefined
  readonly after: string | undefined
}

const CursorJson = Schema.fromJsonString(
  Schema.Tuple([Schema.String, Schema.String, Schema.String, Schema.String])
)
const decodeCursor = Schema.decodeUnknownResult(CursorJson)

export const writeCursor = (shelf: Shelf, { after = "", cursor = "", partition }: Place): string =>
  Buffer.from(JSON.stringify([shelf, partition, cursor, after])).toString("base64url")

export const readCursor = (text: string, shelf: Shelf): Result.Result<Place, QueryRefused> => {
  const decoded = decodeCursor(Buffer.from(text, "base64url").toString())
  const fault = (message: string) => Result.fail(refuseField("cursor", message))
  if (Result.isFailure(decoded)) return fault("not the `next` of a page")
  const [of, partition, cursor, after] = decoded.success
  if (of !== shelf) return fault("it belongs to a page of another query")
  if (cursor !== "" && !isCursorOf(shelf, cursor)) return fault("not the `next` of a page")
  return Result.succeed({
    partition,
    cursor: cursor === "" ? undefined : cursor,
    after: after === "" ? undefined : after
  })
}

// ---------------------------------------------------------------------------------------------------------
// Searching
// ---------------------------------------------------------------------------------------------------------

export interface Match {
  readonly id: TaskId
  readonly found: Found
  readonly view: TaskView
}

export interface Search {
  readonly shelf: Shelf
  /** One queue's, or all of them. */
  readonly queue: string | undefined
  /** When it was submitted, as far as that is said: it follows from the id, so that the others need not be read. */
  readonly submitted?: Bounds
  readonly isMeant: (task: TaskView) => boolean
}

export interface Page {
  readonly tasks: ReadonlyArray<TaskView>
  readonly next?: string
}

/** The search that finds the tasks of a query. */
export const searchOf = (query: TaskQuery): Search => ({
  shelf: shelfOf(query.state),
  queue: query.queue,
  submitted: boundsOf(query),
  isMeant: isMeant(query)
})

export const makeFinder = Effect.gen(function* () {
  const store = yield* Store
  const operations = yield* Operations
  const handlers = yield* Handlers

  const partitionsOf = (queue: string | undefined) =>
    queue === undefined
      ? Effect.map(operations.partitions, (all) => all.toSorted())
      : Effect.succeed([partitionOf(queue)])

  /** Reads tasks of one partition, without those that are gone. */
  const readAll = Effect.fnUntraced(function* (partition: Partition, ids: ReadonlyArray<TaskId>) {
    const read = yield* store.read(partition, ids.map(ulidOfId))
    return ids.flatMap((id, at): ReadonlyArray<Match> => {
      const found = read[at]
      return found === undefined ? [] : [{ id, found, view: viewOf(id, found, handlers.find) }]
    })
  })

  /** Where a shelf begins: on that of all tasks, which stand the newest first, below those that are too new. */
  const startOf = ({ shelf, submitted }: Search): string | undefined =>
    shelf === "all" && submitted !== undefined && Number.isFinite(submitted.to)
      ? writePlace({ kind: "below", id: segmentAfter(submitted.to) })
      : undefined

  /** Whether all that follows on the shelf is too old. */
  const isOver = ({ shelf, submitted }: Search, ids: ReadonlyArray<TaskId>): boolean => {
    const last = ids.at(-1)
    return shelf === "all" && last !== undefined && submittedAt(ulidOfId(last)) < (submitted?.from ?? 0)
  }

  /** One piece of a shelf: what of it is meant, how many tasks it has, and where the next begins. */
  const look = Effect.fnUntraced(function* (
    search: Search,
    partitions: ReadonlyArray<Partition>,
    place: Place
  ) {
    const { ids, next } = yield* operations.scan(place.partition, search.shelf, place.cursor, pieceSize)
    // One that is not there any more tells nothing: what came before it may be given again.
    const given = place.after === undefined ? -1 : ids.indexOf(idIn(place.partition, place.after))
    const rest = ids
      .slice(given + 1)
      .filter((id) => search.submitted === undefined || isWithin(submittedAt(ulidOfId(id)), search.submitted))
    const matches = (yield* readAll(place.partition, rest)).filter(({ view }) => search.isMeant(view))
    const following = partitions.find((partition) => partition > place.partition)
    return {
      matches,
      size: ids.length,
      next:
        next !== undefined && !isOver(search, ids)
          ? { ...place, cursor: next, after: undefined }
          : following === undefined
            ? undefined
            : { partition: following, cursor: startOf(search), after: undefined }
    }
  })

  /** Where a search begins: at its first partition, or at the first one from a place on. */
  const begin = (
    search: Search,
    partitions: ReadonlyArray<Partition>,
    place: Place | undefined
  ): Place | undefined => {
    if (place !== undefined && partitions.includes(place.partition)) return place
    const partition = partitions.find((partition) => place === undefined || partition > place.partition)
    return partition === undefined ? undefined : { partition, cursor: startOf(search), after: undefined }
  }

  /** A page of what is meant. `beyond` is told of what follows it, as far as it is looked at. */
  const page = Effect.fnUntraced(function* (
    search: Search,
    limit: number,
    from: Place | undefined,
    beyond?: (matches: ReadonlyArray<Match>) => void
  ): Effect.fn.Return<
    { readonly matches: ReadonlyArray<Match>; readonly next: Place | undefined },
    StoreError
  > {
    const partitions = yield* partitionsOf(search.queue)
    const matches: Array<Match> = []
    let place = begin(search, partitions, from)
    let next: Place | undefined
    let looked = 0
    while (place !== undefined && looked < lookedAtMax) {
      if (next !== undefined || matches.length === limit) {
        if (beyond === undefined) break
        next ??= place
      }
      const piece: Effect.Success<ReturnType<typeof look>> = yield* look(search, partitions, place)
      looked += Math.max(1, piece.size)
      const room = next === undefined ? limit - matches.length : 0
      const taken = piece.matches.slice(0, room)
      matches.push(...taken)
      if (next === undefined && piece.matches.length > room) {
        next = { ...place, after: ulidOfId(taken.at(-1)!.id) }
      }
      beyond?.(piece.matches.slice(room))
      place = piece.next
    }
    return { matches, next: next ?? place }
  })

  /** The ids of everything that is meant, however much that is. */
  const all = Effect.fnUntraced(function* (search: Search) {
    const partitions = yield* partitionsOf(search.queue)
    const ids = new Set<TaskId>()
    let place = begin(search, partitions, undefined)
    while (place !== undefined) {
      const piece: Effect.Success<ReturnType<typeof look>> = yield* look(search, partitions, place)
      for (const { id } of piece.matches) ids.add(id)
      place = piece.next
    }
    return [...ids]
  })

  const tasks = Effect.fnUntraced(function* (
    given: unknown
  ): Effect.fn.Return<Page, QueryRefused | StoreError> {
    const query = yield* Effect.fromResult(readTaskQuery(given))
    const search = searchOf(query)
    const from =
      query.cursor === undefined
        ? undefined
        : yield* Effect.fromResult(readCursor(query.cursor, search.shelf))
    const { matches, next } = yield* page(search, query.limit ?? pageDefault, from)
    return {
      tasks: matches.map(({ view }) => view),
      ...(next === undefined ? {} : { next: writeCursor(search.shelf, next) })
    }
  })

  return { tasks, page, all, readAll }
})

export type Finder = Effect.Success<typeof makeFinder>
