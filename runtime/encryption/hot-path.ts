/**
 * The store of the hot path with every payload sealed: submits, turns, ends and events.
 *
 * What it gives of an outbox it takes back to be dropped as it lies there, sealed by whichever key.
 */
import { Effect } from "effect"
import type { Message } from "../mailbox.ts"
import type { Store, TaskEvent } from "../store.ts"
import { idIn, type Partition, runOfEntry, type TaskId, ulidOfEntry } from "../task.ts"
import type { Claim } from "../turn.ts"
import type { KeyRing } from "./key-ring.ts"
import { eventPlace, openEvent, openHint, openNote, sealNote, sealSettlement, sealTask } from "./payloads.ts"
import { openEnded, openRecord, sealReason } from "./records.ts"

export const storeOver = (ring: KeyRing, store: Store["Service"]): Store["Service"] => {
  /** What was read of an outbox, as it lies there. */
  const lying = new WeakMap<Message, Message>()

  const openMessage = (message: Message): Message => {
    if (message.kind !== "submit") return message
    const { partition, task } = message
    const { record } = openRecord(ring, idIn(partition, ulidOfEntry(task.entry)), task.record)
    const opened: Message = { ...message, task: { ...task, record } }
    lying.set(opened, message)
    return opened
  }

  const openClaim = (partition: Partition, claim: Claim): Claim => ({
    ...claim,
    record: openRecord(ring, idIn(partition, ulidOfEntry(claim.entry)), claim.record).record
  })

  const openEvents = (id: TaskId) => (events: ReadonlyArray<TaskEvent>) =>
    events.map((event) => openEvent(ring, id, event))

  return {
    ...store,
    submit: (partition, tasks, options) =>
      store.submit(
        partition,
        tasks.map((task) => sealTask(ring, partition, task)),
        options
      ),
    turn: (partition, turn) =>
      Effect.map(
        store.turn(partition, {
          ...turn,
          settled: turn.settled.map((settlement) => sealSettlement(ring, partition, settlement)),
          notes: turn.notes.map(([entry, json]) => [
            entry,
            sealNote(ring, idIn(partition, ulidOfEntry(entry)), runOfEntry(entry), json)
          ])
        }),
        (reply) => ({ ...reply, claimed: reply.claimed.map((claim) => openClaim(partition, claim)) })
      ),
    orders: (worker, partitions) =>
      Effect.map(store.orders(worker, partitions), ({ next }) => ({
        next: Effect.map(next, (order) =>
          order.kind === "run" ? { ...order, claim: openClaim(order.partition, order.claim) } : order
        )
      })),
    cancel: (partition, ulid, reason, options) =>
      Effect.map(store.cancel(partition, ulid, sealReason(ring, partition, reason), options), (cancelled) =>
        cancelled.kind === "ended"
          ? { ...cancelled, record: openRecord(ring, idIn(partition, ulid), cancelled.record).record }
          : cancelled
      ),
    outbox: (partition, most, skip) =>
      Effect.map(store.outbox(partition, most, skip), (messages) => messages.map(openMessage)),
    drop: (partition, messages) =>
      store.drop(
        partition,
        messages.map((message) => lying.get(message) ?? message)
      ),
    read: (partition, ulids) =>
      Effect.map(store.read(partition, ulids), (all) =>
        all.map((found, at) => {
          if (found === undefined) return undefined
          const id = idIn(partition, ulids[at]!)
          const opened = openRecord(ring, id, found.record)
          const { place } = found
          if (place.kind !== "held" || place.note === undefined) return { ...found, ...opened }
          const run = Number(/^..(\d+)/.exec(found.record)![1])
          const note = openNote(ring, id, run, place.note)
          return { ...opened, place: { ...place, note } }
        })
      ),
    ended: (partition, ulids, options) =>
      Effect.map(store.ended(partition, ulids, options), (all) =>
        all.map((record, at) =>
          typeof record === "string" ? openEnded(ring, idIn(partition, ulids[at]!), record) : record
        )
      ),
    append: (partition, worker, events) =>
      store.append(
        partition,
        worker,
        events.map((event) => {
          const { data, entry, kind, seq } = event
          const run = runOfEntry(entry)
          const place = eventPlace(idIn(partition, ulidOfEntry(entry)), { kind, run, seq })
          return { ...event, data: ring.seal(place, data) }
        })
      ),
    events: (id, after, limit) => Effect.map(store.events(id, after, limit), openEvents(id)),
    eventsOf: (partition, wanted, limit) =>
      Effect.map(store.eventsOf(partition, wanted, limit), (all) =>
        all.map((events, at) => openEvents(idIn(partition, wanted[at]!.ulid))(events))
      ),
    inbox: Effect.map(store.inbox, (inbox) => ({
      ...inbox,
      next: Effect.map(inbox.next, (hint) => openHint(ring, hint))
    }))
  }
}
