/**
 * Makes commands at random that mean something: it follows what the store answers, so that workers settle what they
 * hold or once held, say turns again whose answers they never saw, and append to streams where they left off.
 */
import type { NewEvent, Swept } from "../../runtime/store.ts"
import type { Message, NewTask } from "../../runtime/mailbox.ts"
import { clockJumpMs, type Settlement, type Turn, type TurnReply } from "../../runtime/turn.ts"
import { decodeRecord, encodeRecord } from "../../runtime/record.ts"
import { type Entry, ulidOfEntry } from "../../runtime/task.ts"
import { chanceOf } from "./chance.ts"
import { type Command, type InboxName, inboxNames, type Reply } from "./commands.ts"
import { debtsBy } from "./random-debts.ts"
import { handoverBy } from "./random-handover.ts"
import { familyBy } from "./random-family.ts"
import { operatorBy } from "./random-operator.ts"
import { drain } from "./random-drain.ts"
import { reschedulingBy } from "./random-rescheduling.ts"
import { seldomBy } from "./random-seldom.ts"
import { limitedRing, tasksBy } from "./random-tasks.ts"
import { anEnvelope, aTurn, end, release } from "./tasks.ts"
import { startOfTime } from "./time.ts"

/** What sequences run with: short enough that leases and retention end within one. */
export const retentionMs = 60_000
export const deadRetentionMs = 120_000

/** All of a sequence together is shorter: a segment's own expiry, which only Redis has, comes an hour later. */
const sequenceMaxMs = 3_000_000

interface Worker {
  /** A name that grows with each incarnation. */
  name: string
  joined: boolean
  /** What it knows that it runs. */
  readonly runs: Set<Entry>
  /** The last turn, when its answer was lost. */
  unanswered: Turn | undefined
}

export interface Sequence {
  /** How many commands to make. */
  readonly length: number
  readonly next: () => Command
  readonly observe: (command: Command, reply: Reply) => void
  /** Commands that read everything there is; some then end everything, after which no key must be left. */
  readonly last: () => Generator<Command, void, Reply>
}

