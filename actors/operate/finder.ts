/**
 * Finds tasks: page after page of those that are meant, or all of them.
 *
 * No index is kept beside the mailboxes, so a filter is held against one task after the other. A page ends when it is
 * full, or when so many tasks have been looked at that looking on would take long; `next` then says where to go on. So
 * a page may be short, or empty, and not be the last. What an id tells of a task (when it was submitted, and that it is
 * plainly of the tenant `default`) is not read, and ten times as many of such are passed over. A task that moves while
 * somebody pages may be seen twice, or not.
 */
import { Effect } from "effect"
import { writeCursor as writePlace } from "../../runtime/cursor.ts"
import { Operations } from "../../runtime/operations.ts"
import { Handlers } from "../../runtime/registry.ts"
import { type Found, Store, type StoreError } from "../../runtime/store.ts"
import {
  idIn,
  type Partition,
  partitionOf,
  segmentAfter,
  submittedAt,
  type TaskError,
  type TaskId,
  ulidOfId
} from "../../runtime/task.ts"
import { isOwn, mayBeOfOthers, Tenant, tenantDefault } from "../../runtime/tenant.ts"
import { type TaskView, viewOf } from "../../runtime/view.ts"
import type { QueryRefused } from "./fields.ts"
import {
  isWithin,
  pageDefault,
  type Place,
  readCursor,
  readTaskQuery,
  type Search,
  searchOf,
  writeCursor
} from "./query.ts"

/** How many tasks are looked at for one page, and how many ids. */
export const lookedAtMax = 5_000
const idsMax = 50_000

/** How many ids are asked for, and how many of their tasks are read, in one go. */
const pieceSize = 500
const readSize = 100

export interface Match {
  readonly id: TaskId
  readonly found: Found
  readonly view: TaskView
}

const withoutStack = <Failed extends { readonly error?: TaskError }>({ error, ...failed }: Failed) =>
  error === undefined ? failed : { ...failed, error: { type: error.type, message: error.message } }

/** A task as lists have it: where its errors came from is told by its own record. */
export const listed = (task: TaskView): TaskView => ({
  ...withoutStack(task),
  attempts: task.attempts.map(withoutStack)
})

/**
 * Some tasks, without inputs and outputs; `next`, if there may be more, is the `cursor` of the next page. A page may be
 * short, or empty, and not be the last.
 */
export interface Page {
  readonly tasks: ReadonlyArray<TaskView>
  readonly next?: string
}

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

  /** The piece of a shelf that follows a place: one that has `room` for no more stops reading in the middle. */
  const look = Effect.fnUntraced(function* (
    search: Search,
    partitions: ReadonlyArray<Partition>,
    place: Place,
    room = Infinity
  ) {
    const { ids, next } = yield* operations.scan(place.partition, search.shelf, place.cursor, pieceSize)
    // One that is not there any more tells nothing: what came before it may be given again.
    const given = place.after === undefined ? -1 : ids.indexOf(idIn(place.partition, place.after))
    const tenant = yield* Tenant
    const rest = ids.slice(given + 1).filter((id) => {
      const ulid = ulidOfId(id)
      return (
        (search.submitted === undefined || isWithin(submittedAt(ulid), search.submitted)) &&
        (search.tenants === "all" || tenant === tenantDefault || mayBeOfOthers(ulid))
      )
    })
    const isMeant = (view: TaskView) =>
      (search.tenants === "all" || isOwn(view.tenant, tenant)) && search.isMeant(view)
    const matches: Array<Match> = []
    let read = 0
    while (read < rest.length && matches.length < room) {
      const some = yield* readAll(place.partition, rest.slice(read, read + readSize))
      matches.push(...some.filter(({ view }) => isMeant(view)))
      read += readSize
    }
    const following = partitions.find((partition) => partition > place.partition)
    return {
      matches,
      size: ids.length,
      read,
      unread: read < rest.length,
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
    let passed = 0
    while (place !== undefined && looked < lookedAtMax && passed < idsMax) {
      if (next !== undefined || matches.length === limit) {
        if (beyond === undefined) break
        next ??= place
      }
      const room = next === undefined ? limit - matches.length : 0
      const piece: Effect.Success<ReturnType<typeof look>> = yield* look(
        search,
        partitions,
        place,
        beyond === undefined ? room : Infinity
      )
      looked += Math.max(1, piece.read)
      passed += piece.size
      const taken = piece.matches.slice(0, room)
      matches.push(...taken)
      if (next === undefined && (piece.matches.length > room || piece.unread)) {
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
      query.cursor === undefined ? undefined : yield* Effect.fromResult(readCursor(query.cursor, search))
    const { matches, next } = yield* page(search, query.limit ?? pageDefault, from)
    return {
      tasks: matches.map(({ view }) => listed(view)),
      ...(next === undefined ? {} : { next: writeCursor(search.shelf, next) })
    }
  })

  return { tasks, page, all, readAll }
})

export type Finder = Effect.Success<typeof makeFinder>
