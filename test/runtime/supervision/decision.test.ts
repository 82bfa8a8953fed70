import { describe, expect, test } from "bun:test"
import { type ChildFacts, decide, Decision, type Situation } from "../../../runtime/supervision/decision.ts"
import { type Plan, planOf } from "../../../runtime/supervision/spec.ts"
import { Result } from "effect"

const planWith = (over: Partial<Plan> = {}): Plan => ({
  ...Result.getOrThrow(planOf({ intensity: 2, period: "10 seconds" }, "one_for_one")),
  ...over
})

const fact = (id: string, over: Partial<ChildFacts> = {}): ChildFacts => ({
  id,
  restart: "permanent",
  significant: false,
  state: "running",
  ...over
})

/** What follows the end of `b` among `a` to `d`. */
const after = (
  plan: Partial<Plan>,
  over: Partial<Situation> = {},
  facts: Record<string, Partial<ChildFacts>> = {}
) => {
  const children = ["a", "b", "c", "d"].map((id) => fact(id, facts[id]))
  return decide(planWith(plan), {
    ended: children[1]!,
    how: "abnormal",
    children,
    restarts: [],
    now: 60_000,
    streak: 0,
    livedMs: 10,
    random: 0,
    ...over
  })
}

const restart = (over: Partial<Extract<Decision, { _tag: "Restart" }>>) =>
  Decision.Restart({ stop: [], forget: [], afterMs: 0, start: ["b"], streak: 1, ...over })

describe("when a child ends", () => {
  test("one_for_one restarts that child alone", () => {
    expect(after({ strategy: "one_for_one" })).toEqual(restart({}))
  })

  test("one_for_all stops the others in reverse order and starts all in order", () => {
    expect(after({ strategy: "one_for_all" })).toEqual(
      restart({ stop: ["d", "c", "a"], start: ["a", "b", "c", "d"] })
    )
  })

  test("rest_for_one stops those started after it in reverse order and starts them in order", () => {
    expect(after({ strategy: "rest_for_one" })).toEqual(restart({ stop: ["d", "c"], start: ["b", "c", "d"] }))
  })

  test("temporary siblings are stopped with the others, and forgotten", () => {
    expect(after({ strategy: "one_for_all" }, {}, { c: { restart: "temporary" } })).toEqual(
      restart({ stop: ["d", "c", "a"], forget: ["c"], start: ["a", "b", "d"] })
    )
  })

  test("siblings that had ended or been stopped are started along, and need no stop", () => {
    expect(
      after({ strategy: "one_for_all" }, {}, { a: { state: "stopped" }, c: { state: "restarting" } })
    ).toEqual(restart({ stop: ["d"], start: ["a", "b", "c", "d"] }))
  })

  test("a permanent one is restarted however it ended", () => {
    expect(after({}, { how: "normal" })).toEqual(restart({}))
    expect(after({}, { how: "abnormal" })).toEqual(restart({}))
  })

  test("a transient one is restarted when it failed, and left when it succeeded", () => {
    const transient = { ended: fact("b", { restart: "transient" }) }

    expect(after({}, { ...transient, how: "abnormal" })).toEqual(restart({}))
    expect(after({}, { ...transient, how: "not_started" })).toEqual(restart({}))
    expect(after({}, { ...transient, how: "normal" })).toEqual(Decision.Leave())
    expect(after({ strategy: "simple_one_for_one" }, { ...transient, how: "normal" })).toEqual(
      Decision.Forget()
    )
  })

  test("a temporary one is forgotten however it ended", () => {
    const temporary = { ended: fact("b", { restart: "temporary" }) }

    expect(after({ strategy: "one_for_all" }, { ...temporary, how: "normal" })).toEqual(Decision.Forget())
    expect(after({ strategy: "one_for_all" }, { ...temporary, how: "abnormal" })).toEqual(Decision.Forget())
  })

  test("more than `intensity` restarts within `period` are given up", () => {
    expect(after({}, { restarts: [51_000, 59_000] })).toEqual(Decision.GiveUp())
    expect(after({}, { restarts: [50_000, 59_000] })).toEqual(restart({}))
  })

  test("a restart of all counts as one", () => {
    expect(after({ strategy: "one_for_all" }, { restarts: [59_000] })._tag).toBe("Restart")
  })

  test("an end that leads to no restart is never given up", () => {
    const temporary = fact("b", { restart: "temporary" })

    expect(after({ intensity: 0 }, { ended: temporary })).toEqual(Decision.Forget())
  })
})

describe("when a significant child ends for good", () => {
  const significant = { significant: true, restart: "transient" } as const
  const ended = { ended: fact("b", significant), how: "normal" } as const

  test("any_significant ends the supervisor", () => {
    expect(after({ autoShutdown: "any_significant" }, ended)).toEqual(Decision.ShutDown())
  })

  test("all_significant ends it with the last that is alive", () => {
    const plan = { autoShutdown: "all_significant" } as const

    expect(after(plan, ended, { b: significant, c: significant })).toEqual(Decision.Leave())
    expect(after(plan, ended, { b: significant, c: { ...significant, state: "restarting" } })).toEqual(
      Decision.Leave()
    )
    expect(after(plan, ended, { b: significant, c: { ...significant, state: "stopped" } })).toEqual(
      Decision.ShutDown()
    )
  })

  test("one that is not significant ends nothing", () => {
    const other = { ended: fact("b", { restart: "transient" }), how: "normal" } as const

    expect(after({ autoShutdown: "any_significant" }, other)).toEqual(Decision.Leave())
  })

  test("a transient one that failed is restarted first", () => {
    expect(after({ autoShutdown: "any_significant" }, { ...ended, how: "abnormal" })).toEqual(restart({}))
  })
})