export const aSequence = (seed: number): Sequence => {
  const chance = chanceOf(seed)
  const { one, some, below } = chance

  // Some sequences are about crowds.
  const crowd = chance.of(0.05)
  const swift = !crowd && chance.of(0.3)
  // In others workers die all the time, and somebody notices.
  const deadly = chance.of(0.15)
  const leasesMs = swift ? [3_000, 2 * retentionMs] : [1_000, 3_000, 5_000]
  const drains = chance.of(swift ? 0.7 : 0.4)
  const tasks = tasksBy(chance, { crowd, swift })
  const family = familyBy(chance, tasks)
  const operator = operatorBy(chance)
  const hasFamily = !crowd && !swift && chance.of(0.4)
  const hasStreams = chance.of(swift ? 0.8 : 0.4)
  const hasWatchers = chance.of(0.5)
  const hasOperator = !crowd && !swift && chance.of(0.4)
  const hasCancels = chance.of(0.4)
  const handover = handoverBy(chanceOf(~seed), tasks.ulids)
  const debts = debtsBy(chanceOf(seed ^ 0x5b_d1_e9_95), tasks.ulids)
  const rescheduling = reschedulingBy(chanceOf(seed ^ 0x2c_1b_3c_6d), tasks.ulids)
  const seldom = seldomBy(chanceOf(seed ^ 0x71_5a_93_0b), tasks.ulids, retentionMs)
  const submits: Array<ReadonlyArray<NewTask>> = []
  const workers: Array<Worker> = Array.from({ length: crowd || swift || chance.of(0.6) ? 2 : 3 }, (_, at) =>
    aWorker(`w${at}`)
  )
  if (handover.hasDeaf) workers.push(aWorker("deaf"))
  /** Every entry that was ever handed out, with its record. */
  const records = new Map<Entry, string>()
  const seqs = new Map<Entry, number>()
  const noted = new Set<Entry>()
  const watches: Array<{ readonly ulids: ReadonlyArray<string>; readonly inbox: InboxName }> = []
  /** What comes next, whatever chance would have. */
  const planned: Array<Command> = []
  let outcomes = 0
  let now = startOfTime
  let passed = 0
  let wentBack = 0

  const submit = (): Command => {
    const count = crowd ? 40 + below(50) : 1 + below(swift ? 2 : 4)
    // One that is said again is said as it was.
    if (submits.length > 0 && chance.of(0.25))
      return { do: "submit", tasks: one(chance.of(0.5) ? submits : submits.slice(-5)) }
    const made = Array.from({ length: count }, () => tasks.aNewTask(now, hasFamily ? family.aStranger() : {}))
    submits.push(made)
    return handover.submits({ do: "submit", tasks: made })
  }

  /** Entries, mostly of those that the worker runs; now and then of those that somebody ran. */
  const entriesFor = (worker: Worker, share: number): ReadonlyArray<Entry> => [
    ...some(worker.runs, share),
    ...(chance.of(0.15)
      ? some([...records.keys()].slice(-12), 0.2).filter((entry) => !worker.runs.has(entry))
      : [])
  ]

  const settle = (entry: Entry): Settlement => {
    const waits = hasFamily && family.hasAdopted(entry) && chance.of(0.5)
    if (!waits && chance.of(swift ? 0.9 : 0.4)) {
      const letter = one(["S", "S", "F", "F", "C", "E"] as const)
      const call = submits.find(
        ([first]) => first !== undefined && ulidOfEntry(first.entry) === ulidOfEntry(entry)
      )
      if (letter === "F" && call !== undefined && chance.of(0.3)) planned.push({ do: "submit", tasks: call })
      return end(entry, letter, ++outcomes)
    }
    if (!waits && chance.of(0.4)) return release(entry)
    const { header } = decodeRecord(records.get(entry)!)
    const record = encodeRecord({ ...header, letter: "Q", run: header.run + 1 }, anEnvelope(++outcomes))
    if (waits || chance.of(0.2)) return family.wait(entry, record)
    return { kind: "retry", entry, record, delayMs: one([0, 1, 500, 1_000, 3_000]) }
  }

  const turn = (): Command => {
    const worker = one(workers)
    if (worker.unanswered !== undefined && chance.of(0.8)) {
      const { join, settled, noted, streamed } = worker.unanswered
      const want = below(4)
      return {
        do: "turn",
        turn: aTurn(worker.name, {
          leaseMs: 3_000,
          join,
          want,
          again: true,
          ...handover.said(),
          settled,
          noted,
          streamed
        })
      }
    }
    const settledEntries = entriesFor(worker, crowd ? 0.05 : swift ? 0.8 : 0.5)
    const settled = settledEntries.map(settle)
    const ends = settled.filter(({ kind }) => kind === "end").map(({ entry }) => entry)
    const others = entriesFor(worker, 0.2).filter((entry) => !settledEntries.includes(entry))
    const notes = others.map((entry) => [entry, aNote(++outcomes)] as const)
    for (const entry of others) noted.add(entry)
    const leaseMs = one(leasesMs)
    // A worker that was fenced and does not know it, or one that is told to go on under its old name.
    const join = !worker.joined && !chance.of(0.05)
    const expectedNow = chance.of(0.7) ? 0 : now + one([0, 500, -clockJumpMs, clockJumpMs + 1, 60_000])
    return {
      do: "turn",
      turn: aTurn(worker.name, {
        leaseMs,
        join,
        expectedNow,
        judges: expectedNow % 3 !== 1,
        want: crowd ? one([0, 20, 100, 100]) : swift ? 3 : one([0, 1, 2, 3, 4]),
        share: chance.of(0.3) ? [below(2), below(2), below(2)] : [0, 0, 0],
        suspect: chance.of(0.7),
        permits: tasks.boxed && chance.of(0.5) ? [[limitedRing, below(3)]] : [],
        deferred: tasks.boxed && chance.of(0.2) ? [[limitedRing, one([0, 500, 3_000])]] : [],
        ...handover.said(),
        about: chance.of(0.1) ? JSON.stringify({ done: ++outcomes, leaseMs }) : undefined,
        again: chance.of(0.1),
        settled,
        noted: settledEntries.filter((entry) => noted.has(entry)),
        streamed: ends.filter((entry) => seqs.has(entry) || chance.of(0.1)),
        notes,
        hints: settledEntries.length > 0 && chance.of(0.4) ? [[one(inboxNames), settledEntries]] : []
      })
    }
  }

  const append = (): Command => {
    const worker = one(workers)
    const events: Array<NewEvent> = []
    for (const entry of entriesFor(worker, 0.7)) {
      const last = seqs.get(entry) ?? 0
      // Said again, from somewhere before where it left off.
      const first = chance.of(0.25) ? 1 + below(last + 1) : last + 1
      const count = 1 + below(3)
      for (let seq = first; seq < first + count; seq++) {
        events.push({ entry, seq, kind: one(["chunk", "log", "progress"]), data: JSON.stringify(seq) })
      }
      seqs.set(entry, Math.max(last, first + count - 1))
    }
    return { do: "append", worker: worker.name, events }
  }

  /** A run has a child, or remembers something else. */
  const remember = (): Command => {
    const busy = workers.filter(({ runs }) => runs.size > 0)
    if (busy.length === 0) return turn()
    const worker = one(busy)
    const entry = one([...(chance.of(0.1) ? records.keys() : worker.runs)])
    if (chance.of(0.2)) return family.remember(worker.name, entry)
    const [first, ...others] = family.adopt(worker.name, entry, now)
    planned.push(...others)
    return first!
  }

  const advance = (): Command => {
    const ms =
      swift && chance.of(0.5)
        ? one([5_000, 30_000, retentionMs])
        : one([1, 10, 499, 500, 999, 1_000, 1_001, 3_000, chance.of(0.3) ? retentionMs : 500])
    if (passed + ms > sequenceMaxMs) return { do: "depth" }
    passed += ms
    if (ms >= retentionMs && chance.of(0.7)) {
      if (chance.of(0.4)) planned.push(submit())
      planned.push({ do: "sweep", limit: 1 + below(3) })
    }
    return { do: "advance", ms }
  }

  const watch = (): Command => {
    const watched = { ulids: tasks.someUlids(), watch: one(inboxNames) }
    watches.push({ ulids: watched.ulids, inbox: watched.watch })
    return { do: "ended", ...watched }
  }

  const unwatch = (): Command => ({
    do: "unwatch",
    ...(watches.length > 0 ? one(watches) : { ulids: tasks.someUlids(), inbox: one(inboxNames) })
  })

  const kinds: ReadonlyArray<readonly [weight: number, make: () => Command]> = [
    [swift ? 6 : 14, submit],
    [50, turn],
    [hasStreams ? 12 : 0, append],
    [10, advance],
    [1, () => ({ do: "setBack", ms: one([1, 500, 5_000, 60_000]) })],
    [
      crowd ? 12 : deadly ? 20 : 4,
      () => ({ do: chance.of(0.7) ? "evict" : "leave", worker: one(workers).name })
    ],
    [
      hasCancels ? 5 : 0,
      () => ({ do: "cancel", ulid: tasks.anUlid(), ...(chance.of(0.3) ? { orphan: true } : {}) })
    ],
    [4, () => ({ do: "listen" })],
    [hasWatchers ? 6 : 0, watch],
    [1, () => ({ do: "ended", ulids: tasks.someUlids() })],
    [hasWatchers ? 4 : 0, unwatch],
    [1, () => ({ do: "read", ulids: tasks.someUlids() })],
    [
      hasStreams ? 4 : 0,
      () => ({ do: "events", ulid: tasks.anUlid(), run: below(3), seq: below(4), limit: 1 + below(5) })
    ],
    [1, () => ({ do: "depth" })],
    [swift ? 8 : 1, () => ({ do: "sweep", limit: 1 + below(3) })],
    [hasWatchers ? 1 : 0, () => ({ do: "hear" })],
    [hasCancels ? 1 : 0, () => ({ do: "obey" })],
    [hasFamily ? 20 : 0, remember],
    [hasFamily ? 3 : 0, family.tell],
    [hasFamily ? 4 : 0, family.relay],
    [hasFamily ? 1 : 0, family.recall],
    [hasOperator ? 8 : 0, operator.act],
    [hasOperator ? 1 : 0, operator.look]
  ]
  const weights = kinds.reduce((sum, [weight]) => sum + weight, 0)

  // There is something to do from the start.
  if (hasOperator) planned.push(operator.act(), operator.act())
  if (!swift) planned.push(submit(), submit())

  const next = (): Command => {
    const first = planned.shift()
    if (first !== undefined) return first
    let at = below(weights)
    const [, make] = kinds.find(([weight]) => (at -= weight) < 0)!
    return make()
  }

  const observeTurn = (turn: Turn, reply: TurnReply | { readonly failed: string }) => {
    const worker = workers.find(({ name }) => name === turn.worker)
    if (worker === undefined) return
    if ("failed" in reply) {
      // Fenced: it goes on under a fresh name, or after a while of not believing it.
      if (chance.of(0.8)) Object.assign(worker, aWorker(`${worker.name}'`))
      return
    }
    now = reply.now
    for (const { entry, record } of reply.claimed) records.set(entry, record)
    if (chance.of(0.2)) {
      worker.unanswered = turn
      return
    }
    worker.unanswered = undefined
    worker.joined = true
    planned.push(...handover.after(turn, reply))
    for (const { entry } of turn.settled) worker.runs.delete(entry)
    for (const entry of reply.lost) if (chance.of(0.8)) worker.runs.delete(entry)
    for (const entry of reply.held) {
      const record = records.get(entry) ?? handover.recordOf(entry)
      if (record !== undefined) records.set(entry, record)
    }
    for (const entry of [...reply.claimed.map(({ entry }) => entry), ...reply.held]) worker.runs.add(entry)
  }

  const observe = (command: Command, reply: Reply) => {
    planned.push(
      ...debts.after(command),
      ...rescheduling.after(command, now),
      ...seldom.after(command, reply)
    )
    if (deadly && command.do === "evict") {
      if (chance.of(0.3)) planned.push({ do: "evict", worker: one(workers).name })
      planned.push({ do: "listen" }, turn(), { do: "listen" }, turn())
    }
    if (["submit", "evict", "childEnded"].includes(command.do) && chance.of(0.5))
      planned.push({ do: "listen" })
    if (command.do === "turn" && chance.of(0.15)) planned.push({ do: "listen" })
    if (command.do === "turn") observeTurn(command.turn, reply as TurnReply | { readonly failed: string })
    else if (command.do === "obey") {
      for (const [name, entry] of handover.handed(reply as ReadonlyArray<ReadonlyArray<string>>)) {
        records.set(entry, handover.recordOf(entry)!)
        workers.find((worker) => worker.name === name)?.runs.add(entry)
      }
    } else if (command.do === "outbox") family.sees(reply as ReadonlyArray<Message>)
    else if (command.do === "advance") now += command.ms
    // Nobody says a submit again for as long as its tasks are kept.
    else if (command.do === "sweep") {
      submits.length = 0
      for (const one of (reply as Swept).remembered)
        if (chance.of(0.7))
          planned.push({ do: "forget", remembered: { ...one, parents: chance.some(one.parents, 0.8) } })
    } else if (command.do === "setBack") {
      now -= command.ms
      wentBack += command.ms
    }
  }

  function* last(): Generator<Command, void, Reply> {
    yield { do: "read", ulids: tasks.ulids }
    yield { do: "ended", ulids: tasks.ulids }
    for (const ulid of new Set([...seqs.keys()].map(ulidOfEntry)))
      yield { do: "events", ulid, run: 0, seq: 0, limit: 1_000 }
    yield { do: "depth" }
    yield { do: "hear" }
    yield { do: "obey" }
    yield { do: "queue" }
    yield { do: "outbox" }
    if (drains) yield* drain({ ulids: tasks.ulids, deadRetentionMs, waitMs: Math.max(...leasesMs), wentBack })
  }

  return { length: crowd ? 10 + below(12) : 12 + below(36), next, observe, last }
}

/** Some notes say when their run began. */
const aNote = (note: number) => JSON.stringify(note % 2 === 0 ? { note } : { note, startedAt: note })

const aWorker = (name: string): Worker => ({ name, joined: false, runs: new Set(), unanswered: undefined })
