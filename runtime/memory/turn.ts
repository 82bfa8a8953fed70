/** The turn in memory: the readable specification of `runtime/lua/worker-turn.lua`, in the same order. */
import { Effect } from "effect"
import { Fenced, hintRecordMax, type News } from "../store.ts"
import type { AgentAddress } from "../mailbox.ts"
import { type Act, clockJumpMs, isPlainEnd, type Settlement, type Turn, type TurnReply } from "../turn.ts"
import { decodeRecord, type TaskError } from "../record.ts"
import { type Entry, type Lane, lanes, nextRun, partitionOfId, runOfEntry, ulidOfEntry } from "../task.ts"
import { entryOfHeader } from "./cells.ts"
import { deadlineError, type Heap } from "./heap.ts"
import { noteLife, noteStart } from "./lives.ts"
import { add, live, room, roomAfter, type Window } from "../window.ts"
import { byScore } from "./scores.ts"

/** How many entries of a dead worker one turn hands back, and how many due ones it promotes. */
const reapMax = 50
const promoteMax = 500

/** How many suspects that have ended meanwhile are passed over, and how many times lanes are looked into for more. */
const staleRounds = 8

/** How many rings with limits a reply names, and how much waiting work it counts in one. */
const ringsMax = 16
const ringWaitingMax = 250

/** How soon a parent looks again at a child elsewhere that lives and is none of those that it is told of. */
const lookAgainMs = 50

/** For how long a ring is left to others of which a claim found nothing but suspects that it may not take. */
const suspectsWaitMs = 500

const expired: TaskError = { type: "Expired", message: "it had not started when its time was over" }

/** Where and when a turn is taken. */
export interface Circumstances {
  readonly heap: Heap
  readonly now: number
  readonly retentionMs: number
}

/** Settles what the worker still holds; says what it does not, and the outcomes that were accepted. */
const settle = ({ heap, now, retentionMs }: Circumstances, turn: Turn) => {
  const held = heap.heldBy(turn.worker)
  const mine = new Set(held)
  const lost: Array<Entry> = []
  const ended: Array<readonly [string, string]> = []
  const outcomes = new Map<Entry, string>()
  const released: Array<Entry> = []
  const told: Array<string> = []
  const goesOn: Array<Extract<Settlement, { kind: "retry" | "wait" }>> = []
  const acts: Array<readonly [Entry, Act]> = []
  const wereHeld = turn.settled.filter((settlement) => {
    const { entry } = settlement
    if (mine.has(entry)) return held.delete(entry)
    const there =
      turn.again && (settlement.kind === "release" || heap.recordOf(ulidOfEntry(entry)) === settlement.record)
    if (!there) lost.push(entry)
    return false
  })
  // What is plain comes first, as there.
  const plain = wereHeld.flatMap((settlement) =>
    settlement.kind === "end" && isPlainEnd(settlement)
      ? [[ulidOfEntry(settlement.entry), settlement.record] as const]
      : []
  )
  heap.finish(plain, now, retentionMs)
  for (const settlement of wereHeld) {
    const { entry } = settlement
    if (settlement.kind === "end") {
      const { act } = settlement
      if (act !== undefined && (heap.agents.get(act.agent)?.revision ?? "0") !== act.base) {
        // It was handled with a state that was never stored, or is no longer there: it is handled again.
        released.push(entry)
        lost.push(entry)
        continue
      }
      if (act !== undefined) {
        acts.push([entry, act])
        if (act.state !== undefined || act.timers.length > 0) heap.agentCell(act.agent).revision = entry
      }
      if (!isPlainEnd(settlement)) ended.push([ulidOfEntry(entry), settlement.record])
      if (settlement.record.length <= hintRecordMax) outcomes.set(entry, settlement.record)
    } else if (settlement.kind === "release") released.push(entry)
    else goesOn.push(settlement)
    if (settlement.kind === "retry") {
      const { record } = settlement
      noteLife(heap, now, { kind: "retrying", ulid: ulidOfEntry(entry), attempt: runOfEntry(entry), record })
    }
  }
  heap.finish(ended, now, retentionMs)
  for (const [entry, act] of acts) heap.perform(entry, act, now, retentionMs)
  // Retries first, as their arguments come first.
  goesOn.sort((a, b) => (a.kind === b.kind ? 0 : a.kind === "retry" ? -1 : 1))
  for (const { entry, record } of goesOn) {
    heap.write(ulidOfEntry(entry), record)
    told.push(ulidOfEntry(entry))
  }
  heap.giveUpRoom(goesOn.map(({ entry }) => entry))
  for (const settlement of goesOn)
    if (settlement.kind === "retry") heap.later.set(nextRun(settlement.entry), now + settlement.delayMs)
  for (const settlement of goesOn) {
    if (settlement.kind !== "wait") continue
    const ulid = ulidOfEntry(settlement.entry)
    const living = settlement.children.filter((child) => heap.children.get(ulid)?.has(child))
    const isHasty = settlement.hasty === true
    if (living.length > 0 && !(isHasty && living.length < settlement.children.length)) {
      heap.awaited.set(ulid, new Set(living))
      if (isHasty) heap.hasty.add(ulid)
      else heap.hasty.delete(ulid)
      heap.waiting.set(ulid, nextRun(settlement.entry))
    } else if (settlement.children.some((child) => partitionOfId(child) !== heap.partition)) {
      // Nobody will tell of a dead letter that is tried again there.
      heap.later.set(nextRun(settlement.entry), now + lookAgainMs)
    } else heap.put([nextRun(settlement.entry)], true)
  }
  heap.giveBack(released, undefined, now, retentionMs)

  for (const [entry, note] of turn.notes) {
    if (mine.has(entry)) {
      heap.running.set(entry, note)
      told.push(ulidOfEntry(entry))
    } else lost.push(entry)
  }
  heap.tellWatchers(told, false)
  for (const entry of turn.noted) heap.running.delete(entry)
  for (const entry of turn.streamed) {
    if (!lost.includes(entry)) heap.keepStream(ulidOfEntry(entry), now, retentionMs)
  }
  return { lost, outcomes }
}

