import { describe, expect } from "bun:test"
import { Effect, Logger } from "effect"
import { type Complaint, makeComplaints } from "../../../runtime/telemetry/complaints.ts"
import { it } from "../../support/effect.ts"

/** Complaints at a time of the test's, and the lines that the log is told. */
const aLog = () => {
  const lines: Array<string> = []
  let now = 0
  const complaints = makeComplaints(() => now)
  const told = <A>(effect: Effect.Effect<A>) =>
    Effect.provide(
      effect,
      Logger.layer([
        Logger.make(({ logLevel, message }) => void lines.push(`${logLevel}: ${String(message)}`))
      ])
    )
  return {
    lines,
    turns: complaints.about("a turn got no answer", "turns are answered again"),
    sameTurns: complaints.about("a turn got no answer", "turns are answered again"),
    wrong: (complaint: Complaint, why: string) => told(complaint.wrong(why)),
    well: (complaint: Complaint) => told(complaint.well() ?? Effect.void),
    after: (ms: number) => void (now += ms)
  }
}

describe("a complaint", () => {
  it.effect("is told once, however often and by however many it is made, and again after a minute", () =>
    Effect.gen(function* () {
      const { after, lines, sameTurns, turns, wrong } = aLog()
      for (let second = 0; second < 60; second++) {
        yield* wrong(turns, "no answer")
        yield* wrong(sameTurns, "no answer")
        after(1_000)
      }
      expect(lines).toEqual(["Warn: a turn got no answer: no answer"])

      yield* wrong(turns, "no answer")

      expect(lines.slice(1)).toEqual([
        "Warn: a turn got no answer: no answer; 119 times more since this was last said"
      ])
    })
  )

  it.effect("is told at once for another cause, of which there are few in a minute", () =>
    Effect.gen(function* () {
      const { lines, turns, wrong } = aLog()

      for (let cause = 0; cause < 100; cause++) yield* wrong(turns, `cause ${cause}`)

      expect(lines.length).toBe(10)
      expect(lines[1]).toBe("Warn: a turn got no answer: cause 1")
    })
  )

  it.effect("is said to be over once, when all has gone well for a while", () =>
    Effect.gen(function* () {
      const { after, lines, turns, well, wrong } = aLog()
      yield* well(turns)
      yield* wrong(turns, "no answer")
      after(42_000)
      yield* wrong(turns, "no answer")
      // One of many turns was answered while others were not.
      yield* well(turns)
      expect(lines.length).toBe(1)

      after(10_000)
      yield* well(turns)
      yield* well(turns)

      expect(lines.slice(1)).toEqual(["Info: turns are answered again, after 42s"])
    })
  )

  it.effect("that comes and goes is not told each time", () =>
    Effect.gen(function* () {
      const { after, lines, turns, well, wrong } = aLog()

      for (let times = 0; times < 12; times++) {
        yield* wrong(turns, "no answer")
        after(10_000)
        yield* well(turns)
      }

      expect(lines).toEqual([
        "Warn: a turn got no answer: no answer",
        "Info: turns are answered again",
        "Warn: a turn got no answer: no answer; 5 times more since this was last said",
        "Info: turns are answered again"
      ])
    })
  )
})
