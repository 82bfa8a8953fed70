/**
 * The delivery that is owed when a task with a callback has ended.
 *
 * The end itself puts a message into the outbox, in the same step; whoever relays that makes of it the task that delivers.
 * Its id follows from the task and its run, so that relaying it twice submits it once. It takes up room until its own end,
 * which is told in the same way. Where there is too little room it goes without the output; where there is none it is a
 * dead letter from the start.
 */
import { Effect, Option } from "effect"
import { describe } from "../../runtime/fault.ts"
import { Handlers } from "../../runtime/registry.ts"
import { type Found, Store, type StoreError } from "../../runtime/store.ts"
import type { NewTask } from "../../runtime/mailbox.ts"
import {
  decodeRecord,
  encodeRecord,
  type Envelope,
  type Outcome,
  readEnvelope,
  readOutcome
} from "../../runtime/record.ts"
import {
  entryOf,
  partitionOf,
  partitionOfId,
  type TaskId,
  ulidOfEntry,
  ulidOfId
} from "../../runtime/task.ts"
import { Complaints } from "../../runtime/telemetry/complaints.ts"
import { counter } from "../../runtime/telemetry/instruments.ts"
import { tenantDefault, ulidOfTenant } from "../../runtime/tenant.ts"
import { type Carried, carriedIn } from "../../runtime/telemetry/trace-context.ts"
import { ulidFor } from "../../runtime/ulid.ts"
import { type FindHandler, viewOf } from "../../runtime/view.ts"
import { boxOf } from "../dispatch/box.ts"
import { aheadMaxMs } from "../dispatch/new-task.ts"
import { deliver, type Delivery, deliverName, hostOf, webhooksQueue } from "./deliver.ts"
import { bodyOf, eventAt } from "./message.ts"
import { giveBack, takeRoom, type Taken } from "./room.ts"

export const webhooksPartition = partitionOf(webhooksQueue)

/** The envelope of a delivery, which may have dropped its input. */
type DeliveryEnvelope = Omit<Envelope, "input"> & { readonly input?: unknown; readonly room?: Taken }

/** What is to be told of the end of a task, whatever room there is. */
interface Telling {
  readonly at: number
  readonly cause: string
  readonly tenant: string | undefined
  readonly delivery: (outputMax?: number) => Omit<Delivery, "id">
  readonly carried: Carried
}

/** The task that delivers. For one without room it is too late from the start. */
const taskOf = (
  { at, carried, cause, tenant }: Telling,
  delivery: Omit<Delivery, "id">,
  room?: Taken | "full"
): NewTask => {
  const ulid = ulidOfTenant(ulidFor(at, cause), tenant)
  const key = hostOf(delivery.url)
  const input: Delivery = { ...delivery, id: `msg_${ulid}` }
  const { lane } = deliver
  const envelope: DeliveryEnvelope = {
    name: deliverName,
    key,
    ...(tenant === undefined ? {} : { tenant }),
    ...(typeof room === "object" ? { room } : {}),
    ...carried,
    input
  }
  return {
    entry: entryOf(ulid, lane, 1, true),
    record: encodeRecord({ letter: "Q", lane, run: 1, crashes: 0, boxed: true }, JSON.stringify(envelope)),
    box: boxOf(deliver, { key, lane, input, tenant })!,
    ...(typeof room === "object" ? { callback: true } : {}),
    ...(room === "full" ? { due: { at: at + aheadMaxMs }, deadlineAt: at } : {})
  }
}

/**
 * What came of it: a delivery to store, nothing to tell, nothing that can be told by this process, or nothing any more since
 * the record has gone.
 */
export type Owed =
  | {
      readonly kind: "delivery"
      readonly task: NewTask
      /** To be done once it is stored: others may have stored it before, and room is not to be had twice. */
      readonly stored: Effect.Effect<void, StoreError>
    }
  | { readonly kind: "nothing" }
  | { readonly kind: "unreadable"; readonly reason: string }
  | { readonly kind: "gone" }

const nothing: Owed = { kind: "nothing" }

