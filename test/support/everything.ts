/** One of everything that a store can hold, and its end: to look at the keys that there are meanwhile and afterwards. */
import { Effect } from "effect"
import { Access } from "../../runtime/access.ts"
import { Admission } from "../../runtime/admission.ts"
import { Agents } from "../../runtime/agents.ts"
import { LifecycleLog } from "../../runtime/lifecycle.ts"
import { Limits } from "../../runtime/limits.ts"
import { Members } from "../../runtime/members.ts"
import { Operations } from "../../runtime/operations.ts"
import { Schedules } from "../../runtime/schedules.ts"
import { Steps } from "../../runtime/steps.ts"
import { Store } from "../../runtime/store.ts"
import { agentBoxKey } from "../../runtime/mailbox.ts"
import { type Entry, idIn, ulidOfEntry } from "../../runtime/task.ts"
import { adopt, aChildOf } from "./children.ts"
import { elsewhere, partition } from "./stores.ts"
import { anEnd, aTask, aUlid, claim, end, entriesOf, submit, tasks, turn, ulidAt, wait } from "./tasks.ts"

const paused = "paused"
const agent = "cart/a"
const box = (name: string, limit = 1) => ({ name, limit, ordered: true })

/** Has `worker` claim what there is, suspects aside. */
const claimed = (worker: string) =>
  Effect.map(turn(worker, { want: 100, suspect: false }), ({ claimed }) => entriesOf(claimed))

/** A task that two workers died with. */
const aSuspect = Effect.gen(function* () {
  yield* submit(aTask())
  for (const worker of ["s1", "s2"]) {
    yield* claim(worker, 1)
    yield* (yield* Store).evict(partition, worker)
  }
  yield* turn("w")
})

/** A task that has ended and left its segment without any that lives. */
const anOldOne = Effect.gen(function* () {
  yield* submit(aTask({ ulid: ulidAt(1_000_000_000_000, 1) }))
  yield* turn("w", { settled: (yield* claimed("w")).map((entry) => end(entry)) })
})

const aWaitingParent = Effect.gen(function* () {
  yield* submit(aTask())
  const [parent] = yield* claimed("w")
  const child = aChildOf(parent!)
  yield* adopt(parent!, child)
  yield* submit({ ...child, due: { afterMs: 1_000 } })
  yield* turn("w", { settled: [wait(parent!, child.id)] })
})

/** What runs, has a note, a stream, a step, and somebody who watches it. */
const aRun = Effect.gen(function* () {
  const store = yield* Store
  yield* submit(aTask({ deadlineAt: 4_000_000_000_000 }))
  const [entry] = yield* claimed("w")
  yield* store.append(partition, "w", [{ entry: entry!, seq: 1, kind: "chunk", data: "1" }])
  yield* Steps.use((steps) => steps.remember(partition, "w", entry!, { number: 0, name: "step", value: "1" }))
  yield* turn("w", { notes: [[entry!, "{}"]], about: "{}" })
  const inbox = yield* store.inbox
  yield* store.ended(partition, [ulidOfEntry(entry!)], { watch: inbox.name })
})

const endings = Effect.gen(function* () {
  const store = yield* Store
  yield* submit(
    aTask({ parent: idIn(elsewhere, aUlid()) }),
    ...tasks(2),
    aTask({ box: box("|ended"), expiresAt: 4_000_000_000_000 })
  )
  const [child, buried, cancelled, boxed] = yield* claimed("w")
  yield* turn("w", { settled: [end(child!), end(buried!, "F"), end(boxed!, "E")] })
  yield* turn("w", { notes: [[cancelled!, "{}"]] })
  yield* store.cancel(partition, ulidOfEntry(cancelled!), "no more")
  yield* store.cancel(partition, aUlid(), "its parent is no more", { orphan: true })
})

/** An agent with a state, whose message is handled. */
const anAgent = Effect.gen(function* () {
  yield* submit(aTask({ box: box(`|${agentBoxKey(agent)}`) }))
  const [entry] = yield* claimed("w")
  const state = { json: "1", version: 1 }
  const act = { agent, base: "0", state, timers: [], sent: [] }
  yield* turn("w", { settled: [{ kind: "end", entry: entry!, record: anEnd(entry!), act }] })
})

