/** Another time for a task that waits for its time, in memory: the readable specification of `runtime/lua/task-reschedule.lua`. */
import { decodeRecord, encodeRecord, endedStateOf, readEnvelope } from "../record.ts"
import type { Due, Rescheduled } from "../store.ts"
import { entryOfHeader } from "./cells.ts"
import type { Heap } from "./heap.ts"
import { noteLife } from "./lives.ts"
import { byScore } from "./scores.ts"

/** Keeps what finds a task again by its idempotency key for so long from now on, at least. */
const keepGuards = (heap: Heap, ulid: string, now: number, keptMs: number): void => {
  for (const line of heap.ties.get(ulid) ?? []) {
    const guard = line.startsWith("k") ? heap.guards.get(line.slice(1)) : undefined
    if (guard?.ulid !== ulid || guard.goesAt === undefined || guard.goesAt <= now) continue
    guard.goesAt = Math.max(guard.goesAt, now + keptMs)
  }
}

export const rescheduleIn = (
  heap: Heap,
  ulid: string,
  when: Due,
  { now, retentionMs }: { readonly now: number; readonly retentionMs: number }
): Rescheduled => {
  const record = heap.recordOf(ulid)
  if (record === undefined) return { kind: "missing" }
  const { header, json } = decodeRecord(record)
  const ended = endedStateOf(header.letter)
  if (ended !== undefined) return { kind: "elsewhere", state: ended, now }
  const entry = entryOfHeader(ulid, header)
  const before = heap.later.get(entry)
  if (before === undefined) {
    if (heap.waiting.has(ulid)) return { kind: "elsewhere", state: "waiting", now }
    return { kind: "elsewhere", state: heap.holderOf(entry) === undefined ? "queued" : "running", now }
  }
  const { run } = header
  const due = "at" in when ? Math.max(now, when.at) : now + when.afterMs
  const expiresAt = run === 1 ? heap.later.get(`!${ulid}`) : undefined
  if (expiresAt !== undefined && expiresAt <= due) return { kind: "over", by: "expiry", at: expiresAt }
  const deadlineAt = heap.later.get(`#${ulid}`)
  if (deadlineAt !== undefined && deadlineAt <= due) return { kind: "over", by: "deadline", at: deadlineAt }
  const state = due <= now ? "queued" : run === 1 ? "scheduled" : "retrying"
  const moved: Rescheduled = { kind: "moved", due, state }
  if (before === due && due > now) return moved

  const first = byScore(heap.later)[0]![1]
  const next = encodeRecord(header, JSON.stringify({ ...readEnvelope(json), dueAt: due }))
  heap.write(ulid, next)
  keepGuards(heap, ulid, now, due - now + retentionMs)
  if (due > now) heap.later.set(entry, due)
  else {
    heap.later.delete(entry)
    heap.put([entry], false)
  }
  // Idle workers sleep until the next due time they know of.
  if (due < first || due <= now) heap.ring()
  heap.tellWatchers([ulid], false)
  noteLife(heap, now, {
    kind: "rescheduled",
    ulid,
    attempt: run - 1,
    record: next,
    more: JSON.stringify({ dueAt: due })
  })
  return moved
}
