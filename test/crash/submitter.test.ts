/**
 * A submitter that dies, or does not hear, at any of the scripts it sends: what was acknowledged is there once, and what
 * was not may be said again.
 */
import { describe, expect, test } from "bun:test"
import { ofSubmitter } from "../support/faults.ts"
import { planOf } from "./plan.ts"
import { aScene, atMost, testMaxMs } from "./scene.ts"

const inTurn = atMost(3)

describe("a submitter that is killed", () => {
  for (const kind of ["kill before", "kill after"] as const) {
    for (const [what, place] of Object.entries(ofSubmitter)) {
      const when = kind === "kill before" ? "before" : "when Redis has run, and not yet answered,"
      test.concurrent(
        `${when} ${what}: it goes on where it was when it is started again`,
        () =>
          inTurn(async () => {
            await using scene = await aScene()
            await using _worker = await scene.survivor()
            const round = scene.round(what)
            const plan = planOf(round.gate)
            const harm = round.hurt(place, kind, () => victim)
            const victim = round.submitter(plan)
            await harm.struck()
            expect(await victim.exited).toBe("SIGKILL")

            const again = round.submitter(plan)
            expect(await round.end(again)).toBe(0)
            round.openGate()
            expect(await round.violations()).toEqual([])
            expect(round.unanswered(plan)).toEqual(what === "task-submit" ? ["plain"] : [])
          }),
        testMaxMs
      )
    }
  }
})

describe("a submitter that loses the reply and the connection", () => {
  for (const [what, place] of Object.entries(ofSubmitter)) {
    test.concurrent(
      `of ${what}: it says it again, and hears what came of it`,
      () =>
        inTurn(async () => {
          await using scene = await aScene()
          await using _worker = await scene.survivor()
          const round = scene.round(what)
          const plan = planOf(round.gate)
          const harm = round.hurt(place, "drop", () => victim)
          const victim = round.submitter(plan)
          await harm.struck()

          expect(await round.end(victim)).toBe(0)
          round.openGate()
          expect(await round.violations()).toEqual([])
          expect(round.unanswered(plan)).toEqual([])
        }),
      testMaxMs
    )
  }
})
