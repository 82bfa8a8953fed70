/**
 * What is asked when tasks are looked for: which are meant, and where an earlier page ended. Decisions over plain
 * values.
 */
import { Result, Schema } from "effect"
import { isCursorOf } from "../../runtime/cursor.ts"
import type { Shelf } from "../../runtime/operations.ts"
import { type Partition, partitionOf, QueueName, State } from "../../runtime/task.ts"
import type { TaskView } from "../../runtime/view.ts"
import { millisOf, type QueryRefused, reader, refuseField, Time } from "./fields.ts"

/** How many tasks one page holds at most, and when nobody says. */
const pageMax = 1_000
export const pageDefault = 100

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
export const TaskQuery = Schema.Struct({
  state: Schema.optionalKey(State),
  tag: Schema.optionalKey(Schema.String),
  key: Schema.optionalKey(Schema.String),
  ...fields,
  ...paging
})
export type TaskQuery = typeof TaskQuery.Type
export const readTaskQuery = reader(TaskQuery)

/** Which dead letters are meant. Times are those of their deaths; `error` is a group's, or the type of an error. */
export const DeadFilter = Schema.Struct({ error: Schema.optionalKey(Schema.String), ...fields })
export type DeadFilter = typeof DeadFilter.Type

export const DeadQuery = Schema.Struct({ ...DeadFilter.fields, ...paging })
export type DeadQuery = typeof DeadQuery.Type
export const readDeadQuery = reader(DeadQuery)

/** Dead letters by their ids, or by a filter. */
export const DeadSelection = Schema.Struct({
  ids: Schema.optionalKey(Schema.Array(Schema.String)),
  ...DeadFilter.fields
})
export type DeadSelection = typeof DeadSelection.Type
export const readDeadSelection = reader(DeadSelection)

/** The shelf on which tasks of a state stand, and maybe others. */
const shelves: { readonly [state in State]?: Shelf } = {
  queued: "waiting",
  waiting: "waiting",
  running: "running",
  scheduled: "later",
  retrying: "later",
  failed: "dead"
}
export const shelfOf = (state: State | undefined): Shelf =>
  state === undefined ? "all" : (shelves[state] ?? "all")

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

export const readCursor = (
  text: string,
  { queue, shelf }: Pick<Search, "queue" | "shelf">
): Result.Result<Place, QueryRefused> => {
  const decoded = decodeCursor(Buffer.from(text, "base64url").toString())
  const fault = (message: string) => Result.fail(refuseField("cursor", message))
  if (Result.isFailure(decoded)) return fault("not the `next` of a page")
  const [of, partition, cursor, after] = decoded.success
  if (of !== shelf || (queue !== undefined && partition !== partitionOf(queue))) {
    return fault("it belongs to a page of another query")
  }
  if (cursor !== "" && !isCursorOf(shelf, cursor)) return fault("not the `next` of a page")
  return Result.succeed({
    partition,
    cursor: cursor === "" ? undefined : cursor,
    after: after === "" ? undefined : after
  })
}

// ---------------------------------------------------------------------------------------------------------
// What is looked for
// ---------------------------------------------------------------------------------------------------------

export interface Search {
  readonly shelf: Shelf
  /** Those of all tenants, where it is about a whole queue. Default: the caller's. */
  readonly tenants?: "all"
  /** One queue's, or all of them. */
  readonly queue: string | undefined
  /** When it was submitted, as far as that is said: it follows from the id, so that the others need not be read. */
  readonly submitted?: Bounds
  readonly isMeant: (task: TaskView) => boolean
}

/** The search that finds the tasks of a query. */
export const searchOf = (query: TaskQuery): Search => ({
  shelf: shelfOf(query.state),
  queue: query.queue,
  submitted: boundsOf(query),
  isMeant: isMeant(query)
})
