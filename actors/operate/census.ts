/**
 * Tells handlers what became of the tasks of a time, piece by piece: it reads the records of that time and no others, and
 * holds a piece of them at once.
 */
import { Effect, Option, Stream } from "effect"
import { Census, type Counted } from "../../runtime/census.ts"
import { writeCursor } from "../../runtime/cursor.ts"
import { Operations } from "../../runtime/operations.ts"
import { Handlers } from "../../runtime/registry.ts"
import { Store, type StoreError } from "../../runtime/store.ts"
import { type Partition, segmentAfter, submittedAt, type TaskId, ulidOfId } from "../../runtime/task.ts"
import { isOwn, Tenant, tenantDefault } from "../../runtime/tenant.ts"
import { type TaskView, viewOf } from "../../runtime/view.ts"

/** How many ids are asked for, and how many of their tasks are read, in one go. */
const pieceSize = 500
const readSize = 100

export const makeCensus = Effect.gen(function* () {
  const store = yield* Store
  const operations = yield* Operations
  const handlers = yield* Handlers

  const readAll = Effect.fnUntraced(function* (partition: Partition, ids: ReadonlyArray<TaskId>) {
    const counted: Array<Counted> = []
    for (let at = 0; at < ids.length; at += readSize) {
      const some = ids.slice(at, at + readSize)
      const found = yield* store.read(partition, some.map(ulidOfId))
      for (const [place, id] of some.entries()) {
        const one = found[place]
        if (one !== undefined) counted.push(countedOf(viewOf(id, one, handlers.find)))
      }
    }
    return counted
  })

  /** The newest come first, so what is too old ends it. */
  const inPartition = (partition: Partition, from: number, to: number) =>
    Stream.paginate<string, Counted, StoreError>(
      writeCursor({ kind: "below", id: segmentAfter(to) }),
      Effect.fnUntraced(function* (cursor: string) {
        const { ids, next } = yield* operations.scan(partition, "all", cursor, pieceSize)
        const isMeant = (id: TaskId) => {
          const at = submittedAt(ulidOfId(id))
          return at >= from && at < to
        }
        const last = ids.at(-1)
        const isOver = next === undefined || (last !== undefined && submittedAt(ulidOfId(last)) < from)
        return [
          yield* readAll(partition, ids.filter(isMeant)),
          isOver ? Option.none() : Option.some(next)
        ] as const
      })
    )

  return Census.of({
    tasks: ({ from, to }) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const tenant = yield* Tenant
          return Stream.fromIterable(yield* operations.partitions).pipe(
            Stream.flatMap((partition) => inPartition(partition, from, to)),
            Stream.filter((one) => tenant === tenantDefault || isOwn(one.tenant, tenant))
          )
        })
      )
  })
})

const countedOf = ({
  attempt,
  finishedAt,
  id,
  name,
  queue,
  state,
  submittedAt,
  tenant
}: TaskView): Counted => ({
  id,
  tenant: tenant ?? tenantDefault,
  handler: name,
  queue,
  state,
  attempt,
  submittedAt,
  ...(finishedAt === undefined ? {} : { finishedAt })
})