/** Reaps a worker whose lease ran out, a piece at a time. */
const reap = ({ heap, now, retentionMs }: Circumstances, turn: Turn) => {
  const isOnTime = turn.expectedNow === 0 || Math.abs(now - turn.expectedNow) <= clockJumpMs
  const calm = turn.judges && isOnTime
  if (turn.join || (!isOnTime && now < turn.expectedNow)) {
    // On a clock that was set back the dead would live on: nobody has more than its lease from now. Who has just joined
    // cannot know whether it was, and there may be nobody else.
    for (const [other, deadline] of heap.workers) {
      if (deadline <= now + turn.leaseMs) continue
      const { leaseMs = turn.leaseMs } = JSON.parse(heap.about.get(other) ?? "{}") as { leaseMs?: number }
      heap.workers.set(other, Math.min(deadline, now + leaseMs))
    }
  }
  const dead = () => {
    const [first, deadline] = byScore(heap.workers)[0]!
    return first !== turn.worker && (deadline === 0 || (calm && deadline <= now)) ? first : undefined
  }
  const worker = dead()
  if (worker === undefined) return
  // The newest first: each further piece goes to the head of the lanes, before what is newer.
  const theirs = [...heap.heldBy(worker)].sort().reverse().slice(0, reapMax)
  for (const entry of theirs) heap.heldBy(worker).delete(entry)
  heap.giveBack(theirs, worker, now, retentionMs)
  if (theirs.length < reapMax) {
    heap.workers.delete(worker)
    heap.about.delete(worker)
    heap.standby.delete(worker)
    heap.held.delete(worker)
    heap.countEnds("R", 1, now)
  }
  if (dead() !== undefined) heap.ring()
}

