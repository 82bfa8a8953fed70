import { describe, expect, test } from "bun:test"
import { type Load, type ScalePolicy, targetFor } from "../../../actors/node/scaling.ts"

const policy: ScalePolicy = { min: 2, max: 8, upMs: 5_000, downMs: 60_000 }
const now = 1_000_000
const calm: Load = { now, oldestMs: [0, 0], workers: 4, changedAt: 0, quietSince: undefined }

const target = (over: Partial<Load>, of = policy) => targetFor(of, { ...calm, ...over })

describe("how many workers there are to be", () => {
  const up: ReadonlyArray<readonly [why: string, over: Partial<Load>, workers: number]> = [
    ["half as many more when a task has waited too long", { oldestMs: [0, 5_001] }, 6],
    ["one more where there is one", { workers: 2, oldestMs: [6_000] }, 3],
    ["never more than the most", { workers: 7, oldestMs: [60_000] }, 8],
    ["no more where there are the most", { workers: 8, oldestMs: [60_000] }, 8],
    ["no fewer, though an operator has let there be more", { workers: 9, oldestMs: [60_000] }, 9],
    ["as many, until the last step had its time to help", { oldestMs: [9_000], changedAt: now - 4_999 }, 4],
    ["more, once it had", { oldestMs: [9_000], changedAt: now - 5_000 }, 6],
    ["as many, while a task waits neither long nor briefly", { oldestMs: [5_000] }, 4],
    ["at least the least", { workers: 1 }, 2],
    ["as many, as long as it was not quiet for a while", { quietSince: now - 59_999 }, 4],
    ["one fewer, when it was", { quietSince: now - 60_000 }, 3],
    ["as many, a while after the last step", { quietSince: 0, changedAt: now - 59_999 }, 4],
    ["no fewer than the least", { workers: 2, quietSince: 0 }, 2]
  ]
  for (const [why, over, workers] of up) {
    test(`is ${why}`, () => {
      expect(target(over).workers).toBe(workers)
    })
  }

  test("is quiet from the first look on that finds nothing waiting long, until one does", () => {
    expect(target({ oldestMs: [1_000] }).quietSince).toBe(now)
    expect(target({ oldestMs: [1_000], quietSince: 7 }).quietSince).toBe(7)
    expect(target({ oldestMs: [0, 1_001], quietSince: 7 }).quietSince).toBeUndefined()
  })

  test("does not swing: a wave that comes and goes faster than it is quiet for keeps what it got", () => {
    let load: Load = { ...calm, workers: 2 }
    const seen: Array<number> = []
    for (let second = 0; second < 300; second++) {
      const wave = second % 40 < 20 ? 8_000 : 0
      const { quietSince, workers } = targetFor(policy, {
        ...load,
        now: now + second * 1_000,
        oldestMs: [wave]
      })
      load = {
        ...load,
        workers,
        quietSince,
        changedAt: workers === load.workers ? load.changedAt : now + second * 1_000
      }
      seen.push(workers)
    }
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
    expect(seen.at(-1)).toBe(8)
  })
})
