/** The check of histories is trusted because it finds each of these bugs in a history that is good without it. */
import { expect, test } from "bun:test"
import type { HistoryEvent, Violation } from "../support/history.ts"
import { violationsIn } from "../support/history-check.ts"

const run = (task: string, attempt: number, process: string) => {
  const event = { op: "run", label: task.toLowerCase(), task, attempt, process } as const
  const start: HistoryEvent = { ...event, phase: "start" }
  const returned: HistoryEvent = { ...event, phase: "return" }
  const thrown: HistoryEvent = { ...event, phase: "throw" }
  const write = (op: "emit" | "step", name: string, value?: string): ReadonlyArray<HistoryEvent> => {
    const written = { op, task, attempt, process, name } as const
    return [
      { ...written, phase: "invoke" },
      { ...written, phase: "ok", ...(value === undefined ? {} : { value }) }
    ]
  }
  const end: HistoryEvent = { op: "end", task, state: "succeeded", attempt, process }
  return { start, returned, thrown, write, end }
}

const invoke = (label: string, terms = {}): HistoryEvent => ({ op: "submit", label, phase: "invoke", terms })
const ok = (label: string, task = label.toUpperCase()): HistoryEvent => ({
  op: "submit",
  label,
  phase: "ok",
  task
})
const submit = (label: string, terms = {}, task?: string) => [invoke(label, terms), ok(label, task)]
const killed: HistoryEvent = { op: "killed", process: "w1" }
const paused: HistoryEvent = { op: "paused", process: "w1" }

const a1 = run("A", 1, "w1")
const a2 = run("A", 2, "w2")
const b1 = run("B", 1, "w1")
const c1 = run("C", 1, "w2")
const failed: HistoryEvent = { op: "end", task: "C", state: "failed", error: "WorkerLost" }
const cancelled: HistoryEvent = { op: "end", task: "C", state: "cancelled", error: "Cancelled" }
const cancel: ReadonlyArray<HistoryEvent> = [
  { op: "cancel", label: "c", phase: "invoke", task: "C" },
  { op: "cancel", label: "c", phase: "ok", task: "C" }
]

/** A was begun by a worker that died, and finished by another one. */
const good: ReadonlyArray<HistoryEvent> = [
  ...submit("a"),
  a1.start,
  ...a1.write("emit", "x"),
  ...a1.write("step", "s", "1"),
  killed,
  a2.start,
  ...a2.write("step", "s", "1"),
  a2.returned,
  a2.end,
  { op: "stream", task: "A", events: ["1 x"] },
  a2.end
]

/** Three workers died; the first of them so many milliseconds before the submit. */
const buriedAfter = (ms: number): ReadonlyArray<HistoryEvent> => [
  { ...paused, ns: 0 },
  ...submit("c").map((event) => ({ ...event, ns: ms * 1e6 })),
  killed,
  c1.start,
  killed,
  failed
]

const goodCancel: ReadonlyArray<HistoryEvent> = [
  ...submit("c", { state: "cancelled" }),
  c1.start,
  ...cancel,
  c1.returned
]

const goods: Readonly<Record<string, ReadonlyArray<HistoryEvent>>> = {
  "a worker died, and another one finished": good,
  "a worker was frozen when a task was handed to it, and two more died with it": buriedAfter(3_999),
  "nobody heard of a submit that was not stored": [invoke("a")],
  "nobody heard of a submit that was stored, and ran": [invoke("a"), a1.start, a1.returned, a1.end],
  "a process that stood still began late what it had been given": [
    ...submit("a"),
    paused,
    a2.start,
    a2.returned,
    a1.start,
    { op: "emit", task: "A", attempt: 1, process: "w1", name: "x", phase: "invoke" },
    { op: "emit", task: "A", attempt: 1, process: "w1", name: "x", phase: "fail" },
    a2.end
  ],
  "a write was on its way when its task was cancelled": [
    ...submit("c", { state: "cancelled" }),
    c1.start,
    c1.write("emit", "x")[0]!,
    ...cancel,
    c1.write("emit", "x")[1]!,
    cancelled
  ],
  "a cancelled run returned all the same": [...goodCancel, cancelled],
  "a submit was said again under its idempotency key": [
    invoke("a", { idempotencyKey: "i", work: "w" }),
    { op: "submit", label: "a", phase: "unknown" },
    ...submit("a", { idempotencyKey: "i", work: "w" }),
    ...submit("again", { idempotencyKey: "i", work: "w" }, "A"),
    a1.start,
    a1.returned,
    a1.end
  ],
  "two of one key ran one after the other": [
    ...submit("a", { key: "k" }),
    ...submit("b", { key: "k" }),
    a1.start,
    a1.returned,
    b1.start,
    b1.returned,
    a1.end,
    b1.end
  ]
}

