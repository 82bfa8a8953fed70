/**
 * Finds dead letters, puts them back to work, or drops them.
 *
 * What is done to many is first decided: the ids are gathered, and then each is done once, so that one which fails
 * again at once is not put back for ever. Everything may be said again: a dead letter that went already is passed over.
 */
import { Effect, Result, Schema } from "effect"
import { faultsOf } from "../../runtime/input.ts"
import { Operations, type Revival } from "../../runtime/operations.ts"
import { Handlers, type UnknownHandler } from "../../runtime/registry.ts"
import { Store, type StoreError } from "../../runtime/store.ts"
import { decodeRecord, readOutcome, type TaskError } from "../../runtime/record.ts"
import { partitionOfId, State, TaskId, ulidOfId } from "../../runtime/task.ts"
import { isOwn, Tenant } from "../../runtime/tenant.ts"
import type { TaskView } from "../../runtime/view.ts"
import { deliver } from "../callback/deliver.ts"
import { boxOf } from "../dispatch/box.ts"
import { makeOwnership } from "../dispatch/ownership.ts"
import { type ErrorGroup, groupOf, groupsOf, revivalOf } from "./dead-letters.ts"
import { QueryRefused, refuseField } from "./fields.ts"
import { type Finder, listed, type Match } from "./finder.ts"
import { afterPortion, noPortions } from "./portion.ts"
import { SubmitRefused } from "../dispatch/new-task.ts"
import { inputMax } from "../dispatch/preparation.ts"
import {
  boundsOf,
  type DeadFilter,
  type DeadSelection,
  isWithin,
  pageDefault,
  readCursor,
  readDeadQuery,
  readDeadSelection,
  type Search,
  writeCursor
} from "./query.ts"
import { TaskNotFound } from "../dispatch/replies.ts"

/** The task is no dead letter, so there is nothing to put back to work. */
export class NotRetryable extends Schema.TaggedError<NotRetryable>()("NotRetryable", {
  id: Schema.String,
  state: State
}) {
  override get message() {
    return `${this.id} is ${this.state}; only failed tasks can be retried`
  }
}

/** Some failed tasks, those that failed last first, and how many there are of each error among the newest. */
export interface DeadPage {
  readonly dead: ReadonlyArray<TaskView>
  /** On the first page: what the newest of all that are meant failed with. */
  readonly groups: ReadonlyArray<ErrorGroup>
  readonly next?: string
}

/** To how many something was done, or would be. */
export interface Count {
  readonly count: number
  /** How many stay dead letters: this process does not have their handlers, whose limits or keys they wait by. */
  readonly left?: number
}

export interface RetryOptions {
  /** Another input, checked as a submit would check it. */
  readonly input?: { readonly value: unknown }
}

/** How many dead letters are read and put back in one go, at most. */
const batchMax = 50

const isMeant = (filter: DeadFilter) => {
  const { error, name } = filter
  const died = boundsOf(filter)
  return (task: TaskView): boolean =>
    task.state === "failed" &&
    (name === undefined || task.name === name) &&
    (error === undefined ||
      (task.error !== undefined && (task.error.type === error || groupOf(task.error) === error))) &&
    isWithin(task.finishedAt ?? task.submittedAt, died)
}

const searchOf = (filter: DeadFilter): Search => ({
  shelf: "dead",
  queue: filter.queue,
  isMeant: isMeant(filter)
})

const isTaskId = Schema.is(TaskId)

const readIds = (ids: ReadonlyArray<string>): Result.Result<ReadonlyArray<TaskId>, QueryRefused> => {
  const faults = ids.flatMap((id, at) =>
    isTaskId(id) ? [] : [{ path: `/ids/${at}`, message: "a task id is <queue>.<partition>.<ULID>" }]
  )
  return faults.length === 0
    ? Result.succeed([...new Set(ids)].filter(isTaskId))
    : Result.fail(new QueryRefused({ faults }))
}

