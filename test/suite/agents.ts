/** What every store promises of agents: their boxes, their state, their timers, their quarantine. */
import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { Admission } from "../../runtime/admission.ts"
import { Agents } from "../../runtime/agents.ts"
import { AgentBusy, AgentQuarantined, Store } from "../../runtime/store.ts"
import { agentBoxKey } from "../../runtime/mailbox.ts"
import { type Act, quantum, type TurnReply } from "../../runtime/turn.ts"
import { type Entry, nextRun, ulidOfEntry } from "../../runtime/task.ts"
import { advance, letterOf, promisesOn, type StoreWith } from "../support/promises.ts"
import { startOfTime } from "../support/time.ts"
import { elsewhere, partition } from "../support/stores.ts"
import {
  anEnd,
  aTask,
  aTurn,
  claim,
  end,
  entriesOf,
  found,
  release,
  retry,
  submit,
  type TestTask,
  turn,
  ulidAt
} from "../support/tasks.ts"

const cart = "cart/a"

const boxNamed = (agent: string) => ({ name: `|${agentBoxKey(agent)}`, limit: 1, ordered: true })

/** A message to an agent. */
const aMessage = (agent = cart, over: Parameters<typeof aTask>[0] = {}): TestTask =>
  aTask({ ...over, box: boxNamed(agent) })

const messages = (count: number, agent = cart) => Array.from({ length: count }, () => aMessage(agent))

const entries = (tasks: ReadonlyArray<TestTask>) => tasks.map(({ entry }) => entry)

/** How a message ends that has set this state. */
const did = (entry: Entry, over: Partial<Act> = {}, letter: "S" | "F" = "S") => ({
  kind: "end" as const,
  entry,
  record: anEnd(entry, letter),
  act: {
    agent: cart,
    base: "0",
    state: { json: `"${entry}"`, version: 1 },
    timers: [],
    sent: [],
    ...over
  }
})

const stateOf = Effect.fnUntraced(function* (agent = cart) {
  const [stored] = yield* (yield* Agents).load(partition, [agent])
  return stored!
})

const read = (agent = cart) => Agents.use((agents) => agents.read(partition, agent, boxNamed(agent).name))

const claims = ({ claimed }: TurnReply) => entriesOf(claimed)

/** An agent in quarantine, with two messages that wait. */
const quarantined = Effect.gen(function* () {
  const [bad, ...others] = messages(3)
  yield* submit(bad!, ...others)
  yield* claim("w", 10)
  yield* turn("w", {
    settled: [did(bad!.entry, { state: undefined }, "F"), ...entries(others).map(release)]
  })
  return { bad: bad!, others }
})

/** A timer that was set before two messages came, and was due after them. */
const aLateTimer = Effect.gen(function* () {
  const due = startOfTime + 1_000
  const timer = aMessage(cart, { ulid: ulidAt(startOfTime - 5, 1), due: { at: due }, dueAt: due })
  const [first, second] = [1, 2].map((n) => aMessage(cart, { ulid: ulidAt(startOfTime - 1, n) }))
  yield* submit(timer, first!, second!)
  yield* advance("1 second")
  return { first, second, timer }
})