for (const [what, history] of Object.entries(goods)) {
  test(`no promise is broken when ${what}`, () => {
    expect(violationsIn(history)).toEqual([])
  })
}

const without = (history: ReadonlyArray<HistoryEvent>, ...events: ReadonlyArray<HistoryEvent>) =>
  history.filter((event) => !events.includes(event))

const everySecond: HistoryEvent = { op: "schedule", schedule: "s", everyMs: 1_000, missed: "run-all" }
const slotAt = (at: number, task: string): HistoryEvent => ({ op: "slot", schedule: "s", at, task })

const shown = (event: string, name?: string): HistoryEvent => ({
  op: "follow",
  follower: "f",
  task: "A",
  event,
  ...(name === undefined ? {} : { name })
})

/** It came back after 1-1, and was told that another run had begun. */
const goodFollow: ReadonlyArray<HistoryEvent> = [
  ...good,
  shown("1-1", "x"),
  shown("2-1", "y"),
  shown("2-2"),
  shown("end")
]

const owned = (label: string, tenant: string): ReadonlyArray<HistoryEvent> => [
  { op: "submit", label, phase: "invoke", tenant },
  { op: "submit", label, phase: "ok", task: label.toUpperCase(), tenant }
]
const ofTwo: ReadonlyArray<HistoryEvent> = [
  ...owned("a", "one"),
  ...owned("b", "other"),
  ...[a1, b1].flatMap(({ end, returned, start }) => [start, returned, end]),
  { op: "read", tenant: "one", task: "A", phase: "ok" },
  { op: "read", tenant: "one", task: "B", phase: "fail" }
]

const keysOf = (phase: "before" | "after", keys: ReadonlyArray<string>, bytes = 1_000): HistoryEvent => ({
  op: "keys",
  phase,
  keys,
  bytes
})

const told = (label: string, agent = "cart"): ReadonlyArray<HistoryEvent> => submit(label, { agent })
const twoTold: ReadonlyArray<HistoryEvent> = [
  ...told("a"),
  ...told("b"),
  ...[a1, b1].flatMap(({ end, returned, start }) => [start, returned, end])
]
const memory = (labels: ReadonlyArray<string>, agent = "cart", of?: string): HistoryEvent => ({
  op: "memory",
  agent,
  labels,
  ...(of === undefined ? {} : { of })
})

/** The same events, each at its second. */
const timed = (...events: ReadonlyArray<readonly [seconds: number, event: HistoryEvent]>) =>
  events.map(([seconds, event]): HistoryEvent => ({ ...event, ns: seconds * 1e9 }))

const begin: HistoryEvent = { op: "fault", phase: "begin", name: "kill Redis" }
const healed: HistoryEvent = { op: "fault", phase: "healed", name: "kill Redis" }

const leaseMs = 1_000

const afterFault = (startedAt: number) =>
  timed(
    [0, begin],
    [1, invoke("a")],
    [2, ok("a")],
    [3, healed],
    [startedAt, a1.start],
    [startedAt, a1.returned],
    [20, a1.end]
  )

const afterDeath = (startedAt: number) =>
  timed(
    [0, invoke("a")],
    [1, ok("a")],
    [2, a1.start],
    [3, begin],
    [3, killed],
    [4, healed],
    [startedAt, a2.start],
    [startedAt, a2.returned],
    [20, a2.end]
  )

const delayed = (startedAt: number, ...between: ReadonlyArray<readonly [number, HistoryEvent]>) =>
  timed(
    [0, invoke("a", { delayMs: 5_000 })],
    [1, ok("a")],
    ...between,
    [startedAt, a1.start],
    [startedAt, a1.returned],
    [20, a1.end]
  )

