/**
 * Finds tasks: page after page of those that are meant, or all of them.
 *
 * No index is kept beside the mailboxes, so a filter is held against one task after the other. A page ends when it is
 * full, or when so many tasks, or such large ones, have been looked at that looking on would take long; `next` then says
 * where to go on. So a page may be short, or empty, and not be the last. What an id tells of a task (when it was
 * submitted, and that it is plainly of the tenant `default`) is not read, and ten times as many of such are passed over.
 * A task that moves while somebody pages may be seen twice, or not.
 *
 * Tasks are read whole, and a portion at a time, of which nothing but what lists tell of them is kept. However many
 * search at once, they take turns by the portion.
 */
import { Effect, Semaphore } from "effect"
import { writeCursor as writePlace } from "../../runtime/cursor.ts"
import { Operations } from "../../runtime/operations.ts"
import { Handlers } from "../../runtime/registry.ts"
import { type Found, Store, type StoreError } from "../../runtime/store.ts"
import type { TaskError } from "../../runtime/record.ts"
import {
  idIn,
  type Partition,
  partitionOf,
  partitionOfId,
  segmentAfter,
  submittedAt,
  type TaskId,
  ulidOfId
} from "../../runtime/task.ts"
import { isOwn, mayBeOfOthers, Tenant, tenantDefault } from "../../runtime/tenant.ts"
import { type TaskView, viewOf } from "../../runtime/view.ts"
import type { QueryRefused } from "./fields.ts"
import { afterPortion, noPortions, type Portions } from "./portion.ts"
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

/** How much is read for one page, about, in characters of records: inputs and outputs are read along with each. */
export const readMax = 32 * 1024 * 1024

/** How many ids are asked for in one go. */
const pieceSize = 500

/** How many portions of tasks are on their way to a process at a time, whoever searches. */
const portionsAtOnce = 2

/** A task as lists tell of it. */
export interface Match {
  readonly id: TaskId
  readonly view: TaskView
}

/** A task that is dealt with by itself, with its record. */
export interface Whole extends Match {
  readonly found: Found
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
  const turns = yield* Semaphore.make(portionsAtOnce)

  const partitionsOf = (queue: string | undefined) =>
    queue === undefined
      ? Effect.map(operations.partitions, (all) => all.toSorted())
      : Effect.succeed([partitionOf(queue)])

  /** Reads tasks of one partition, without those that are gone. */
  const readAll = Effect.fnUntraced(function* (partition: Partition, ids: ReadonlyArray<TaskId>) {
    const read = yield* store.read(partition, ids.map(ulidOfId))
    return ids.flatMap((id, at): ReadonlyArray<Whole> => {
      const found = read[at]
      return found === undefined ? [] : [{ id, found, view: viewOf(id, found, handlers.find) }]
    })
  })

  /** Reads one task of a partition, unless it is gone. */
  const readOne = (id: TaskId) => Effect.map(readAll(partitionOfId(id), [id]), ([whole]) => whole)

  /** Reads the next portion of some tasks of one partition, and keeps of it what is meant. */
  const readPortion = Effect.fnUntraced(function* (
    partition: Partition,
    ids: ReadonlyArray<TaskId>,
    portions: Portions,
    isMeant: (view: TaskView) => boolean
  ) {
    const all = yield* readAll(partition, ids)
    const characters = all.reduce((sum, { found }) => sum + found.record.length, 0)
    return {
      matches: all.flatMap(({ id, view }): ReadonlyArray<Match> => (isMeant(view) ? [{ id, view }] : [])),
      portions: afterPortion(portions, ids.length, characters)
    }
  }, turns.withPermits(1))

  /** Reads tasks of one partition in portions, as far as `goOn` says, and says how many it has read. */
  const readOn = Effect.fnUntraced(function* (
    partition: Partition,
    ids: ReadonlyArray<TaskId>,
    before: Portions,
    isMeant: (view: TaskView) => boolean,
    goOn: (matches: number, portions: Portions) => boolean
  ) {
    const matches: Array<Match> = []
    let portions = before
    let read = 0
    while (read < ids.length && goOn(matches.length, portions)) {
      const some = ids.slice(read, read + portions.next)
      const portion = yield* readPortion(partition, some, portions, isMeant)
      matches.push(...portion.matches)
      portions = portion.portions
      read += some.length
    }
    return { matches, portions, read }
  })

  /** Those of some tasks of one partition that are meant. */
  const among = (
    partition: Partition,
    ids: ReadonlyArray<TaskId>,
    isMeant: (view: TaskView) => boolean
  ): Effect.Effect<ReadonlyArray<Match>, StoreError> =>
    Effect.map(
      readOn(partition, ids, noPortions, isMeant, () => true),
      ({ matches }) => matches
    )

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

  /** The piece of a shelf that follows a place. Whoever has `room` for no more, or has read enough, stops in the middle. */
  const look = Effect.fnUntraced(function* (
    search: Search,
    partitions: ReadonlyArray<Partition>,
    place: Place,
    before: Portions,
    { enough = Infinity, room = Infinity }: { readonly room?: number; readonly enough?: number } = {}
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
    const { matches, portions, read } = yield* readOn(
      place.partition,
      rest,
      before,
      isMeant,
      (matches, { read }) => matches < room && read < enough
    )
    const following = partitions.find((partition) => partition > place.partition)
    return {
      matches,
      size: ids.length,
      read,
      portions,
      /** The last that was read of a piece of which not all was. */
      stoppedAt: read < rest.length ? rest[read - 1] : undefined,
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
    let portions = noPortions
    while (place !== undefined && looked < lookedAtMax && passed < idsMax && portions.read < readMax) {
      if (next !== undefined || matches.length === limit) {
        if (beyond === undefined) break
        next ??= place
      }
      const room = next === undefined ? limit - matches.length : 0
      const piece: Effect.Success<ReturnType<typeof look>> = yield* look(
        search,
        partitions,
        place,
        portions,
        { enough: readMax, ...(beyond === undefined ? { room } : {}) }
      )
      portions = piece.portions
      looked += Math.max(1, piece.read)
      passed += piece.size
      const taken = piece.matches.slice(0, room)
      matches.push(...taken)
      if (next === undefined) {
        const stoppedAt = piece.matches.length > room ? taken.at(-1)!.id : piece.stoppedAt
        if (stoppedAt !== undefined) next = { ...place, after: ulidOfId(stoppedAt) }
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
    let portions = noPortions
    while (place !== undefined) {
      const piece: Effect.Success<ReturnType<typeof look>> = yield* look(search, partitions, place, portions)
      for (const { id } of piece.matches) ids.add(id)
      portions = piece.portions
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

  return { tasks, page, all, among, readOne }
})

export type Finder = Effect.Success<typeof makeFinder>
