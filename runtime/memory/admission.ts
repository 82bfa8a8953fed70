/** Admission in memory: in plain Maps, in the same order, what `runtime/lua/task-admit.lua` does in Redis. */
import { Clock, Duration, Effect, Layer } from "effect"
import { Admission, type Guard, keptAfterMsOf, keptMsOf, memberOf } from "../admission.ts"
import { Settings } from "../config.ts"
import { AgentBusy, AgentQuarantined } from "../store.ts"
import { agentBoxKey, agentOfBox } from "../mailbox.ts"
import { decodeRecord } from "../record.ts"
import { idIn, ulidOfEntry } from "../task.ts"
import { entryOfHeader } from "./cells.ts"
import { type Heap, Heaps } from "./heap.ts"
import { noteLife } from "./lives.ts"
import { byScore } from "./scores.ts"

/** What a task is now. `waits` while no run of it has started. */
type Standing = "waits" | "runs" | "succeeded" | "over"

const standingOf = (heap: Heap, ulid: string): Standing => {
  const record = heap.recordOf(ulid)
  if (record === undefined) return "over"
  const { header } = decodeRecord(record)
  if (header.letter !== "Q") return header.letter === "S" ? "succeeded" : "over"
  return header.run === 1 && heap.holderOf(entryOfHeader(ulid, header)) === undefined ? "waits" : "runs"
}

type Verdict = "found" | "conflict" | "superseded" | "free"

const judge = (guard: Guard, pointer: { readonly hash: string }, standing: Standing): Verdict => {
  switch (guard.kind) {
    case "idempotency":
      return pointer.hash === guard.hash ? "found" : "conflict"
    case "throttle":
      return "found"
    case "debounce":
      return standing === "waits" ? "superseded" : "free"
    case "unique":
      return standing === "waits" || (standing === "runs" && guard.until === "ended") ? "found" : "free"
    case "cache":
      return standing === "over" ? "free" : "found"
  }
}

const make = Effect.gen(function* () {
  const { of: heapOf } = yield* Heaps
  const retentionMs = Duration.toMillis((yield* Settings).retention)

  const pointerOf = (heap: Heap, member: string, now: number) => {
    const pointer = heap.guards.get(member)
    if (pointer?.goesAt !== undefined && pointer.goesAt <= now) heap.guards.delete(member)
    return heap.guards.get(member)
  }

  const point = (heap: Heap, guard: Guard, ulid: string, now: number) => {
    const member = memberOf(guard)
    const hash = guard.kind === "idempotency" ? guard.hash : ""
    const keptMs = keptMsOf(guard)
    heap.guards.set(member, { ulid, hash, ...(keptMs === undefined ? {} : { goesAt: now + keptMs }) })
    if (keptMs === undefined) heap.tie(ulid, `g${keptAfterMsOf(guard)}:${member}`)
  }

  const admit: Admission["Service"]["admit"] = Effect.fnUntraced(function* (partition, task, guards) {
    const heap = heapOf(partition)
    const now = Math.floor(yield* Clock.currentTimeMillis)
    const ulid = ulidOfEntry(task.entry)
    if (heap.recordOf(ulid) !== undefined) return { kind: "stored" }

    let superseded: string | undefined
    for (const [at, guard] of guards.entries()) {
      const pointer = pointerOf(heap, memberOf(guard), now)
      if (pointer === undefined) continue
      const verdict = judge(guard, pointer, standingOf(heap, pointer.ulid))
      if (verdict === "conflict") return { kind: "conflict", ulid: pointer.ulid }
      if (verdict === "superseded") superseded = pointer.ulid
      if (verdict !== "found") continue
      // Whoever comes back with the same idempotency key is to find the same, when this guard holds no more.
      for (const before of guards.slice(0, at)) {
        if (before.kind === "idempotency") point(heap, before, pointer.ulid, now)
      }
      return { kind: "found", ulid: pointer.ulid, by: guard.kind }
    }

    // One that takes another's place needs no more room than that had.
    const more = superseded === undefined ? 1 : 0
    const { box, due } = task
    const full = heap.refusal(more, new Map(box === undefined ? [] : [[box.name, more]]), now)
    if (full !== undefined) return yield* full
    const agent = box === undefined ? undefined : agentOfBox(box.name)
    if (agent !== undefined && heap.pausedKeys.has(agentBoxKey(agent)))
      return yield* new AgentQuarantined({ agent })
    const taken = box === undefined ? [] : heap.runsOf(box.name)
    if (task.arrival === "reject" && (taken.length > 0 || (box !== undefined && heap.hasWork(box.name))))
      return yield* new AgentBusy({ agent: agent ?? box!.name })

    const next = () => byScore(heap.later)[0]?.[0]
    const before = next()
    if (superseded !== undefined) {
      const error = { type: "Superseded", message: `${idIn(partition, ulid)} has taken its place` }
      heap.endEarly([superseded], "C", error, now, retentionMs)
    }
    const first = taken.find((entry) => heap.running.has(entry)) ?? taken[0]
    if (task.arrival === "interrupt" && first !== undefined) {
      const error = { type: "Interrupted", message: `${idIn(partition, ulid)} has come` }
      heap.endEarly([ulidOfEntry(first)], "C", error, now, retentionMs)
    }
    heap.keep(task)
    for (const guard of guards) {
      point(heap, guard, ulid, now)
      // One that is to be due later still is to be found for longer.
      if (due !== undefined && guard.kind === "idempotency") heap.tie(ulid, `k${memberOf(guard)}`)
    }
    if (due === undefined) heap.put([task.entry], false)
    else heap.later.set(task.entry, "at" in due ? due.at : now + due.afterMs)
    if (due === undefined || next() !== before) heap.ring()
    const kind = due === undefined ? "submitted" : "scheduled"
    noteLife(heap, now, { kind, ulid, attempt: 0, record: task.record })
    if (task.parent !== undefined) heap.endOrphan(ulid, now, retentionMs)
    return { kind: "stored" }
  })

  return Admission.of({ admit })
})

/** Admission to the partitions of this process. */
export const layer = Layer.effect(Admission, make)