const moreGoods: Readonly<Record<string, ReadonlyArray<HistoryEvent>>> = {
  "each slot of a schedule was fired once": [everySecond, slotAt(1_000, "A"), slotAt(2_000, "B")],
  "a slot was run twice, as one task": [everySecond, slotAt(1_000, "A"), slotAt(1_000, "A")],
  "a follower came back, and saw the rest": goodFollow,
  "a follower was told of a gap": [shown("1-1"), shown("gap"), shown("1-5"), shown("end")],
  "each tenant saw its own": ofTwo,
  "all keys have gone": [keysOf("before", ["k"]), keysOf("after", ["k", "left"]), keysOf("after", [])],
  "an agent and its ledger know the same": [
    ...twoTold,
    memory(["a", "b"]),
    memory(["a", "b"], "ledger", "cart")
  ],
  "what waited went on in time": afterFault(5),
  "what was late was so because the machine stood still": [
    ...afterFault(8),
    { op: "stall", ms: 4_000, ns: 6e9 }
  ],
  "what was lost ran again in time": afterDeath(6),
  "a delay was kept": delayed(5),
  "somebody set the clock during a delay": delayed(2, [
    1,
    { op: "fault", phase: "begin", name: "clock jump" }
  ])
}

for (const [what, history] of Object.entries(moreGoods)) {
  test(`no promise is broken when ${what}`, () => {
    expect(violationsIn(history, { leaseMs })).toEqual([])
  })
}

