import { describe, expect, test } from "bun:test"
import { isStalled, stallMs } from "../../../actors/operate/progress.ts"
import type { Minute, QueueLimits, QueueState, WorkerState } from "../../../runtime/operations.ts"

const now = 1_900_000_000_000

const queue = (over: {
  readonly waits?: number
  readonly held?: number
  readonly oldest?: number
  readonly paused?: boolean
  readonly limits?: QueueLimits
  readonly boxed?: number
}): QueueState => ({
  depth: {
    lanes: { urgent: 0, high: 0, normal: over.waits ?? 1, low: 0 },
    boxed: over.boxed ?? 0,
    waiting: 0,
    later: 0,
    held: over.held ?? 0,
    dead: 0
  },
  paused: over.paused ?? false,
  pausedKeys: [],
  oldest: over.oldest ?? now - stallMs - 1,
  limits: over.limits ?? {}
})

const minutes = (started: number): ReadonlyArray<Minute> => [
  { at: now - 60_000, counts: {} },
  { at: now, counts: started === 0 ? {} : { started } }
]

const worker = (over: Partial<WorkerState> = {}): WorkerState => ({
  worker: "w",
  leaseUntil: now + 1,
  seenAt: now,
  about: undefined,
  held: [],
  ...over
})

const stalled = (over: Parameters<typeof queue>[0], started = 0, workers = [worker()]) =>
  isStalled({ state: queue(over), minutes: minutes(started), workers }, now)

describe("a queue", () => {
  test("has come to a halt when it has workers, tasks wait for long, and none has started lately", () => {
    expect(stalled({})).toBe(true)
  })

  test("goes on while tasks start", () => {
    expect(stalled({}, 1)).toBe(false)
  })

  test("goes on while something runs, however long that takes", () => {
    expect(stalled({ held: 1 })).toBe(false)
  })

  test("goes on when nothing has waited for long", () => {
    expect(stalled({ oldest: now - stallMs })).toBe(false)
  })

  test("goes on when nothing waits at all, or when it was told to rest", () => {
    expect(stalled({ waits: 0 })).toBe(false)
    expect(stalled({ paused: true })).toBe(false)
  })

  test("goes on when it is limited, or all that waits does so for its key and its limits", () => {
    expect(stalled({ limits: { rate: { count: 1, perMs: 600_000 } } })).toBe(false)
    expect(stalled({ limits: { concurrency: 1 } })).toBe(false)
    expect(stalled({ limits: { maxDepth: 1 } })).toBe(true)
    expect(stalled({ waits: 0, boxed: 3 })).toBe(false)
  })

  test("only waits while it has no worker, or none that claims", () => {
    const draining = { about: { draining: true } as WorkerState["about"] }
    expect(stalled({}, 0, [])).toBe(false)
    expect(stalled({}, 0, [worker({ leaseUntil: now }), worker(draining)])).toBe(false)
    expect(stalled({}, 0, [worker(draining), worker()])).toBe(true)
  })
})
