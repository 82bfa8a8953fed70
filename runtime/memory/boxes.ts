/**
 * Boxes and rings in memory: who waits in which, which of them have work and room, and whose turn it is. The readable
 * specification of `runtime/lua/lib/boxes.lua`.
 */
import { type AgentAddress, agentOfBox, type Box, ringOf } from "../mailbox.ts"
import { quantum } from "../turn.ts"
import { crashesOf, type Entry, isBoxed, laneOfEntry, nextRun, ulidOfEntry } from "../task.ts"

import { Cells } from "./cells.ts"

/** How many boxes a claim looks into at most. */
const ringRounds = 64

/** A partition with its boxes. */
export class Boxes extends Cells {
  /** The box a task waits in, as it was said when the task was submitted. */
  boxOf(ulid: string): Box | undefined {
    const line = this.ties.get(ulid)?.find((line) => line.startsWith("b"))
    const [, limit, ordered, name] = /^b(\d+)(o?) (.*)$/.exec(line ?? "") ?? []
    return name === undefined ? undefined : { name, limit: Number(limit), ordered: ordered === "o" }
  }

  /** Puts a box into its ring if it has work and room; forgets one that has neither work nor run. */
  markReady(name: string): void {
    const box = this.boxes.get(name)
    if (box === undefined || box.ready) return
    const waits = this.box.get(name)?.length ?? 0
    const runs = this.taken.get(name)?.size ?? 0
    if (waits === 0) {
      if (runs === 0) this.boxes.delete(name)
    } else if ((box.limit === 0 || runs < box.limit) && !this.pausedKeys.has(keyOf(name))) {
      const ring = ringOf(name)
      box.ready = true
      const boxes = this.ready.get(ring) ?? []
      boxes.push(name)
      this.ready.set(ring, boxes)
      if (ring !== "" && !this.rings.has(ring)) this.rings.set(ring, 0)
    }
  }

  /** Puts entries into the mailboxes they wait in. One that kept its place in an ordered box goes to its head. */
  put(entries: ReadonlyArray<Entry>, atHead: boolean): void {
    const touched = new Set<string>()
    for (const entry of atHead ? entries.toReversed() : entries) {
      if (!isBoxed(entry)) {
        const lane = this.lanes[laneOfEntry(entry)]
        if (atHead) lane.unshift(entry)
        else lane.push(entry)
        continue
      }
      const box = this.boxOf(ulidOfEntry(entry))
      if (box === undefined) continue
      const { limit, name, ordered } = box
      // While none of its tasks waited or ran it was forgotten.
      if (!this.boxes.has(name)) this.boxes.set(name, { limit, ordered, ready: false })
      const kept = this.taken.get(name)?.delete(entry) ?? false
      const list = this.box.get(name) ?? []
      this.box.set(name, list)
      if (atHead || kept) list.unshift(entry)
      else list.push(entry)
      touched.add(name)
    }
    for (const name of touched) this.markReady(name)
  }

  /** Gives up the room of entries that run no more. An ordered box keeps it for the next run, and any box a suspect's. */
  giveUpRoom(entries: ReadonlyArray<Entry>, suspects: ReadonlyArray<Entry> = []): void {
    for (const entry of entries) {
      if (!isBoxed(entry)) continue
      const name = this.boxOf(ulidOfEntry(entry))?.name
      if (name === undefined || !this.taken.get(name)?.delete(entry)) continue
      const next = nextRun(entry)
      if (this.boxes.get(name)?.ordered || suspects.includes(next)) this.taken.get(name)!.add(next)
      else this.markReady(name)
    }
  }

  /** Those of some entries of an agent that go at once: one that a worker died with goes alone. */
  #together(entries: ReadonlyArray<Entry>): ReadonlyArray<Entry> {
    const crashed = entries.findIndex((entry) => crashesOf(this.recordOf(ulidOfEntry(entry))!) > 0)
    return crashed < 0 ? entries : entries.slice(0, Math.max(1, crashed))
  }

  /**
   * Claims from the boxes of a ring, each box a quantum at a time; agents of whom it claims are told to `activated`. The
   * boxes of one round are taken out and put back together.
   */
  claimRing(
    ring: string,
    want: number,
    held: Set<Entry>,
    activated: (agent: AgentAddress) => void
  ): Array<Entry> {
    const ready = this.ready.get(ring) ?? []
    const claimed: Array<Entry> = []
    for (let rounds = ringRounds; rounds > 0 && claimed.length < want;) {
      const names = ready.splice(0, Math.min(want - claimed.length, rounds))
      if (names.length === 0) {
        this.rings.delete(ring)
        break
      }
      rounds -= names.length
      let left = want - claimed.length
      const picked = new Map<string, ReadonlyArray<Entry>>()
      for (const [at, name] of names.entries()) {
        if (left === 0) {
          ready.unshift(...names.slice(at))
          break
        }
        const entries = this.#pick(name, left, at < names.length - 1 || ready.length > 0)
        left -= entries.length
        picked.set(name, entries)
      }
      for (const [name, entries] of picked) claimed.push(...this.#take(name, entries, held, activated))
      for (const name of picked.keys()) this.markReady(name)
    }
    return claimed
  }

  /** Takes up to `most` entries out of a box that was taken out of its ring. */
  #pick(name: string, most: number, othersWait: boolean): ReadonlyArray<Entry> {
    const box = this.boxes.get(name) ?? { limit: 0, ordered: false, ready: true }
    this.boxes.set(name, box)
    box.ready = false
    const free = box.limit === 0 ? most : box.limit - (this.taken.get(name)?.size ?? 0)
    const room = free > 0 && agentOfBox(name) !== undefined ? quantum : free
    // Where no other box waits for its turn, there is nobody to be fair to.
    const count = Math.min(room, most, othersWait ? quantum : most)
    return count > 0 && !this.pausedKeys.has(keyOf(name)) ? (this.box.get(name) ?? []).splice(0, count) : []
  }

  /** Hands out those of a box's entries that are of living tasks. */
  #take(
    name: string,
    entries: ReadonlyArray<Entry>,
    held: Set<Entry>,
    activated: (agent: AgentAddress) => void
  ): ReadonlyArray<Entry> {
    const current = entries.filter((entry) => this.isCurrent(entry))
    const agent = agentOfBox(name)
    const going = agent === undefined ? current : this.#together(current)
    this.box.get(name)?.unshift(...current.slice(going.length))
    if (agent !== undefined && going.length > 0) activated(agent)
    const taken = this.taken.get(name) ?? new Set()
    this.taken.set(name, taken)
    for (const entry of going) {
      held.add(entry)
      if (this.boxes.get(name)!.limit > 0) taken.add(entry)
    }
    return going
  }
}

const keyOf = (box: string) => box.slice(box.indexOf("|") + 1)
