/**
 * Records whose payload is sealed: decisions over plain texts.
 *
 * Lua reads the header of a record and passes its JSON on, alone or as the `task` of an outcome that it writes itself. So
 * the JSON is sealed as a whole, into `{"sealed":"~…","name":…}`, and opened wherever it is found. One that cannot be
 * opened stays as it is: written back it loses nothing, and what was added to it meanwhile (earlier runs, a due time) is
 * laid over it once it can be opened again.
 *
 * The log of lifecycle events takes of a record what stands after its seal. So tags are sealed there a second time.
 */
import { Result } from "effect"
import { cutHead, type Head, headOf } from "../lifecycle.ts"
import { decodeRecord, encodeRecord, type Envelope, type Outcome } from "../record.ts"
import { type Partition, partitionOfId, type TaskId } from "../task.ts"
import { isSealed, type KeyRing, type PayloadUnreadable } from "./key-ring.ts"

/** A record as it lies in the store while its payload is sealed. */
interface SealedJson extends Clear, Pick<Envelope, "past" | "pastDropped" | "failed"> {
  readonly sealed: string
}

/** What is no payload: the handler's name, the key, whose task it is, when it is due, and when it ended. */
interface Clear extends Omit<Head, "tags"> {
  readonly at?: number
  /** Read by Lua, and written anew where a task is given another time: it counts before the one that is sealed. */
  readonly dueAt?: number
  /** Its tags, sealed. */
  readonly tagged?: string
}

/** A record as it is read, and why its payload could not be. */
export interface Opened {
  readonly record: string
  readonly unreadable?: PayloadUnreadable
}

const mark = '{"sealed":"'

const placeOf = (id: TaskId) => `record ${id}`

const reasonPlace = (id: TaskId) => `reason ${partitionOfId(id)}`

/** Why a task is cancelled, as Lua puts it into the outcome. It holds for all tasks of a partition. */
export const sealReason = (ring: KeyRing, partition: Partition, reason: string): string =>
  ring.seal(`reason ${partition}`, reason)

const tagsPlace = (id: TaskId) => `tags ${id}`

const ended = /"worker":"[^"]*",(?:"startedAt":\d+,)?"finishedAt":(\d+)/

/** When a living task became due, where its JSON says so, as `due_of` of the scripts finds it. */
const dueIn = (json: string): number | undefined => {
  if (json.startsWith(`{"task":`)) return undefined
  const input = json.indexOf(`"input":`)
  const found =
    /"dueAt":(\d+)/.exec(input < 0 ? json : json.slice(0, input)) ?? /"dueAt":(\d+)\}$/.exec(json.slice(-40))
  return found === null ? undefined : Number(found[1])
}

const clearOf = (ring: KeyRing, id: TaskId, json: string): Clear => {
  const { key, name, tags, tenant } = headOf(cutHead(json))
  const at = ended.exec(json)?.[1]
  const dueAt = dueIn(json)
  return {
    name,
    ...(key === undefined ? {} : { key }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(at === undefined ? {} : { at: Number(at) }),
    ...(dueAt === undefined ? {} : { dueAt }),
    ...(tags.length === 0 ? {} : { tagged: ring.seal(tagsPlace(id), JSON.stringify(tags)) })
  }
}

/** The head of a record, as the log of lifecycle events has it, with the tags that it can open. */
export const openHead = (ring: KeyRing, id: TaskId, head: string): string => {
  const [field, tagged = ""] = /"tagged":"(~[^"]*)"/.exec(head) ?? []
  if (field === undefined) return head
  return Result.match(ring.open(tagsPlace(id), tagged), {
    onSuccess: (tags) => head.replace(field, () => `"tags":${tags}`),
    onFailure: () => head
  })
}

/** A record as it is to lie in the store. One that was never opened stays as it is. */
export const sealRecord = (ring: KeyRing, id: TaskId, record: string): string => {
  const { header, json } = decodeRecord(record)
  if (json.startsWith(mark)) return record
  const sealed: SealedJson = { sealed: ring.seal(placeOf(id), json), ...clearOf(ring, id, json) }
  return encodeRecord(header, JSON.stringify(sealed))
}

type Json = Result.Result<string, PayloadUnreadable>

/** The JSON of an envelope, or of an outcome that a worker wrote. */
const openJson = (ring: KeyRing, id: TaskId, json: string): Json => {
  if (!json.startsWith(mark)) return Result.succeed(json)
  const {
    at: _,
    key: __,
    name: ___,
    past,
    sealed,
    tagged: ____,
    tenant: _____,
    ...over
  } = JSON.parse(json) as SealedJson
  return Result.map(ring.open(placeOf(id), sealed), (text) => {
    if (past === undefined && (over.dueAt === undefined || over.dueAt === dueIn(text))) return text
    const envelope = JSON.parse(text) as Envelope
    return JSON.stringify({
      ...envelope,
      ...over,
      ...(past === undefined ? {} : { past: [...(envelope.past ?? []), ...past] })
    })
  })
}

const openReason = (ring: KeyRing, id: TaskId, outcome: Outcome): Outcome => {
  const { error } = outcome
  if (error === undefined || !isSealed(error.message)) return outcome
  const message = Result.getOrElse(ring.open(reasonPlace(id), error.message), ({ message }) => message)
  return { ...outcome, error: { ...error, message } }
}

/** An outcome that Lua wrote around an envelope, sealed or not. */
const openOutcome = (ring: KeyRing, id: TaskId, json: string) => {
  const outcome = openReason(ring, id, JSON.parse(json) as Outcome)
  const task = openJson(ring, id, JSON.stringify(outcome.task))
  return Result.isFailure(task)
    ? { json: JSON.stringify(outcome), unreadable: task.failure }
    : { json: JSON.stringify({ ...outcome, task: JSON.parse(task.success) as Envelope }) }
}

/** What stands for an outcome that cannot be read. */
const standIn = (json: string, { _tag: type, key, message, reason }: PayloadUnreadable): string => {
  const task = JSON.parse(json) as SealedJson
  const outcome: Outcome = {
    task,
    worker: "",
    finishedAt: task.at ?? 0,
    error: { type, message },
    unreadable: { key, reason }
  }
  return JSON.stringify(outcome)
}

/** Lua's own outcomes end in an error without a stack. */
const reasonAtEnd = /"message":"~[^"]*"\}\}$/

export const openRecord = (ring: KeyRing, id: TaskId, record: string): Opened => {
  const { header, json } = decodeRecord(record)
  if (json.startsWith(mark)) {
    const opened = openJson(ring, id, json)
    if (Result.isSuccess(opened)) return { record: encodeRecord(header, opened.success) }
    const unreadable = opened.failure
    return header.letter === "Q"
      ? { record, unreadable }
      : { record: encodeRecord(header, standIn(json, unreadable)), unreadable }
  }
  if (!json.startsWith(`{"task":${mark}`) && !reasonAtEnd.test(json)) return { record }
  const { json: opened, ...rest } = openOutcome(ring, id, json)
  return { record: encodeRecord(header, opened), ...rest }
}

/** The same of a task that has ended, for whoever waits for its result: what cannot be read has failed for them. */
export const openEnded = (ring: KeyRing, id: TaskId, record: string): string => {
  const opened = openRecord(ring, id, record)
  return opened.unreadable !== undefined && opened.record.startsWith("S")
    ? `F${opened.record.slice(1)}`
    : opened.record
}