/** Puts what is due into its mailbox, and ends what has expired. */
const promote = ({ heap, now, retentionMs }: Circumstances) => {
  const due = byScore(heap.later)
    .slice(0, promoteMax)
    .filter(([, at]) => at <= now)
    .map(([member]) => member)
  for (const member of due) heap.later.delete(member)
  heap.put(
    due.filter((member) => !/^[!#]/.test(member)),
    false
  )
  const alarms = (sign: string) =>
    due.filter((member) => member.startsWith(sign)).map((member) => member.slice(1))
  const unstarted = alarms("!").filter((ulid) => {
    const record = heap.recordOf(ulid)
    if (!record?.startsWith("Q")) return false
    const { header } = decodeRecord(record)
    return header.run === 1 && heap.holderOf(entryOfHeader(ulid, header)) === undefined
  })
  heap.endEarly(unstarted, "E", expired, now, retentionMs)
  heap.endEarly(alarms("#"), "F", deadlineError, now, retentionMs)
}

/** Claims by priority, with the shares of lower lanes, boxes, and rings that the worker has permits for. */
const claim = ({ heap, now }: Circumstances, turn: Turn, handed: boolean) => {
  const held = heap.heldBy(turn.worker)
  const claimed: Array<{ readonly entry: Entry; readonly ring?: string }> = []
  const agents: Array<readonly [AgentAddress, string]> = []
  const activated = (agent: AgentAddress) =>
    void agents.push([agent, heap.agents.get(agent)?.revision ?? "0"])
  let want = Math.max(0, turn.want - (handed ? 1 : 0))
  const looks = want > 0
  const paused = looks && heap.control.get("paused") === "1"
  const concurrency = heap.control.get("concurrency")
  let capped = false
  if (paused) want = 0
  else if (want > 0 && concurrency !== undefined) {
    const running = byScore(heap.workers).reduce((sum, [worker]) => sum + heap.heldBy(worker).size, 0)
    const allowed = Math.max(0, Number(concurrency) - running)
    capped = allowed < want
    want = Math.min(want, allowed)
  }
  // A queue's own rate: never more than so many claims in any so many milliseconds.
  const rateCount = looks && !paused ? heap.control.get("rateCount") : undefined
  let nextRoom: number | undefined
  let lately: Window | undefined
  if (rateCount !== undefined) {
    lately = live(heap.claimedLately, Number(heap.control.get("rateMs")), now)
    const allowed = room(lately, Number(rateCount), 1)
    if (allowed < want) {
      capped = true
      want = allowed
      nextRoom = now + roomAfter(lately, Number(rateCount), 1, now)
    }
  }
  const take = (entries: ReadonlyArray<Entry>, ring?: string) => {
    for (const entry of entries) {
      claimed.push(ring === undefined ? { entry } : { entry, ring })
      held.add(entry)
    }
    want -= entries.length
  }
  const current = (entries: ReadonlyArray<Entry>) => entries.filter((entry) => heap.isCurrent(entry))
  /** Entries of tasks that ended are passed over, a bounded number of times. */
  let rounds = staleRounds
  let givenUp = false
  const takeLanes = (most: number, among: ReadonlyArray<Lane>) => {
    const enough = want - most
    while (want > enough) {
      const lane = among.find((one) => heap.lanes[one].length > 0)
      if (lane === undefined) return
      const popped = heap.lanes[lane].splice(0, want - enough)
      const entries = current(popped)
      take(entries)
      if (entries.length < popped.length) rounds -= 1
      if (rounds === 0) {
        givenUp = true
        return
      }
    }
  }

  const suspects = { mayTake: turn.suspect, taken: false, left: false }
  if (want > 0 && turn.suspect) {
    for (let round = 0; round < staleRounds && heap.suspects.length > 0; round++) {
      const suspect = current(heap.suspects.splice(0, 1))
      if (suspect.length === 0) continue
      take(suspect)
      suspects.mayTake = false
      suspects.taken = true
      suspects.left = heap.suspects.length > 0
      break
    }
  }
  const lanesHave = lanes.some((lane) => heap.lanes[lane].length > 0)
  const takeRing = (ring: string, most: number) => {
    const { claimed, someStay } = heap.claimRing(ring, most, held, suspects, activated)
    take(claimed, ring === "" ? undefined : ring)
    // What only another worker can claim is not asked for again at once.
    if (ring !== "" && claimed.length === 0 && someStay && heap.rings.has(ring))
      heap.rings.set(ring, now + suspectsWaitMs)
  }
  if (lanesHave) {
    for (const [at, count] of turn.share.entries()) {
      const lane = lanes[at + 1]!
      take(current(heap.lanes[lane].splice(0, Math.min(count, want))))
      // Boxes have a share as large as that of `normal`.
      if (lane === "normal") takeRing("", Math.min(count, want))
    }
  }
  const takeRest = () => {
    if (want === 0) return
    if ((heap.ready.get("")?.length ?? 0) === 0) takeLanes(want, lanes)
    else {
      takeLanes(want, lanes.slice(0, 2))
      takeRing("", Math.floor((want + (now % 2)) / 2))
      takeLanes(want, lanes.slice(2))
      takeRing("", want)
    }
  }
  const permits = new Map(turn.permits)
  const takePermitted = (most: number) => {
    const enough = want - most
    for (const [ring, count] of permits) {
      const before = want
      takeRing(ring, Math.min(count, want - enough))
      permits.set(ring, count - (before - want))
    }
  }
  // Where limited tasks and others wait, they share.
  const othersWait = lanesHave || (heap.ready.get("")?.length ?? 0) > 0
  takePermitted(othersWait ? Math.floor((want + (Math.floor(now / 2) % 2)) / 2) : want)
  takeRest()
  if (othersWait) takePermitted(want)
  if (lately !== undefined && claimed.length > 0) heap.claimedLately = add(lately, now, claimed.length)
  return {
    claimed,
    agents,
    nextRoom,
    left: (want === 0 || givenUp) && !paused && !capped,
    suspectsLeft: suspects.left,
    paused
  }
}

/** Says which rings with limits have work, and when the next of them may be asked for. */
const lookAtRings = ({ heap, now }: Circumstances, turn: Turn, paused: boolean) => {
  for (const [ring, afterMs] of turn.deferred) if (heap.rings.has(ring)) heap.rings.set(ring, now + afterMs)
  if (paused) return { rings: [], nextRing: undefined }
  const rings: Array<readonly [string, number]> = []
  const told = byScore(heap.rings)
    .slice(0, ringsMax)
    .filter(([, at]) => at <= now)
  for (const [ring] of told) {
    const boxes = heap.ready.get(ring) ?? []
    const waits = boxes.length === 0 ? 0 : (heap.box.get(boxes[0]!)?.length ?? 0)
    if (boxes.length > 0) {
      rings.push([ring, Math.min(ringWaitingMax, Math.max(boxes.length, waits))])
      // There may be more than are told at once: those that were told last come last.
      if (told.length === ringsMax) heap.rings.set(ring, now)
    } else heap.rings.delete(ring)
  }
  return { rings, nextRing: byScore(heap.rings).find(([, at]) => at > now)?.[1] }
}

export const takeTurn = (at: Circumstances, turn: Turn): Effect.Effect<TurnReply, Fenced> =>
  Effect.suspend(() => {
    const { heap, now } = at
    const { worker } = turn
    // One that was evicted (deadline 0) is over, though nobody has reaped it yet.
    if (!turn.join && (heap.workers.get(worker) ?? 0) === 0) return new Fenced({ worker })
    // What it was handed before takes up what it wants; while it takes a turn it is handed nothing.
    const handed = turn.stoodBy && !heap.standby.delete(worker)
    const { lost, outcomes } = settle(at, turn)
    heap.workers.set(worker, now + turn.leaseMs)
    if (turn.about !== undefined) heap.about.set(worker, turn.about)
    reap(at, turn)
    promote(at)

    const before = [...heap.heldBy(worker)]
    const { agents, claimed, left, nextRoom, paused, suspectsLeft } = claim(at, turn, handed)
    for (const { entry } of claimed) {
      noteStart(heap, now, { entry, record: heap.recordOf(ulidOfEntry(entry))! }, worker)
    }
    const { nextRing, rings } = lookAtRings(at, turn, paused)
    const works =
      lanes.some((lane) => heap.lanes[lane].length > 0) ||
      (heap.ready.get("")?.length ?? 0) > 0 ||
      heap.suspects.length > 0 ||
      (rings.length > 0 && turn.want === 0)
    if (suspectsLeft || (left && works)) heap.ring()

    const standsBy = turn.standsBy && claimed.length + (handed ? 1 : 0) < turn.want
    if (standsBy) heap.standby.set(worker, now)

    const newsOf = (entry: Entry): News => ({ ulid: ulidOfEntry(entry), record: outcomes.get(entry) })
    for (const [inbox, entries] of turn.hints) heap.tell(inbox, entries.map(newsOf))

    const dues = [byScore(heap.later)[0]?.[1], nextRing, nextRoom].filter((due) => due !== undefined)
    return Effect.succeed({
      now,
      nextDue: dues.length === 0 ? undefined : Math.min(...dues),
      lost,
      claimed: claimed.map((one) => ({ ...one, record: heap.recordOf(ulidOfEntry(one.entry))! })),
      rings,
      handed,
      standsBy,
      outbox: heap.outbox.length > 0,
      agents,
      held: turn.again ? before : []
    } satisfies TurnReply)
  })
