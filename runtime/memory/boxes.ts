/**
 * Boxes and rings in memory: who waits in which, which of them have work and room, and whose turn it is. The readable
 * specification of `runtime/lua/lib/boxes.lua`.
 */
import { type AgentAddress, agentOfBox, type Box, ringOf } from "../mailbox.ts"
import { crashesSuspect, quantum } from "../turn.ts"
import { crashesOf } from "../record.ts"
import { type Entry, isBoxed, laneOfEntry, nextRun, ulidOfEntry } from "../task.ts"

import { Cells } from "./cells.ts"

/** How many boxes a claim looks into at most. */
const ringRounds = 64

/** How many entries of what has ended one look at a box takes away. */
const staleMax = 100

/** What a turn may claim, and has claimed, of suspects: one at most. */
export interface Suspects {
  mayTake: boolean
  taken: boolean
  /** Whether it left another one behind after it had taken one. */
  left: boolean
}

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
    const runs = this.#takenOf(name)
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
      const list = this.box.get(name) ?? []
      this.box.set(name, list)
      const rank = agentOfBox(name) === undefined ? undefined : this.taken.get(name)?.get(entry)
      if (rank !== undefined) this.#putBack(name, list, entry, rank)
      else if ((this.taken.get(name)?.delete(entry) ?? false) || atHead) list.unshift(entry)
      else list.push(entry)
      touched.add(name)
    }
    for (const name of touched) this.markReady(name)
  }

  /** What runs of a box, in the order of its claim. What came back to an agent's box has a rank below 0. */
  runsOf(name: string): ReadonlyArray<Entry> {
    const ranked = [...(this.taken.get(name) ?? [])].filter(([, rank]) => rank >= 0)
    return ranked
      .sort(([one, rank], [other, next]) => rank - next || (one < other ? -1 : 1))
      .map(([entry]) => entry)
  }

  /** How much of a box's room is taken. Ranks are kept while others of their claim are out. */
  #takenOf(name: string): number {
    const ranks = this.taken.get(name)
    if (ranks === undefined || agentOfBox(name) === undefined) return ranks?.size ?? 0
    const runs = this.runsOf(name).length
    if (runs === 0) this.taken.delete(name)
    return Math.min(1, runs)
  }

  /** Puts a message back into its agent's box: behind those that were claimed before it and have come back already. */
  #putBack(name: string, list: Array<Entry>, entry: Entry, rank: number): void {
    const ranks = this.taken.get(name)!
    ranks.set(entry, -rank)
    const before = list.slice(0, quantum).findLastIndex((other) => {
      const theirs = ranks.get(other)
      return theirs !== undefined && Math.abs(theirs) < rank
    })
    list.splice(before + 1, 0, entry)
  }

  /** Whether something living waits in a box. What has ended is taken from its head. */
  hasWork(name: string): boolean {
    const list = this.box.get(name) ?? []
    for (let left = staleMax; left > 0; left--) {
      const [first] = list
      if (first === undefined) return false
      if (this.isCurrent(first)) return true
      list.shift()
    }
    return true
  }

  /** Gives up the room of entries that run no more. An ordered box keeps it for the next run. */
  giveUpRoom(entries: ReadonlyArray<Entry>): void {
    // Of a box whose limit was lowered more than one run may have to go before it is ready.
    const touched = new Set<string>()
    for (const entry of entries) {
      if (!isBoxed(entry)) continue
      const name = this.boxOf(ulidOfEntry(entry))?.name
      const ranks = name === undefined ? undefined : this.taken.get(name)
      const rank = ranks?.get(entry)
      if (name === undefined || ranks === undefined || rank === undefined) continue
      ranks.delete(entry)
      if (this.boxes.get(name)?.ordered) ranks.set(nextRun(entry), rank)
      else touched.add(name)
    }
    for (const name of touched) this.markReady(name)
  }

  /**
   * Those of some entries of a box that go at once. A turn takes one suspect at most. What a worker died with goes alone among an
   * agent's messages, and nothing of an ordered box passes over what is before it.
   */
  #together(name: string, entries: ReadonlyArray<Entry>, suspects: Suspects): ReadonlyArray<Entry> {
    const isAgent = agentOfBox(name) !== undefined
    const going: Array<Entry> = []
    for (const [at, entry] of entries.entries()) {
      const crashes = crashesOf(this.recordOf(ulidOfEntry(entry))!)
      if (isAgent && crashes > 0 && at > 0) break
      if (crashes >= crashesSuspect) {
        if (!suspects.mayTake) {
          suspects.left = suspects.taken
          if (this.boxes.get(name)!.ordered) break
          continue
        }
        suspects.mayTake = false
        suspects.taken = true
      }
      going.push(entry)
      if (isAgent && crashes > 0) break
    }
    return going
  }

  /**
   * Claims from the boxes of a ring, each box a quantum at a time; agents of whom it claims are told to `activated`. The
   * boxes of one round are taken out and put back together; one with something left behind is not looked at again by this claim.
   */
  claimRing(
    ring: string,
    want: number,
    held: Set<Entry>,
    suspects: Suspects,
    activated: (agent: AgentAddress) => void
  ): { readonly claimed: ReadonlyArray<Entry>; readonly someStay: boolean } {
    const ready = this.ready.get(ring) ?? []
    const claimed: Array<Entry> = []
    const putOff: Array<string> = []
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
      const looked: Array<string> = []
      for (const [name, entries] of picked) {
        const { someStay, taken } = this.#take(name, entries, held, suspects, activated)
        claimed.push(...taken)
        if (someStay) putOff.push(name)
        else looked.push(name)
      }
      for (const name of looked) this.markReady(name)
    }
    for (const name of putOff) this.markReady(name)
    return { claimed, someStay: putOff.length > 0 }
  }

  /** Takes up to `most` entries out of a box that was taken out of its ring. */
  #pick(name: string, most: number, othersWait: boolean): ReadonlyArray<Entry> {
    const box = this.boxes.get(name) ?? { limit: 0, ordered: false, ready: true }
    this.boxes.set(name, box)
    box.ready = false
    const free = box.limit === 0 ? most : box.limit - this.#takenOf(name)
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
    suspects: Suspects,
    activated: (agent: AgentAddress) => void
  ): { readonly taken: ReadonlyArray<Entry>; readonly someStay: boolean } {
    const current = entries.filter((entry) => this.isCurrent(entry))
    const agent = agentOfBox(name)
    const going = this.#together(name, current, suspects)
    this.box.get(name)?.unshift(...current.filter((entry) => !going.includes(entry)))
    if (agent !== undefined && going.length > 0) activated(agent)
    const taken = this.taken.get(name) ?? new Map<Entry, number>()
    this.taken.set(name, taken)
    for (const [at, entry] of going.entries()) {
      held.add(entry)
      if (this.boxes.get(name)!.limit > 0) taken.set(entry, at + 1)
    }
    // Where nothing is left of its room, its next end looks at it.
    return { taken: going, someStay: going.length < current.length }
  }
}

const keyOf = (box: string) => box.slice(box.indexOf("|") + 1)
