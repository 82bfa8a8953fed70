/**
 * The delivery that is owed when a task with a callback has ended.
 *
 * The end itself puts a message into the outbox, in the same step; whoever relays that makes of it the task that delivers.
 * Its id follows from the task and its run, so that relaying it twice submits it once.
 */
import { Effect, Option } from "effect"
import { describe } from "../../runtime/fault.ts"
import { Handlers } from "../../runtime/registry.ts"
import { type Found, Store, type StoreError } from "../../runtime/store.ts"
import type { NewTask } from "../../runtime/mailbox.ts"
import {
  decodeRecord,
  encodeRecord,
  entryOf,
  type Envelope,
  type Outcome,
  partitionOf,
  partitionOfId,
  readOutcome,
  type TaskId,
  ulidOfId
} from "../../runtime/task.ts"
import { tenantDefault, ulidOfTenant } from "../../runtime/tenant.ts"
import { type Carried, carriedIn } from "../../runtime/telemetry/trace-context.ts"
import { ulidFor } from "../../runtime/ulid.ts"
import { type FindHandler, viewOf } from "../../runtime/view.ts"
import { boxOf } from "../dispatch/box.ts"
import { deliver, type Delivery, deliverName, hostOf, webhooksQueue } from "./deliver.ts"
import { bodyOf, eventAt } from "./message.ts"

export const webhooksPartition = partitionOf(webhooksQueue)

/** The task that delivers. */
const taskOf = (
  at: number,
  cause: string,
  tenant: string | undefined,
  delivery: Omit<Delivery, "id">,
  carried: Carried
): NewTask => {
  const ulid = ulidOfTenant(ulidFor(at, cause), tenant)
  const key = hostOf(delivery.url)
  const input: Delivery = { ...delivery, id: `msg_${ulid}` }
  const { lane } = deliver
  const envelope: Envelope = {
    name: deliverName,
    key,
    ...(tenant === undefined ? {} : { tenant }),
    ...carried,
    input
  }
  return {
    entry: entryOf(ulid, lane, 1, true),
    record: encodeRecord({ letter: "Q", lane, run: 1, crashes: 0, boxed: true }, JSON.stringify(envelope)),
    box: boxOf(deliver, { key, lane, input, tenant })!
  }
}

/**
 * What came of it: a delivery to store, nothing to tell, nothing that can be told by this process, or nothing any more since
 * the record has gone.
 */
export type Owed =
  | { readonly kind: "delivery"; readonly task: NewTask }
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
  // It was put back to work: its next end is owed by itself.
  if (found.place.kind !== "ended") return nothing
  if (found.unreadable !== undefined) return { kind: "unreadable", reason: found.unreadable.message }
  const find = (name: string) =>
    Option.match(handlers, { onNone: () => undefined, onSome: ({ find }) => find(name) })
  return yield* Effect.try({
    try: () => owedOf(id, found, find),
    catch: (cause) => describe(cause).message
  }).pipe(
    // A record that makes no sense to this process may do so to one of another version.
    Effect.catch((reason) => Effect.succeed<Owed>({ kind: "unreadable", reason }))
  )
})

/** What is owed for a task that has ended. */
const owedOf = (id: TaskId, found: Found, find: FindHandler): Owed => {
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
  const delivery = {
    url: callback.url,
    headers: callback.headers ?? {},
    tenant: tenant ?? tenantDefault,
    body: bodyOf(event, view, found.record)
  }
  return {
    kind: "delivery",
    task: taskOf(finishedAt, `${id} ${header.run}`, tenant, delivery, carriedIn(task))
  }
}

/** A copy of a task has its unique part. */
const isMove = (reason: string, id: TaskId) =>
  reason.startsWith("moved to ") && reason.endsWith(`.${ulidOfId(id)}`)
