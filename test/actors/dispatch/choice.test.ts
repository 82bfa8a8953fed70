import { describe, expect, test } from "bun:test"
import { type Candidate, leastLoaded } from "../../../actors/dispatch/choice.ts"

const queues = (...loads: ReadonlyArray<readonly [depth: number, concurrency: number]>) =>
  loads.map(([depth, concurrency], at): Candidate => ({ queue: `q${at}`, depth, concurrency }))

const chosen = (candidates: ReadonlyArray<Candidate>, turn = 0) => leastLoaded(candidates, turn).queue

describe("of several queues", () => {
  test("the one with the fewest tasks for each that runs at once is taken", () => {
    expect(chosen(queues([10, 1], [30, 8], [4, 1]))).toBe("q1")
  })

  test("those that are equal are served in turn", () => {
    const equal = queues([8, 4], [2, 1], [3, 1])
    expect([0, 1, 2, 3].map((turn) => chosen(equal, turn))).toEqual(["q0", "q1", "q0", "q1"])
  })

  test("one without a worker is taken only if none has one, and then the emptiest", () => {
    expect(chosen(queues([0, 0], [1_000_000, 1]))).toBe("q1")
    expect(chosen(queues([7, 0], [5, 0], [6, 0]))).toBe("q1")
    expect([0, 1].map((turn) => chosen(queues([0, 0], [0, 0]), turn))).toEqual(["q0", "q1"])
  })
})