export const makeDeadLetters = Effect.fnUntraced(function* (finder: Finder) {
  const store = yield* Store
  const operations = yield* Operations
  const handlers = yield* Handlers
  const ownership = yield* makeOwnership

  const dead = Effect.fnUntraced(function* (
    given: unknown
  ): Effect.fn.Return<DeadPage, QueryRefused | StoreError> {
    const { cursor, limit = pageDefault, ...filter } = yield* Effect.fromResult(readDeadQuery(given))
    const search = searchOf(filter)
    const from = cursor === undefined ? undefined : yield* Effect.fromResult(readCursor(cursor, search))
    const errors: Array<TaskError> = []
    const note = (matches: ReadonlyArray<Match>) => {
      for (const { view } of matches) if (view.error !== undefined) errors.push(view.error)
    }
    const { matches, next } = yield* finder.page(search, limit, from, from === undefined ? note : undefined)
    if (from === undefined) note(matches)
    return {
      dead: matches.map(({ view }) => listed(view)),
      groups: groupsOf(errors),
      ...(next === undefined ? {} : { next: writeCursor("dead", next) })
    }
  })

  /** The ids that a selection means: those it names, or those that its filter finds; what it says of both must fit. */
  const idsOf = Effect.fnUntraced(function* ({ ids, ...filter }: DeadSelection) {
    if (ids === undefined) return yield* finder.all(searchOf(filter))
    const named = yield* Effect.fromResult(readIds(ids))
    const byPartition = Map.groupBy(named, partitionOfId)
    const tenant = yield* Tenant
    const fits = isMeant(filter)
    const found = yield* Effect.forEach(byPartition, ([partition, some]) =>
      finder.among(partition, some, (view) => isOwn(view.tenant, tenant) && fits(view))
    )
    return found.flat().map(({ id }) => id)
  })

  const checkInput = Effect.fnUntraced(function* (
    name: string,
    value: unknown
  ): Effect.fn.Return<unknown, SubmitRefused | UnknownHandler> {
    const definition = handlers.find(name)
    // What is signed in our name is not for others to say.
    if (definition === undefined || definition === deliver) return yield* handlers.unknown(name)
    const faults = [...faultsOf(value)]
    const read = yield* Effect.promise(async () => definition.readInput(value))
    if (Result.isFailure(read)) faults.push(...read.failure.faults)
    if (faults.length === 0 && JSON.stringify(value).length > inputMax) {
      faults.push({ path: "", message: `more than ${inputMax} characters of JSON` })
    }
    return faults.length === 0
      ? value
      : yield* new SubmitRefused({
          faults: faults.map(({ message, path }) => ({ path: `/input${path}`, message }))
        })
  })

  /** The revival of a dead letter; `undefined` when this process cannot tell which box it waits in. */
  const revival = Effect.fnUntraced(function* (id: TaskId, record: string, options: RetryOptions) {
    const { header, json } = decodeRecord(record)
    const ulid = ulidOfId(id)
    if (header.boxed !== true) return revivalOf(ulid, record, options)
    const { task } = readOutcome(json)
    const definition = handlers.find(task.name)
    if (definition === undefined) return undefined
    const read = yield* Effect.promise(async () =>
      definition.readInput(options.input === undefined ? task.input : options.input.value)
    )
    if (Result.isFailure(read)) return undefined
    const box = boxOf(definition, {
      key: task.key,
      tenant: task.tenant,
      lane: header.lane,
      input: read.success
    })
    return box === undefined ? undefined : revivalOf(ulid, record, { ...options, box })
  })

  const revive = Effect.fnUntraced(function* (ids: ReadonlyArray<TaskId>, options: RetryOptions) {
    let count = 0
    let left = 0
    // The oldest first, as they were submitted: those of one key go in that order again.
    for (const [partition, some] of Map.groupBy([...ids].sort(), partitionOfId)) {
      let portions = noPortions
      for (let at = 0; at < some.length;) {
        const piece = some.slice(at, at + Math.min(batchMax, portions.next))
        const found = yield* store.read(partition, piece.map(ulidOfId))
        const characters = found.reduce((sum, one) => sum + (one?.record.length ?? 0), 0)
        portions = afterPortion(portions, piece.length, characters)
        at += piece.length
        const revivals: Array<Revival> = []
        for (const [k, id] of piece.entries()) {
          const record = found[k]?.record
          if (record?.startsWith("F") !== true) continue
          const one = yield* revival(id, record, options)
          if (one === undefined) left += 1
          else revivals.push(one)
        }
        count += (yield* operations.revive(partition, revivals)).length
      }
    }
    return { count, ...(left === 0 ? {} : { left }) } satisfies Count
  })

  const retryDead = Effect.fnUntraced(function* (
    given: unknown,
    options: RetryOptions & { readonly dryRun?: boolean } = {}
  ): Effect.fn.Return<Count, QueryRefused | SubmitRefused | UnknownHandler | StoreError> {
    const selection = yield* Effect.fromResult(readDeadSelection(given))
    if (options.input !== undefined && selection.ids?.length !== 1) {
      return yield* refuseField("input", "another input is for one task, named by ids")
    }
    const ids = yield* idsOf(selection)
    if (options.input !== undefined) {
      for (const id of ids) {
        const match = yield* finder.readOne(id)
        if (match !== undefined) yield* checkInput(match.view.name, options.input.value)
      }
    }
    return options.dryRun === true ? { count: ids.length } : yield* revive(ids, options)
  })

  const purgeDead = Effect.fnUntraced(function* (
    given: unknown,
    options: { readonly dryRun?: boolean } = {}
  ): Effect.fn.Return<Count, QueryRefused | StoreError> {
    const ids = yield* idsOf(yield* Effect.fromResult(readDeadSelection(given)))
    if (options.dryRun === true) return { count: ids.length }
    let count = 0
    for (const [partition, some] of Map.groupBy(ids, partitionOfId)) {
      for (let at = 0; at < some.length; at += batchMax) {
        count += yield* operations.bury(partition, some.slice(at, at + batchMax).map(ulidOfId))
      }
    }
    return { count }
  })

  const retry = Effect.fnUntraced(function* (
    id: TaskId,
    options: RetryOptions = {}
  ): Effect.fn.Return<void, TaskNotFound | NotRetryable | SubmitRefused | UnknownHandler | StoreError> {
    const match = yield* finder.readOne(id)
    if (match === undefined) return yield* new TaskNotFound({ id })
    yield* ownership.checkRecord(id, match.found.record)
    const { found, view } = match
    if (view.state !== "failed") return yield* new NotRetryable({ id, state: view.state })
    if (options.input !== undefined) yield* checkInput(view.name, options.input.value)
    const one = yield* revival(id, found.record, options)
    if (one === undefined) return yield* handlers.unknown(view.name)
    // One that is not as it was any more went back by somebody else's hand, which is what was asked for.
    yield* operations.revive(partitionOfId(id), [one])
  })

  return { dead, retryDead, purgeDead, retry }
})
