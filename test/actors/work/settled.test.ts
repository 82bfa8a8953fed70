import { describe, expect, test } from "bun:test"
import type { Ending } from "../../../actors/work/attempt.ts"
import { missing, unreadable } from "../../../actors/work/running.ts"
import {
  coolOf,
  releaseOf,
  saidAtOnce,
  type Settled,
  settleCharactersMax,
  settleMax
} from "../../../actors/work/settled.ts"
import type { Failure } from "../../../runtime/fault.ts"
import type { Limit } from "../../../runtime/terms.ts"
import type { Settlement } from "../../../runtime/turn.ts"
import { aTask } from "../../support/tasks.ts"

const said = (settlement: Settlement): Settled => ({
  settlement,
  noted: false,
  streamed: false,
  reply: undefined
})

const { entry } = aTask()

/** An end of so many characters. */
const ending = (characters: number): Settled => said({ kind: "end", entry, record: "x".repeat(characters) })

const half = settleCharactersMax / 2

describe("a turn says", () => {
  test("so many ends at most", () => {
    expect(saidAtOnce([])).toBe(0)
    expect(saidAtOnce(Array.from({ length: settleMax }, () => ending(5)))).toBe(settleMax)
    expect(saidAtOnce(Array.from({ length: settleMax + 1 }, () => ending(5)))).toBe(settleMax)
  })

  test("no more than so many characters of them, unless the first has more", () => {
    expect(saidAtOnce([ending(half), ending(half), ending(1)])).toBe(2)
    expect(saidAtOnce([ending(2 * half + 1), ending(1)])).toBe(1)
    expect(saidAtOnce([ending(1), ending(2 * half + 1)])).toBe(1)
  })

  test("as much of what goes back to its mailbox as of anything small", () => {
    expect(saidAtOnce([ending(half), ending(half), releaseOf(entry)])).toBe(3)
  })

  test("with the end of a message the state of its agent, and what that sends", () => {
    const state = { json: "x".repeat(half), version: 1 }
    const sent = [
      { kind: "submit" as const, partition: "default.0", task: { ...aTask(), record: "x".repeat(half) } }
    ]
    const act = { agent: "a/k", base: "0", state, timers: [], sent }
    const message = said({ kind: "end", entry, record: "x", act })

    expect(saidAtOnce([message, ending(1)])).toBe(1)
    expect(saidAtOnce([ending(1), message])).toBe(1)
  })
})

describe("a limit pauses", () => {
  const limits = ["a", "b"].map((name) => ({ name, concurrency: 1 }) as Limit)
  const told = (after: Failure["after"]): Ending => ({
    kind: "failure",
    failure: { error: { type: "E", message: "" }, fatal: false, ...(after && { after }) }
  })

  test("where a run was told to come back later, and for nothing else that it failed with", () => {
    const after = { ms: 5, counted: false }
    const all = limits.map(({ name }) => ({ name, forMs: 5 }))

    expect(coolOf(limits, told({ ...after, limit: undefined }), "a+b")).toEqual(all)
    expect(coolOf(limits, told({ ...after, limit: "b" }), "a+b")).toEqual(all.slice(1))
    for (const ending of [told(undefined), unreadable, missing("gone", entry)])
      expect(coolOf(limits, ending, "a+b")).toEqual([])
  })

  test("for those only who have it with the run, where each has it for themselves", () => {
    const [shared, own] = limits
    const both = [shared!, { ...own!, each: "tenant" } as const]
    const later = { ms: 5, counted: false }

    expect(coolOf(both, told({ ...later, limit: undefined }), "a+b@acme*3")).toEqual([
      { name: "a", forMs: 5 },
      { name: "b@acme", forMs: 5 }
    ])
    expect(coolOf(both, told({ ...later, limit: "b" }), "a+b@acme")).toEqual([{ name: "b@acme", forMs: 5 }])
    expect(coolOf(both, told({ ...later, limit: "c" }), "a+b@acme")).toEqual([{ name: "c", forMs: 5 }])
  })
})
