/**
 * The payloads of tasks, events and agents, sealed and opened one by one: functions over plain values.
 *
 * Each is bound to its place, which says whose it is and what, so that a payload which was put elsewhere does not open. Sealed
 * again for the same place it is the same text.
 */
import { Result } from "effect"
import type { AgentAddress, Message, NewTask } from "../mailbox.ts"
import type { Hint, TaskEvent } from "../store.ts"
import { startedIn } from "../record.ts"
import { idIn, type Partition, type TaskId, ulidOfEntry } from "../task.ts"
import type { Act, Settlement } from "../turn.ts"
import { isSealed, type KeyRing, type PayloadUnreadable } from "./key-ring.ts"
import { openEnded, sealRecord } from "./records.ts"

/** What stands in the place of what cannot be opened. */
export const unreadableJson = ({ message }: PayloadUnreadable) => JSON.stringify({ unreadable: message })

/** What was stored before there was a key is as it was. */
export const opening = (
  ring: KeyRing,
  place: string,
  text: string
): Result.Result<string, PayloadUnreadable> =>
  isSealed(text) ? ring.open(place, text) : Result.succeed(text)

/** A task as it is to be stored. */
export const sealTask = (ring: KeyRing, partition: Partition, task: NewTask): NewTask => ({
  ...task,
  record: sealRecord(ring, idIn(partition, ulidOfEntry(task.entry)), task.record)
})

const sealMessage = <M extends Message>(ring: KeyRing, message: M): M =>
  message.kind === "submit" ? { ...message, task: sealTask(ring, message.partition, message.task) } : message

/** A progress is noted in the log of lifecycle events, too, where it has no number. */
export const progressPlace = (id: TaskId, run: number) => `progress ${id} ${run}`

/** Where an event of a task's stream lies. */
export const eventPlace = (id: TaskId, { kind, run, seq }: Omit<TaskEvent, "data">) =>
  kind === "progress" ? progressPlace(id, run) : `event ${id} ${run}-${seq}`

/** Where the state of an agent lies. */
export const statePlace = (partition: Partition, agent: AgentAddress) => `state ${partition} ${agent}`

const notePlace = (id: TaskId, run: number) => `note ${id} ${run}`

/** What a worker notes of a run. When it began stays readable, since Lua puts it into the record of a run that is cut short. */
export const sealNote = (ring: KeyRing, id: TaskId, run: number, json: string): string => {
  const startedAt = startedIn(json)
  const sealed = ring.seal(notePlace(id, run), json)
  return startedAt === undefined ? sealed : `{"sealed":"${sealed}","startedAt":${startedAt}}`
}

/** The same, opened; `undefined` where it cannot be. */
export const openNote = (ring: KeyRing, id: TaskId, run: number, note: string): string | undefined => {
  const sealed = /^\{"sealed":"(~[^"]*)"/.exec(note)?.[1] ?? note
  return Result.getOrUndefined(opening(ring, notePlace(id, run), sealed))
}

const sealAct = (ring: KeyRing, partition: Partition, act: Act): Act => ({
  ...act,
  state:
    act.state === undefined
      ? undefined
      : { ...act.state, json: ring.seal(statePlace(partition, act.agent), act.state.json) },
  sent: act.sent.map((message) => sealMessage(ring, message))
})

/** What a turn says of a run that has ended, with all that it leaves behind. */
export const sealSettlement = (ring: KeyRing, partition: Partition, settlement: Settlement): Settlement => {
  if (settlement.kind === "release") return settlement
  const record = sealRecord(ring, idIn(partition, ulidOfEntry(settlement.entry)), settlement.record)
  return settlement.kind === "end" && settlement.act !== undefined
    ? { ...settlement, record, act: sealAct(ring, partition, settlement.act) }
    : { ...settlement, record }
}

/** An event as those who follow see it. */
export const openEvent = (ring: KeyRing, id: TaskId, event: TaskEvent): TaskEvent => {
  const opened = opening(ring, eventPlace(id, event), event.data)
  return { ...event, data: Result.getOrElse(opened, unreadableJson) }
}

/** The outcomes and events that come along with a hint. */
export const openHint = (ring: KeyRing, hint: Hint): Hint =>
  hint === "all"
    ? hint
    : {
        ...hint,
        news: hint.news.map(({ event, record, ulid }) => ({
          ulid,
          record: record === undefined ? undefined : openEnded(ring, idIn(hint.partition, ulid), record),
          ...(event === undefined ? {} : { event: openEvent(ring, idIn(hint.partition, ulid), event) })
        }))
      }