/** Asks what a message of the outbox has come to. */
export const owedFor = Effect.fnUntraced(function* (id: TaskId): Effect.fn.Return<Owed, StoreError, Store> {
  const store = yield* Store
  const handlers = yield* Effect.serviceOption(Handlers)
  const [found] = yield* store.read(partitionOfId(id), [ulidOfId(id)])
  if (found === undefined) return { kind: "gone" }
  const isDelivery = partitionOfId(id) === webhooksPartition && nameOf(found) === deliverName
  // It was put back to work: its next end is owed by itself.
  if (found.place.kind !== "ended" && !isDelivery) return nothing
  if (found.unreadable !== undefined) return { kind: "unreadable", reason: found.unreadable.message }
  if (isDelivery) {
    const { room } = envelopeIn(found)
    if (room !== undefined) yield* giveBack(room)
    return nothing
  }
  const find = (name: string) =>
    Option.match(handlers, { onNone: () => undefined, onSome: ({ find }) => find(name) })
  const owed = yield* Effect.try({
    try: () => owedOf(id, found, find),
    catch: (cause) => describe(cause).message
  }).pipe(
    // A record that makes no sense to this process may do so to one of another version.
    Effect.catch((reason) => Effect.succeed<Owed>({ kind: "unreadable", reason }))
  )
  return "kind" in owed ? owed : yield* deliveryOf(owed)
})

const withoutOutput = counter("troupe_callbacks_without_room_total", { told: "without_output" })
const notTold = counter("troupe_callbacks_without_room_total", { told: "no" })

/** The delivery with as much of the end as there is room for. */
const deliveryOf = Effect.fnUntraced(function* (telling: Telling): Effect.fn.Return<Owed, StoreError, Store> {
  const store = yield* Store
  const tenant = telling.tenant ?? tenantDefault
  const take = (delivery: Omit<Delivery, "id">) =>
    takeRoom(tenant, hostOf(delivery.url), taskOf(telling, delivery).record.length)
  const noRoom = (yield* Complaints).about(
    `callbacks of tenant ${tenant} find no room`,
    `callbacks of tenant ${tenant} have room again`
  )
  let delivery = telling.delivery()
  let room = yield* take(delivery)
  if (room === "full") {
    const short = telling.delivery(0)
    if (short.body !== delivery.body) room = yield* take((delivery = short))
    const isTold = room !== "full"
    ;(isTold ? withoutOutput : notTold)()
    yield* noRoom.wrong(
      `TROUPE_WEBHOOK_BACKLOG is reached, and those to ${hostOf(delivery.url)} are ` +
        (isTold ? "told without outputs" : "dead letters from the start")
    )
  } else yield* noRoom.well() ?? Effect.void
  const task = taskOf(telling, delivery, room)
  const stored = Effect.gen(function* () {
    if (typeof room !== "object") return
    const [found] = yield* store.read(webhooksPartition, [ulidOfEntry(task.entry)])
    const ours = found !== undefined && found.unreadable === undefined ? envelopeIn(found).room : undefined
    if (ours?.permit !== room.permit) yield* giveBack(room)
  })
  return { kind: "delivery", task, stored }
})

const envelopeIn = ({ place, record }: Found): DeliveryEnvelope => {
  const { json } = decodeRecord(record)
  return place.kind === "ended" ? readOutcome(json).task : readEnvelope(json)
}

const nameOf = (found: Found): string => envelopeIn(found).name

/** What is owed for a task that has ended. */
const owedOf = (id: TaskId, found: Found, find: FindHandler): Owed | Telling => {
  const { header, json } = decodeRecord(found.record)
  const { error, finishedAt, sealed, task } = readOutcome(json) as Outcome & { readonly sealed?: string }
  if (sealed !== undefined || task.sealed !== undefined)
    return { kind: "unreadable", reason: "it is sealed, and there are no TROUPE_ENCRYPTION_KEYS" }
  const { callback, tenant } = task
  const view = viewOf(id, found, find)
  const event = eventAt(view)
  if (callback === undefined || event === undefined) return nothing
  // It goes on under another id, and takes its callback along.
  if (error?.type === "Cancelled" && isMove(error.message, id)) return nothing
  if (callback.events?.includes(event) === false) return nothing
  return {
    at: finishedAt,
    cause: `${id} ${header.run}`,
    tenant,
    delivery: (outputMax) => ({
      url: callback.url,
      headers: callback.headers ?? {},
      tenant: tenant ?? tenantDefault,
      body: bodyOf(event, view, found.record, outputMax)
    }),
    carried: carriedIn(task)
  }
}

/** A copy of a task has its unique part. */
const isMove = (reason: string, id: TaskId) =>
  reason.startsWith("moved to ") && reason.endsWith(`.${ulidOfId(id)}`)