/** Permits of two limits, one of which was corrected. */
const permits = Effect.gen(function* () {
  const limits = yield* Limits
  const rate = { count: 5, perMs: 60_000, amount: 1 }
  yield* limits.take("w", [{ limits: [{ name: "openai", rate, concurrency: 2 }], want: 1 }], 60_000)
  const taken = yield* limits.take("w", [{ limits: [{ name: "tokens", rate }], want: 1 }], 60_000)
  yield* limits.settle(taken[0]!.permits.map((permit) => ({ permit, unused: true })))
})

const aSchedule = { id: "s", slot: undefined, notes: ["fired"], submits: [] }
const itself = { version: "1", text: "", lookAt: 1 }

/** A key that somebody has made, one of its requests, a ticket in its name, and what was done with it. */
const access = Access.use((access) =>
  Effect.all([
    access.change(
      undefined,
      { id: "k", tenant: "acme", role: "read", proofs: [{ mac: "00" }], createdAt: 0 },
      "salt"
    ),
    access.spend("k", { count: 10, perMs: 60_000 }),
    access.putTicket("digest", "{}", 30_000),
    access.note({ at: 0, tenant: "acme", who: "k", role: "read", what: "w", on: "/", outcome: "done" })
  ])
)

/** Afterwards there is something under every name of the table in `runtime/keys.ts`. */
export const everything = Effect.gen(function* () {
  const operations = yield* Operations
  yield* LifecycleLog.use((log) => log.listen(partition, 1_000))
  yield* anOldOne
  yield* operations.limit(partition, {
    maxDepth: 1_000,
    keepBytes: 1_000_000_000,
    rate: { count: 1_000, perMs: 60_000 }
  })
  yield* operations.trim(partition, { deadMax: 1_000, deadBytes: 1_000_000 })
  yield* operations.pause(partition, true, paused)
  yield* operations.note(partition)
  yield* operations.count(partition, { submitted: 1 })
  yield* aSuspect
  yield* aWaitingParent
  yield* aRun
  yield* endings
  yield* Admission.use((admission) =>
    admission.admit(partition, aTask({ due: { afterMs: 1_000 } }), [
      { kind: "idempotency", name: "k", hash: "h", keepMs: 60_000 },
      { kind: "unique", name: "k", until: "ended" }
    ])
  )
  yield* anAgent
  yield* permits
  yield* access
  yield* Members.use((members) =>
    Effect.andThen(
      members.beat(
        "n",
        { host: "h", pid: 1, startedAt: 0, workers: 1, min: 1, max: 1, leaseMs: 60_000 },
        true
      ),
      members.drain("n")
    )
  )
  yield* Schedules.use((schedules) => schedules.change({ ...aSchedule, from: undefined, to: itself }))
  // One of these runs, and one waits for it.
  yield* submit(...tasks(2, { box: box("|a") }), aTask({ box: box(`|${paused}`) }))
  yield* claimed("w")
  yield* turn("i", { want: 1, suspect: false, standsBy: true })
  yield* submit(aTask(), aTask({ box: box("|b") }), aTask({ box: box("openai|c", 0) }))
})

/** Ends all of it: what waits runs, and what was set is taken back. What is kept for a time stays. */
export const theEnd = Effect.gen(function* () {
  const store = yield* Store
  const operations = yield* Operations
  yield* operations.limit(partition, {})
  yield* operations.pause(partition, false, paused)
  yield* store.evict(partition, "w")
  yield* store.leave(partition, "i")
  yield* Agents.use((agents) =>
    agents.stop(partition, agent, { box: `|${agentBoxKey(agent)}`, reason: "no more" })
  )
  yield* Members.use((members) => members.leave("n"))
  yield* Schedules.use((schedules) => schedules.change({ ...aSchedule, from: itself.version, to: undefined }))
  let runs: ReadonlyArray<Entry> = []
  let left = true
  while (left) {
    const settled = runs.map((entry) => end(entry))
    const { claimed, nextDue } = yield* turn("v", { want: 100, settled, permits: [["openai", 100]] })
    runs = entriesOf(claimed)
    left = runs.length > 0
    if (!left && nextDue !== undefined) return yield* Effect.die(new Error(`something is due at ${nextDue}`))
  }
  yield* store.drop(partition, yield* store.outbox(partition, 100))
  yield* store.leave(partition, "v")
  yield* (yield* store.bell(partition)).wait(1)
})

/** Drops what is past its retention, as a janitor does once all parents have ended. */
export const swept = Effect.gen(function* () {
  const store = yield* Store
  const { remembered } = yield* store.sweep(partition, 100)
  for (const one of remembered) yield* store.forget(partition, one)
})
