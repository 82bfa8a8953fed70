/**
 * Random sequences of what happens to agents, on two stores in lockstep: messages come, are claimed, end with what they
 * did or otherwise, workers die, operators resume, reset and stop. Every answer is compared, and now and then all that
 * there is to be seen. A sequence follows from its seed alone.
 */
import { Effect } from "effect"
import { Admission } from "../../runtime/admission.ts"
import { Agents } from "../../runtime/agents.ts"
import { Store, type StoreError } from "../../runtime/store.ts"
import { agentBoxKey } from "../../runtime/mailbox.ts"
import type { Act, Settlement, TimerChange } from "../../runtime/turn.ts"
import { type Entry, ulidOfEntry } from "../../runtime/task.ts"
import { chanceOf } from "../support/chance.ts"
import { elsewhere, partition, type StoreUnderTest } from "../support/stores.ts"
import { anEnd, aTask, aTurn, release, retry, ulidAt } from "../support/tasks.ts"
import { startOfTime, TestTime } from "../support/time.ts"

type Step = Effect.Effect<unknown, never, StoreUnderTest>

/** Runs a step on one store. */
export type Side = (step: Step) => Effect.Effect<unknown>

const workers = ["a", "b"]
const agents = ["cart/a", "cart/b|c"]
const timers = ["t", "a name"]
const boxNamed = (agent: string) => `|${agentBoxKey(agent)}`
const agentOf = new Map<string, string>()

const aSequence = (seed: number) => {
  const { below, of, one } = chanceOf(seed)
  const held = new Map<string, Array<Entry>>(workers.map((worker) => [worker, []]))
  /** The revision that the next message of an agent is handled with, as its worker knows it. */
  const bases = new Map<string, string>()
  const ulids: Array<string> = []

  const aMessage = () => {
    const agent = one(agents)
    const ulid = ulidAt(startOfTime + below(3) * 1_100, seed * 1_000 + ulids.length + 1)
    ulids.push(ulid)
    agentOf.set(ulid, agent)
    const dueAt = startOfTime + below(4) * 1_000
    const due = of(0.3) ? { due: { at: dueAt }, dueAt } : {}
    return aTask({ ulid, box: { name: boxNamed(agent), limit: 1, ordered: true }, ...due })
  }

  const submit = (): Step => {
    const some = Array.from({ length: 1 + below(4) }, aMessage)
    const owed = of(0.2) ? ({ owed: true } as const) : undefined
    return Store.use((store) => Effect.result(store.submit(partition, some, owed)))
  }

  const admit = (): Step => {
    const message = { ...aMessage(), arrival: one(["reject", "interrupt"] as const) }
    return Admission.use((admission) => Effect.result(admission.admit(partition, message, [])))
  }

  const turn = (worker: string, over: Parameters<typeof aTurn>[1]): Step =>
    Store.use((store) => store.turn(partition, aTurn(worker, { leaseMs: 600_000, ...over }))).pipe(
      Effect.map(({ agents, claimed, lost, outbox }) => {
        for (const { entry } of claimed) {
          const theirs = held.get(worker)!
          if (!theirs.includes(entry)) theirs.push(entry)
        }
        for (const [agent, revision] of agents) bases.set(agent, revision)
        return { agents, claimed, lost: lost.toSorted(), outbox }
      }),
      Effect.orDie
    )

  const claim = (): Step => turn(one(workers), { want: below(14), suspect: of(0.5) })

  const aChange = (): TimerChange => {
    const name = one(timers)
    const kind = one(["set", "clear", "fired"] as const)
    return kind === "set" ? { kind, name, ulid: one(ulids) } : { kind, name }
  }

  const actOf = (entry: Entry): Act => {
    const agent = agentOf.get(ulidOfEntry(entry))!
    const base = of(0.9) ? (bases.get(agent) ?? "0") : "0"
    const changes = of(0.3) ? [aChange()] : []
    const state = of(0.6) ? { json: JSON.stringify(entry), version: 1 + below(2) } : undefined
    if (state !== undefined || changes.length > 0) bases.set(agent, entry)
    const { ulid: _, ...task } = aTask({ ulid: ulidAt(startOfTime, 9_000_000 + ulids.length) })
    return {
      agent,
      base,
      state,
      timers: changes,
      sent: of(0.2) ? [{ kind: "submit", partition: elsewhere, task }] : []
    }
  }

  const settle = (): Step => {
    const worker = one(workers)
    const entries = held.get(worker)!.splice(0, 1 + below(5))
    const settled = entries.map((entry): Settlement => {
      if (of(0.1)) return retry(entry, 1_000)
      if (of(0.1)) return release(entry)
      const letter = of(0.1) ? "F" : "S"
      return { kind: "end", entry, record: anEnd(entry, letter), act: actOf(entry) }
    })
    return turn(worker, { settled, want: of(0.3) ? below(8) : 0 })
  }

  /** A worker dies, and another one finds it. */
  const evict = (): Step => {
    const worker = one(workers)
    held.set(worker, [])
    const other = workers.find((name) => name !== worker)!
    return Effect.andThen(
      Effect.orDie(Store.use((store) => store.evict(partition, worker))),
      turn(other, { want: below(8) })
    )
  }

  const cancel = (): Step => {
    const ulid = ulids.length === 0 ? ulidAt(0, 0) : one(ulids)
    return Effect.orDie(Store.use((store) => store.cancel(partition, ulid, "no more")))
  }

  const operate = (): Step => {
    const agent = one(agents)
    const box = boxNamed(agent)
    const what = one(["resume", "resume", "resume", "reset", "stop"] as const)
    return Agents.use((service): Effect.Effect<unknown, StoreError> =>
      what === "stop"
        ? service.stop(partition, agent, { box, reason: "enough" })
        : service.resume(partition, agent, { box, reset: what === "reset" })
    ).pipe(Effect.orDie)
  }

  const look = (): Step =>
    Effect.gen(function* () {
      const store = yield* Store
      const service = yield* Agents
      const seen = yield* Effect.forEach(agents, (agent) => service.read(partition, agent, boxNamed(agent)))
      return [
        seen.map((found) => found && { ...found, taken: found.taken.toSorted() }),
        yield* service.load(partition, agents),
        yield* service.list(partition, { prefix: "", after: undefined, limit: 10 }),
        yield* store.outbox(partition, 100),
        yield* store.read(partition, ulids)
      ]
    }).pipe(Effect.orDie)

  const advance = (): Step => {
    const by = below(3_000)
    return TestTime.use((time) => time.advance(by))
  }

  const steps = [
    submit,
    submit,
    admit,
    claim,
    claim,
    claim,
    settle,
    settle,
    settle,
    evict,
    evict,
    cancel,
    operate,
    advance
  ]
  return { next: () => one(steps)(), look }
}

/** The first step at which the sides differ, with what they answered. */
export const differenceIn = Effect.fnUntraced(function* (
  [one, other]: readonly [Side, Side],
  seed: number,
  length: number
) {
  const sequence = aSequence(seed)
  for (let at = 1; at <= length; at++) {
    for (const step of [sequence.next(), ...(at % 5 === 0 ? [sequence.look()] : [])]) {
      const answers = [yield* one(step), yield* other(step)]
      if (!Bun.deepEquals(answers[0], answers[1])) return { at, answers }
    }
  }
  return undefined
})