export const agentsSuite = (name: string, storeWith: StoreWith): void => {
  const promise = promisesOn(storeWith)

  describe(`an agent's box, in ${name}`, () => {
    promise(
      "hands out up to a quantum at once, in order, and nothing more until they have ended",
      function* () {
        const all = messages(quantum + 2)
        yield* submit(...all)

        const first = yield* turn("w", { want: 100 })

        expect(claims(first)).toEqual(entries(all).slice(0, quantum))
        expect(first.agents).toEqual([[cart, "0"]])
        expect(yield* claim("other", 100)).toEqual([])
        yield* turn("w", {
          settled: entries(all)
            .slice(0, quantum - 1)
            .map((entry) => end(entry))
        })
        expect(yield* claim("other", 100)).toEqual([])
        yield* turn("w", { settled: [end(all[quantum - 1]!.entry)] })
        expect(yield* claim("other", 100)).toEqual(entries(all).slice(quantum))
      }
    )

    promise(
      "hands out nothing while a message of it is to be tried again, which then comes first",
      function* () {
        const [first, second, third] = messages(3)
        yield* submit(first!, second!, third!)
        yield* claim("w", 10)

        yield* turn("w", {
          settled: [end(first!.entry), retry(second!.entry, 1_000), release(third!.entry)]
        })

        expect(yield* claim("w", 10)).toEqual([])
        yield* advance("1 second")
        expect(yield* claim("w", 10)).toEqual([nextRun(second!.entry), nextRun(third!.entry)])
      }
    )

    promise("hands out alone what a worker died with", function* () {
      const [first, second, third] = messages(3)
      yield* submit(first!, second!)
      yield* claim("dead", 10)
      yield* submit(third!)
      yield* (yield* Store).evict(partition, "dead")
      yield* turn("w")

      const again = [nextRun(first!.entry), nextRun(second!.entry)]
      expect(yield* claim("w", 10)).toEqual([again[0]!])
      yield* turn("w", { settled: [end(again[0]!)] })
      expect(yield* claim("w", 10)).toEqual([again[1]!])
      yield* turn("w", { settled: [end(again[1]!)] })
      expect(yield* claim("w", 10)).toEqual([third!.entry])
    })

    promise(
      "takes back what was handed out in the order in which it came, however it comes back",
      function* () {
        const [first, second, third, fourth] = messages(4)
        yield* submit(first!, second!, third!)
        yield* claim("w", 10)
        yield* submit(fourth!)
        yield* (yield* Store).cancel(partition, first!.ulid, "not wanted")

        yield* turn("w", { settled: [release(second!.entry)] })
        expect(yield* claim("v", 10)).toEqual([])
        yield* turn("w", { settled: [release(third!.entry)] })

        expect(yield* claim("v", 10)).toEqual([...entries([second!, third!]).map(nextRun), fourth!.entry])
      }
    )

    promise("takes back messages in their order, whatever the clocks of their senders showed", function* () {
      const all = [3, 1, 4, 2].map((n) => aMessage(cart, { ulid: ulidAt(startOfTime - n * 1_000, n) }))
      for (const one of all) yield* submit(one)
      expect(yield* claim("w", 10)).toEqual(entries(all))
      const [first, second, third, fourth] = entries(all)

      yield* turn("w", { settled: [retry(first!, 1_000), release(fourth!)] })
      yield* advance("1 second")
      yield* turn("w", { settled: [release(second!)] })
      yield* (yield* Store).evict(partition, "w")
      yield* turn("v")

      expect((yield* read())!.taken).toEqual([])
      expect((yield* read())!.waiting).toBe(4)
      for (const entry of [first!, second!]) {
        expect((yield* turn("v", { want: 1 })).claimed[0]!.entry).toBe(nextRun(entry))
        yield* turn("v", { settled: [end(nextRun(entry))] })
      }
      // A worker died with the third.
      expect(yield* claim("v", 10)).toEqual([nextRun(third!)])
      yield* turn("v", { settled: [end(nextRun(third!))] })
      expect(yield* claim("v", 10)).toEqual([nextRun(fourth!)])
    })

    promise("takes back a timer behind what was there before it was due, retries before all", function* () {
      const { first, second, timer } = yield* aLateTimer
      const claimed = yield* claim("w", 10)
      expect(claimed).toEqual(entries([first!, second!, timer]))

      yield* turn("w", { settled: [retry(first!.entry, 0), release(timer.entry), release(second!.entry)] })

      yield* advance("1 second")
      expect(yield* claim("w", 10)).toEqual(entries([first!, second!, timer]).map(nextRun))
    })

    promise("is another one for each agent", function* () {
      const [one, other] = [aMessage("cart/a"), aMessage("cart/b")]
      yield* submit(one, other)

      const reply = yield* turn("w", { want: 10 })

      expect(claims(reply)).toEqual([one.entry, other.entry])
      expect(reply.agents).toEqual([
        ["cart/a", "0"],
        ["cart/b", "0"]
      ])
    })
  })

  describe(`the state of an agent, in ${name}`, () => {
    promise("is stored with the end of the message that set it, and told with the next claim", function* () {
      const [first, second] = messages(2)
      yield* submit(first!)
      yield* claim("w", 1)

      yield* turn("w", { settled: [did(first!.entry)] })

      expect(yield* stateOf()).toMatchObject({
        revision: first!.entry,
        state: { json: `"${first!.entry}"`, version: 1 }
      })
      yield* submit(second!)
      expect((yield* turn("w", { want: 1 })).agents).toEqual([[cart, first!.entry]])
    })

    promise("follows from one message to the next within a turn", function* () {
      const [first, second, third] = messages(3)
      yield* submit(first!, second!, third!)
      yield* claim("w", 10)

      const { lost } = yield* turn("w", {
        settled: [
          did(first!.entry),
          did(second!.entry, { base: first!.entry, state: undefined }),
          did(third!.entry, { base: first!.entry, state: { json: "3", version: 2 } })
        ]
      })

      expect(lost).toEqual([])
      expect(yield* stateOf()).toMatchObject({ revision: third!.entry, state: { json: "3", version: 2 } })
    })

    promise(
      "is not written by a message that was handled with another one: it is handled again",
      function* () {
        const [first, second] = messages(2)
        yield* submit(first!, second!)
        yield* claim("w", 10)
        yield* (yield* Store).cancel(partition, first!.ulid, "not wanted")

        const { lost } = yield* turn("w", {
          settled: [did(first!.entry), did(second!.entry, { base: first!.entry })]
        })

        expect(lost.toSorted()).toEqual([first!.entry, second!.entry].toSorted())
        expect(yield* stateOf()).toMatchObject({ revision: "0", state: undefined })
        expect(yield* letterOf(second!.ulid)).toBe("Q")
        expect(yield* claim("w", 10)).toEqual([nextRun(second!.entry)])
      }
    )

    promise("is not written by a worker whose messages were handed to another one", function* () {
      const message = aMessage()
      yield* submit(message)
      yield* claim("stalled", 1)
      yield* (yield* Store).evict(partition, "stalled")
      yield* turn("w")
      expect(yield* claim("w", 1)).toEqual([nextRun(message.entry)])

      const refused = yield* Effect.flip(
        (yield* Store).turn(partition, aTurn("stalled", { join: false, settled: [did(message.entry)] }))
      )

      expect(refused._tag).toBe("Fenced")
      expect(yield* stateOf()).toMatchObject({ revision: "0", state: undefined })
      yield* turn("w", { settled: [did(nextRun(message.entry))] })
      expect((yield* stateOf()).revision).toBe(nextRun(message.entry))
    })

    promise("is written once when the turn that wrote it is said again", function* () {
      const [first, second] = messages(2)
      yield* submit(first!, second!)
      yield* claim("w", 10)
      const saying = { settled: [did(first!.entry)] }
      yield* turn("w", saying)
      yield* turn("w", { settled: [did(second!.entry, { base: first!.entry })] })

      const { lost } = yield* turn("w", { ...saying, again: true })

      expect(lost).toEqual([])
      expect((yield* stateOf()).revision).toBe(second!.entry)
    })
  })

  describe(`what an agent sends, in ${name}`, () => {
    promise("goes into the outbox with the end of the message that sent it, or not at all", function* () {
      const [first, second] = messages(2)
      yield* submit(first!, second!)
      yield* claim("w", 10)
      yield* (yield* Store).cancel(partition, first!.ulid, "not wanted")
      const [lost, sent] = [aTask(), aTask({ box: boxNamed("cart/b") })]
      const message = (task: TestTask) => ({ kind: "submit" as const, partition: elsewhere, task })

      const { outbox } = yield* turn("w", {
        settled: [did(first!.entry, { sent: [message(lost)] }), did(second!.entry, { sent: [message(sent)] })]
      })

      expect(outbox).toBe(true)
      expect(yield* (yield* Store).outbox(partition, 10)).toEqual([message(sent)])
    })

    promise("is dropped from the outbox when it was relayed", function* () {
      const first = aMessage()
      yield* submit(first)
      yield* claim("w", 1)
      const { ulid: _, ...task } = aTask({ due: { at: 5 } })
      const message = { kind: "submit" as const, partition: elsewhere, task }
      yield* turn("w", { settled: [did(first.entry, { sent: [message] })] })
      const store = yield* Store

      yield* store.drop(partition, yield* store.outbox(partition, 10))

      expect(yield* store.outbox(partition, 10)).toEqual([])
    })
  })

  describe(`the timers of an agent, in ${name}`, () => {
    const armed = Effect.gen(function* () {
      const first = aMessage()
      const timer = aMessage(cart, { due: { afterMs: 1_000 } })
      yield* submit(first, timer)
      yield* claim("w", 1)
      yield* turn("w", {
        settled: [
          did(first.entry, { state: undefined, timers: [{ kind: "set", name: "t", ulid: timer.ulid }] })
        ]
      })
      return { revision: first.entry, timer }
    })

    promise("are told with its state, whose revision they change", function* () {
      const { revision, timer } = yield* armed

      expect(yield* stateOf()).toEqual({ revision, state: undefined, timers: new Map([["t", timer.ulid]]) })
    })

    promise("are cancelled when another takes their place, and when they are cleared", function* () {
      const { revision, timer } = yield* armed
      const [second, later] = [aMessage(), aMessage(cart, { due: { afterMs: 2_000 } })]
      yield* submit(second, later)
      yield* claim("w", 1)

      yield* turn("w", {
        settled: [
          did(second.entry, { base: revision, timers: [{ kind: "set", name: "t", ulid: later.ulid }] })
        ]
      })

      expect(yield* letterOf(timer.ulid)).toBe("C")
      const third = aMessage()
      yield* submit(third)
      yield* claim("w", 1)
      yield* turn("w", {
        settled: [did(third.entry, { base: second.entry, timers: [{ kind: "clear", name: "t" }] })]
      })
      expect(yield* letterOf(later.ulid)).toBe("C")
      expect((yield* stateOf()).timers.size).toBe(0)
    })

    promise("are forgotten when their message was handled, unless they were set anew", function* () {
      const { revision, timer } = yield* armed
      yield* advance("1 second")
      expect(yield* claim("w", 1)).toEqual([timer.entry])

      yield* turn("w", {
        settled: [did(timer.entry, { base: revision, timers: [{ kind: "fired", name: "t" }] })]
      })

      expect((yield* stateOf()).timers.size).toBe(0)
      expect(yield* letterOf(timer.ulid)).toBe("S")
    })
  })

  describe(`the timers of an agent in ${name} whose messages end otherwise`, () => {
    const armed = Effect.fnUntraced(function* (over: Parameters<typeof aMessage>[1] = {}) {
      const first = aMessage()
      const timer = aMessage(cart, { due: { afterMs: 1_000 }, ...over })
      yield* submit(first, timer)
      yield* claim("w", 1)
      yield* turn("w", {
        settled: [did(first.entry, { timers: [{ kind: "set", name: "t", ulid: timer.ulid }] })]
      })
      return timer
    })
    const names = Effect.map(stateOf(), ({ timers }) => [...timers.keys()])

    promise(
      "are forgotten when somebody cancels them, before they are due or while they are handled",
      function* () {
        const waits = yield* armed()
        yield* (yield* Store).cancel(partition, waits.ulid, "test")
        expect(yield* names).toEqual([])

        yield* (yield* Agents).resume(partition, cart, { box: boxNamed(cart).name, reset: true })
        const runs = yield* armed()
        yield* advance(1_000)
        expect(yield* claim("w", 1)).toEqual([runs.entry])
        expect(yield* names).toEqual(["t"])
        yield* (yield* Store).cancel(partition, runs.ulid, "test")
        expect(yield* names).toEqual([])
      }
    )

    for (const bound of ["expiresAt", "deadlineAt"] as const)
      promise(`are forgotten when their ${bound} is over`, function* () {
        yield* armed({ [bound]: startOfTime + 500 })
        yield* advance(500)
        yield* turn("w")

        expect(yield* names).toEqual([])
      })

    promise("are not forgotten when another of the same name has taken their place", function* () {
      const timer = yield* armed()
      const [second, later] = [aMessage(), aMessage(cart, { due: { afterMs: 2_000 } })]
      yield* submit(second, later)
      yield* claim("w", 1)
      const { revision: base } = yield* stateOf()
      const set = [{ kind: "set" as const, name: "t", ulid: later.ulid }]
      yield* turn("w", { settled: [did(second.entry, { base, timers: set })] })

      expect(yield* letterOf(timer.ulid)).toBe("C")
      expect((yield* stateOf()).timers).toEqual(new Map([["t", later.ulid]]))
    })

    promise("stay when they fail for good: who puts them back to work finds them", function* () {
      const timer = yield* armed()
      yield* advance(1_000)
      yield* claim("w", 1)
      yield* turn("w", { settled: [end(timer.entry, "F")] })

      expect(yield* names).toEqual(["t"])
    })
  })

  describe(`an agent whose message has failed for good, in ${name}`, () => {
    promise("hands out nothing and refuses new messages, and says why", function* () {
      const { bad } = yield* quarantined

      expect(yield* claim("w", 10)).toEqual([])
      const refused = yield* Effect.flip(submit(aMessage()))
      expect(refused).toEqual(new AgentQuarantined({ agent: cart }))
      const admitted = yield* Effect.flip((yield* Admission).admit(partition, aMessage(), []))
      expect(admitted).toEqual(new AgentQuarantined({ agent: cart }))
      expect(yield* read()).toMatchObject({ failures: 1, waiting: 2, quarantined: { ulid: bad.ulid } })
    })

    promise("takes what was acknowledged before, to be handled later", function* () {
      yield* quarantined
      const owed = aMessage()

      yield* (yield* Store).submit(partition, [owed], { owed: true })

      expect(yield* read()).toMatchObject({ waiting: 3 })
    })

    promise("goes on with its next message when it is resumed, and is then as good as new", function* () {
      const { others } = yield* quarantined

      expect(yield* (yield* Agents).resume(partition, cart, { box: boxNamed(cart).name, reset: false })).toBe(
        true
      )

      expect(yield* claim("w", 10)).toEqual(entries(others).map(nextRun))
      expect(yield* read()).toMatchObject({ failures: 0, quarantined: undefined })
    })

    promise("is in quarantine by the death of a third worker, too", function* () {
      const message = aMessage()
      yield* submit(message)
      for (const worker of ["d1", "d2", "d3"]) {
        yield* claim(worker, 1)
        yield* (yield* Store).evict(partition, worker)
        yield* turn("w")
      }

      expect(yield* letterOf(message.ulid)).toBe("F")
      expect(yield* read()).toMatchObject({ quarantined: { ulid: message.ulid } })
    })

    promise("is in no quarantine where a message only took longer than somebody would wait", function* () {
      const [handled, waits] = messages(2).map((message) => ({ ...message, deadlineAt: startOfTime + 1_000 }))
      const next = aMessage()
      yield* submit(handled!, waits!, next)
      yield* claim("w", 1)

      yield* advance(1_000)
      yield* turn("v")

      expect([yield* letterOf(handled!.ulid), yield* letterOf(waits!.ulid)]).toEqual(["F", "F"])
      expect(yield* read()).toMatchObject({ failures: 0, quarantined: undefined })
      yield* submit(aMessage())
      expect(yield* claim("v", 1)).toEqual([next.entry])
    })

    promise("leaves other agents, and tasks of a key that reads alike, alone", function* () {
      yield* quarantined
      const [other, keyed] = [aMessage("cart/b"), aTask({ box: { ...boxNamed(cart), name: `|${cart}` } })]
      yield* submit(other, keyed)

      expect((yield* claim("w", 10)).toSorted()).toEqual([other.entry, keyed.entry].toSorted())
    })
  })

  describe(`a reset, in ${name}`, () => {
    promise("forgets the state and the timers, and keeps what waits", function* () {
      const [first, timer] = [aMessage(), aMessage(cart, { due: { afterMs: 1_000 } })]
      yield* submit(first, timer)
      yield* claim("w", 1)
      yield* turn("w", {
        settled: [did(first.entry, { timers: [{ kind: "set", name: "t", ulid: timer.ulid }] })]
      })
      const waiting = aMessage()
      yield* submit(waiting)

      yield* (yield* Agents).resume(partition, cart, { box: boxNamed(cart).name, reset: true })

      expect(yield* stateOf()).toEqual({ revision: "0", state: undefined, timers: new Map() })
      expect(yield* letterOf(timer.ulid)).toBe("C")
      expect(yield* claim("w", 10)).toEqual([waiting.entry])
    })

    promise("of an agent that nobody knows says so", function* () {
      expect(yield* (yield* Agents).resume(partition, "cart/none", { box: "|~cart/none", reset: true })).toBe(
        false
      )
    })
  })

  describe(`a stop, in ${name}`, () => {
    promise("interrupts what runs, cancels what waits and every timer, and forgets the state", function* () {
      const [first, timer] = [aMessage(), aMessage(cart, { due: { afterMs: 1_000 } })]
      yield* submit(first, timer)
      yield* claim("w", 1)
      yield* turn("w", {
        settled: [did(first.entry, { timers: [{ kind: "set", name: "t", ulid: timer.ulid }] })]
      })
      const [running, ...waiting] = messages(300)
      yield* submit(running!, ...waiting)
      yield* claim("w", 1)
      const { next } = yield* (yield* Store).orders("w", [partition])
      const agents = yield* Agents
      const stop = agents.stop(partition, cart, { box: boxNamed(cart).name, reason: "enough" })

      let all = 0
      for (let left = true; left;) {
        const piece = yield* stop
        all += piece.cancelled
        left = piece.left
      }

      expect(all).toBe(301)
      expect(yield* next).toEqual({ kind: "stop", partition, entry: running!.entry })
      expect(yield* letterOf(timer.ulid)).toBe("C")
      expect(yield* letterOf(waiting.at(-1)!.ulid)).toBe("C")
      expect(yield* read()).toBeUndefined()
      expect(yield* agents.list(partition, { prefix: "", after: undefined, limit: 10 })).toEqual([])
      const { lost } = yield* turn("w", { settled: [did(running!.entry, { base: first.entry })] })
      expect(lost).toEqual([running!.entry])
    })

    promise("hands out nothing and lets nothing in until its last piece", function* () {
      const all = messages(300)
      yield* submit(...all)
      const stop = Agents.use((agents) =>
        agents.stop(partition, cart, { box: boxNamed(cart).name, reason: "enough" })
      )

      expect(yield* stop).toEqual({ cancelled: 200, left: true })
      expect(yield* claim("w", 10)).toEqual([])
      expect(yield* Effect.flip(submit(aMessage()))).toEqual(new AgentQuarantined({ agent: cart }))
      // Where whoever stops it dies now, somebody is to see it.
      expect((yield* read())?.quarantined).toEqual({ at: startOfTime })
      const listed = { agent: cart, quarantined: true }
      const list = Agents.use((agents) => agents.list(partition, { prefix: "", after: undefined, limit: 9 }))
      expect(yield* list).toEqual([listed])

      expect(yield* stop).toEqual({ cancelled: 100, left: false })
      expect(yield* list).toEqual([])
      const next = aMessage()
      yield* submit(next)
      expect(yield* claim("w", 10)).toEqual([next.entry])
    })

    promise("ends a quarantine: the next message begins anew", function* () {
      yield* quarantined
      yield* (yield* Agents).stop(partition, cart, { box: boxNamed(cart).name, reason: "enough" })
      const message = aMessage()

      yield* submit(message)

      expect(yield* claim("w", 10)).toEqual([message.entry])
    })
  })

  describe(`what a new message does while its agent is busy, in ${name}`, () => {
    const arriving = (arrival: "reject" | "interrupt") => ({ ...aMessage(), arrival })
    const admit = (task: TestTask & { readonly arrival: "reject" | "interrupt" }) =>
      Admission.use((admission) => admission.admit(partition, task, []))

    promise("is refused while one runs or waits, if it is to be rejected", function* () {
      const first = arriving("reject")
      yield* admit(first)
      expect(yield* Effect.flip(admit(arriving("reject")))).toEqual(new AgentBusy({ agent: cart }))
      yield* claim("w", 1)
      expect(yield* Effect.flip(admit(arriving("reject")))).toEqual(new AgentBusy({ agent: cart }))

      yield* turn("w", { settled: [end(first.entry)] })

      expect(yield* admit(arriving("reject"))).toEqual({ kind: "stored" })
    })

    promise("is let in where all that waited was cancelled", function* () {
      const first = arriving("reject")
      yield* admit(first)
      yield* (yield* Store).cancel(partition, first.ulid, "not wanted")

      expect(yield* admit(arriving("reject"))).toEqual({ kind: "stored" })
    })

    promise("cancels what came first of those that were claimed, or what is noted to run", function* () {
      const { first, second, timer } = yield* aLateTimer
      expect(yield* claim("w", 10)).toEqual(entries([first!, second!, timer]))

      yield* admit(arriving("interrupt"))
      expect(yield* letterOf(first!.ulid)).toBe("C")
      yield* turn("w", { notes: [[timer.entry, "{}"]] })
      yield* admit(arriving("interrupt"))

      expect(yield* letterOf(timer.ulid)).toBe("C")
      expect(yield* letterOf(second!.ulid)).toBe("Q")
    })

    promise("cancels the one that runs, if it is to interrupt, and leaves those that wait", function* () {
      const [running, claimed] = messages(2)
      yield* submit(running!, claimed!)
      yield* claim("w", 10)
      const newest = arriving("interrupt")

      yield* admit(newest)

      expect(yield* letterOf(running!.ulid)).toBe("C")
      expect(yield* letterOf(claimed!.ulid)).toBe("Q")
      yield* turn("w", { settled: [end(claimed!.entry)] })
      expect(yield* claim("w", 10)).toEqual([newest.entry])
    })
  })

  describe(`the list of agents, in ${name}`, () => {
    promise("has those with a state or a failure, by name, page by page", function* () {
      for (const agent of ["cart/a", "cart/b", "shop/a"]) {
        const message = aMessage(agent)
        yield* submit(message)
        yield* claim("w", 1)
        yield* turn("w", { settled: [did(message.entry, { agent })] })
      }
      yield* submit(aMessage("cart/c"))
      const [bad] = yield* claim("w", 1)
      yield* turn("w", { settled: [did(bad!, { agent: "cart/c", state: undefined }, "F")] })
      const { list } = yield* Agents

      const first = yield* list(partition, { prefix: "cart/", after: undefined, limit: 2 })
      const rest = yield* list(partition, { prefix: "cart/", after: "cart/b", limit: 2 })

      expect(first).toEqual([
        { agent: "cart/a", quarantined: false },
        { agent: "cart/b", quarantined: false }
      ])
      expect(rest).toEqual([{ agent: "cart/c", quarantined: true }])
      expect(yield* list(partition, { prefix: "", after: "cart/c", limit: 10 })).toEqual([
        { agent: "shop/a", quarantined: false }
      ])
    })

    promise("goes up to the last key that begins as it should, whatever its letters", function* () {
      const keys = ["a", "z\u{ffff}", "\u{10ffff}", "\u{10ffff}\u{10ffff}"]
      for (const key of keys) {
        const message = aMessage(`cart/${key}`)
        yield* submit(message)
        yield* claim("w", 1)
        yield* turn("w", { settled: [did(message.entry, { agent: `cart/${key}` })] })
      }

      const { list } = yield* Agents
      expect(yield* list(partition, { prefix: "cart/", after: undefined, limit: 9 })).toHaveLength(
        keys.length
      )
    })

    promise("says where some stand by one call, without their states", function* () {
      const [handled, waits] = messages(2)
      yield* submit(handled!)
      yield* claim("w", 1)
      yield* turn("w", { settled: [did(handled!.entry)] })
      yield* submit(waits!)
      yield* submit(aMessage("cart/b"))
      const [bad] = (yield* claim("w", 2)).slice(1)
      yield* turn("w", { settled: [did(bad!, { agent: "cart/b", state: undefined }, "F")] })
      const { survey } = yield* Agents

      const standings = yield* survey(
        partition,
        [cart, "cart/none", "cart/b"].map((agent) => ({ agent, box: boxNamed(agent).name }))
      )

      expect(standings).toEqual([
        {
          ...{ revision: handled!.entry, version: 1, at: startOfTime, quarantined: undefined, failures: 0 },
          ...{ waiting: 0, taken: [waits!.entry] }
        },
        undefined,
        {
          ...{ revision: "0", version: undefined, at: undefined, failures: 1, waiting: 0, taken: [] },
          quarantined: { at: startOfTime, ulid: ulidOfEntry(bad!) }
        }
      ])
      const { state: _, timers: __, ...standing } = (yield* read())!
      expect(standing).toEqual(standings[0]!)
    })

    promise("reads one with what waits and what was handed out", function* () {
      const [first, second] = messages(2)
      yield* submit(first!)
      yield* claim("w", 1)
      yield* submit(second!)

      expect(yield* read()).toMatchObject({ revision: "0", waiting: 1, taken: [first!.entry] })
      expect(yield* read("cart/none")).toBeUndefined()
      expect((yield* found(ulidOfEntry(second!.entry)))?.place.kind).toBe("lane")
    })
  })
}