const bads: ReadonlyArray<readonly [Violation["invariant"], string, ReadonlyArray<HistoryEvent>]> = [
  ["I1", "an acknowledged task never ends", without(good, a2.end)],
  ["I1", "an acknowledged task never runs", [...good, ...submit("lost")]],
  ["I1", "a task that nobody acknowledged runs, and never ends", [invoke("a"), a1.start]],
  ["I2", "the end that one saw is not the end that another saw", [...good, { ...a2.end, process: "w1" }]],
  ["I2", "a success becomes a failure", [...good, { op: "end", task: "A", state: "failed", error: "X" }]],
  [
    "I2",
    "an end changes its error",
    [...submit("c", { state: "failed" }), failed, { ...failed, error: "Y" }]
  ],
  ["I2", "a result comes from a run that gave none", without(good, a2.returned)],
  ["I3", "one attempt runs twice", [...good.slice(0, -3), { ...a2.start, process: "w3" }, ...good.slice(-3)]],
  ["I3", "an attempt starts after a later one", [...submit("a"), a2.start, a1.start, a2.returned, a2.end]],
  ["I3", "what an earlier attempt writes is accepted", [...good, ...a1.write("emit", "y")]],
  [
    "I3",
    "an earlier attempt's result is accepted",
    [...without(good, a2.returned, a2.end), a1.returned, a1.end]
  ],
  [
    "I4",
    "a submit said again is stored twice",
    [...submit("a"), ok("a", "A2"), a1.start, a1.returned, a1.end, { ...a1.end, task: "A2" }]
  ],
  [
    "I4",
    "a submit that nobody heard of is stored twice",
    [invoke("a"), a1.start, { ...a1.start, task: "A2" }, a1.returned, a1.end]
  ],
  [
    "I4",
    "an idempotency key has two tasks",
    [...submit("a", { idempotencyKey: "i" }), ...submit("b", { idempotencyKey: "i" })]
  ],
  [
    "I4",
    "an idempotency key takes another input",
    [
      ...submit("a", { idempotencyKey: "i", work: "one" }),
      ...submit("b", { idempotencyKey: "i", work: "other" }, "A")
    ]
  ],
  [
    "I5",
    "of one key the second starts before the first has ended",
    [
      ...submit("a", { key: "k" }),
      ...submit("b", { key: "k" }),
      a1.start,
      b1.start,
      a1.returned,
      b1.returned,
      a1.end,
      b1.end
    ]
  ],
  [
    "I5",
    "of one key the second starts first",
    [
      ...submit("a", { key: "k" }),
      ...submit("b", { key: "k" }),
      b1.start,
      b1.returned,
      a1.start,
      a1.returned,
      a1.end,
      b1.end
    ]
  ],
  ["I6", "a task runs more often than it may", without(good, killed)],
  [
    "I6",
    "a task that is poison succeeds",
    [...submit("a", { state: "failed" }), a1.start, a1.returned, a1.end]
  ],
  ["I6", "a neighbour of the poison is buried with it", [...submit("c"), c1.start, failed]],
  ["I6", "a death of long ago buries a task", buriedAfter(4_001)],
  ["I11", "a cancelled task succeeds", [...goodCancel, c1.end]],
  ["I11", "what a cancelled run writes is accepted", [...goodCancel, ...c1.write("emit", "x"), cancelled]],
  [
    "I12",
    "what was refused runs",
    [invoke("a"), { op: "submit", label: "a", phase: "fail" }, a1.start, a1.returned, a1.end]
  ],
  [
    "I12",
    "what was acknowledged is refused later",
    [...submit("c", { state: "failed" }), { ...failed, error: "InputInvalid" }]
  ],
  [
    "kept",
    "an acknowledged event is lost",
    [...without(good, ...good.filter(({ op }) => op === "stream")), { op: "stream", task: "A", events: [] }]
  ],
  ["kept", "an event is stored twice", [...good, { op: "stream", task: "A", events: ["1 x", "1 x"] }]],
  ["kept", "events change places", [...good, { op: "stream", task: "A", events: ["2 z", "1 x"] }]],
  ["kept", "a step's result is another one in a later run", [...good, ...a2.write("step", "s", "2")]],
  ["I7", "a slot is fired twice", [everySecond, slotAt(1_000, "A"), slotAt(1_000, "B")]],
  ["I7", "a slot is left out", [everySecond, slotAt(1_000, "A"), slotAt(3_000, "B")]],
  ["I7", "something is fired that is no slot", [everySecond, slotAt(1_000, "A"), slotAt(1_500, "B")]],
  ["I8", "a follower is shown an event twice", [shown("1-1"), shown("1-1")]],
  ["I8", "a follower is shown an event of a run that is void", [shown("2-1"), shown("1-2")]],
  ["I8", "a follower misses an event, and is not told", [shown("1-1"), shown("1-3")]],
  ["I8", "a follower misses the first event of a run", [shown("1-1"), shown("2-2")]],
  ["I8", "a follower is shown something after the end", [shown("1-1"), shown("end"), shown("1-2")]],
  [
    "I8",
    "a follower is shown the end, and not all that was accepted",
    [...good, ...a2.write("emit", "z"), shown("1-1", "x"), shown("2-1", "y"), shown("end")]
  ],
  [
    "I9",
    "a tenant is shown another one's",
    [...ofTwo, { op: "read", tenant: "one", task: "B", phase: "ok" }]
  ],
  ["I9", "a task changes its tenant", [...ofTwo, { ...b1.start, attempt: 2, tenant: "one" }]],
  ["I10", "a key is left over", [keysOf("before", ["k"]), keysOf("after", ["k", "left"])]],
  ["I10", "the store has grown", [keysOf("before", []), keysOf("after", [], 100_000_000)]],
  ["I5", "an agent is told out of order", [...twoTold, memory(["b", "a"])]],
  ["kept", "an agent forgets what it has handled", [...twoTold, memory(["b"])]],
  ["kept", "an agent handles a message twice", [...twoTold, memory(["a", "b", "b"])]],
  [
    "kept",
    "what an agent tells another is told twice",
    [...twoTold, memory(["a", "b"]), memory(["a", "b", "b"], "ledger", "cart")]
  ],
  ["early", "a delayed task starts too soon", delayed(4)],
  ["L1", "what waited does not go on in time", afterFault(8)],
  ["L1", "what was lost with a process does not run again in time", afterDeath(9)]
]

for (const [invariant, bug, history] of bads) {
  test(`finds when ${bug}`, () => {
    expect(violationsIn(history, { leaseMs }).map((one) => one.invariant)).toContain(invariant)
  })
}

test("a long history takes time in proportion to its length", () => {
  const long = Array.from({ length: 10_000 }, (_, at): ReadonlyArray<HistoryEvent> => {
    const { end, returned, start, write } = run(`T${at}`, 1, `w${at % 7}`)
    const key = `k${at % 1_000}`
    return [...submit(`t${at}`, { key }, `T${at}`), start, ...write("emit", "x"), returned, end]
  }).flat()
  const tookMs = (history: ReadonlyArray<HistoryEvent>) => {
    const before = process.cpuUsage()
    expect(violationsIn(history, { leaseMs })).toEqual([])
    return process.cpuUsage(before).user / 1_000
  }
  tookMs(long.slice(0, long.length / 10))
  const short = tookMs(long.slice(0, long.length / 10))
  // Ten times the length: far from a hundred times as long. Time of the processor, as the machine may be busy.
  expect(tookMs(long)).toBeLessThan(40 * Math.max(short, 10))
})
