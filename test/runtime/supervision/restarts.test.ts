import { describe, expect, test } from "bun:test"
import {
  type Ending,
  nextRestart,
  Restarting,
  type RestartPolicy,
  restartPolicy
} from "../../../runtime/supervision/restarts.ts"

const policy: RestartPolicy = restartPolicy({
  intensity: 3,
  period: "10 seconds",
  backoff: { base: "100 millis", cap: "1 second", jitter: 0.5 },
  healthyAfter: "5 seconds"
})

const ending: Ending = { restarts: [], now: 60_000, streak: 0, livedMs: 50, random: 0 }

const delayAfter = (streak: number, random = 0) => {
  const next = nextRestart(policy, { ...ending, streak, random })
  return next._tag === "Again" ? next.afterMs : undefined
}

describe("what has ended", () => {
  test("is started again at once the first time", () => {
    expect(nextRestart(policy, ending)).toEqual(Restarting.Again({ afterMs: 0, streak: 1 }))
  })

  test("waits twice as long each further time, up to the cap", () => {
    expect([1, 2, 3, 4, 5, 2_000].map((streak) => delayAfter(streak))).toEqual([
      100, 200, 400, 800, 1_000, 1_000
    ])
  })

  test("waits less by a random part of the delay, at most by the jitter's share", () => {
    expect(delayAfter(4, 0.5)).toBe(600)
    expect(delayAfter(4, 0.999)).toBe(400)
  })

  test("starts over at no delay when it was healthy before", () => {
    expect(nextRestart(policy, { ...ending, streak: 4, livedMs: 5_000 })).toEqual(
      Restarting.Again({ afterMs: 0, streak: 1 })
    )
    expect(delayAfter(4)).toBe(800)
  })

  test("is given up after `intensity` restarts within `period`", () => {
    const restarts = [50_001, 55_000, 59_000]

    expect(nextRestart(policy, { ...ending, restarts })).toEqual(Restarting.GiveUp())
  })

  test("is forgiven restarts that are a period old", () => {
    const restarts = [50_000, 55_000, 59_000]

    expect(nextRestart(policy, { ...ending, restarts })._tag).toBe("Again")
  })

  test("is given up when restarts that are yet to come fill the period", () => {
    const restarts = [59_000, 60_100, 60_200]

    expect(nextRestart(policy, { ...ending, restarts })).toEqual(Restarting.GiveUp())
  })

  test("is given up at once with an intensity of 0", () => {
    expect(nextRestart({ ...policy, intensity: 0 }, ending)).toEqual(Restarting.GiveUp())
  })

  test("never waits with a backoff of 0, however often it ends", () => {
    const patient = restartPolicy({ intensity: 10_000, backoff: { base: 0 } })

    expect(nextRestart(patient, { ...ending, streak: 5_000 })).toEqual(
      Restarting.Again({ afterMs: 0, streak: 5_001 })
    )
  })
})
