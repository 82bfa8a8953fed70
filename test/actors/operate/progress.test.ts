import { describe, expect, test } from "bun:test"
import { isStalled, stallMs } from "../../../actors/operate/progress.ts"
import type { Minute, QueueState } from "../../../runtime/operations.ts"

const now = 1_900_000_000_000

const queue = (over: {
  readonly waits?: number
  readonly held?: number
  readonly oldest?: number
  readonly paused?: boolean
}): QueueState => ({
  depth: {
    lanes: { urgent: 0, high: 0, normal: over.waits ?? 1, low: 0 },
    boxed: 0,
    waiting: 0,
    later: 0,
    held: over.held ?? 0,
    dead: 0
  },
  paused: over.paused ?? false,
  pausedKeys: [],
  oldest: over.oldest ?? now - stallMs - 1,
  limits: {}
})

const minutes = (started: number): ReadonlyArray<Minute> => [
  { at: now - 60_000, counts: {} },
  { at: now, counts: started === 0 ? {} : { started } }
]

describe("a queue", () => {
  test("has come to a halt when tasks wait for long and none has started lately", () => {
    expect(isStalled(queue({}), minutes(0), now)).toBe(true)
  })

  test("goes on while tasks start", () => {
    expect(isStalled(queue({}), minutes(1), now)).toBe(false)
  })

  test("goes on while something runs, however long that takes", () => {
    expect(isStalled(queue({ held: 1 }), minutes(0), now)).toBe(false)
  })

  test("goes on when nothing has waited for long", () => {
    expect(isStalled(queue({ oldest: now - stallMs }), minutes(0), now)).toBe(false)
  })

  test("goes on when nothing waits at all, or when it was told to rest", () => {
    expect(isStalled(queue({ waits: 0 }), minutes(0), now)).toBe(false)
    expect(isStalled(queue({ paused: true }), minutes(0), now)).toBe(false)
  })
})
