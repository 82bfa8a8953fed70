/** A wire that is slow, or brings late what was given up, or brings it byte by byte: what is promised holds. */
import { Duration } from "effect"
import { describe, expect, test } from "bun:test"
import { callMaxMs } from "../../runtime/redis/link.ts"
import { ofSubmitter, ofWorker } from "../support/faults.ts"
import { planOf } from "./plan.ts"
import { aScene, atMost, lease, testMaxMs, workload } from "./scene.ts"

// They mostly wait.
const inTurn = atMost(9)

/** Longer than a lease; and longer than anybody waits for an answer. */
const holds: Readonly<Record<string, { readonly ms: number; readonly places: ReadonlyArray<string> }>> = {
  "its lease": {
    ms: 2.5 * Duration.toMillis(lease),
    places: [
      "the turn in which it joins and claims",
      "a turn in which tasks end",
      "event-append",
      "step-remember"
    ]
  },
  "a call may take": {
    ms: callMaxMs + 500,
    places: ["the turn in which it joins and claims", "event-append"]
  }
}

for (const [what, { ms, places }] of Object.entries(holds)) {
  describe(`a worker that hears nothing for longer than ${what}`, () => {
    for (const place of places) {
      test.concurrent(
        `from ${place} on: another one finishes its tasks, what it says does not count, and it works on`,
        () =>
          inTurn(async () => {
            await using scene = await aScene()
            const round = scene.round("hold")
            await round.submitAll(workload)
            const harm = round.hurt(ofWorker[place]!, "hold", () => victim, ms)
            const victim = scene.worker()
            await harm.struck()

            const survivor = await scene.survivor()
            await round.ended()
            await harm.over()
            await survivor.stop()
            const after = await round.submit({ op: "submit", label: "after", name: "crash.steps" })
            expect(await scene.troupe.result(after)).toMatchObject({ process: String(victim.pid) })
            expect(await round.violations()).toEqual([])
          }),
        testMaxMs
      )
    }
  })
}

describe("a request that Redis runs long after it was given up and said again", () => {
  for (const what of [
    "a turn in which tasks end",
    "a turn in which a parent begins to wait",
    "event-append",
    "step-remember",
    "task-submit of a child",
    "child-ended"
  ]) {
    test.concurrent(
      `of a worker, ${what}: changes nothing`,
      () =>
        inTurn(async () => {
          await using scene = await aScene()
          const round = scene.round(what)
          await round.submitAll(workload)
          const harm = round.hurt(ofWorker[what]!, "late", () => victim)
          const victim = scene.worker()
          await harm.struck()

          expect(await round.violations()).toEqual([])
        }),
      testMaxMs
    )
  }

  for (const [what, place] of Object.entries(ofSubmitter)) {
    test.concurrent(
      `of a submitter, ${what}: changes nothing`,
      () =>
        inTurn(async () => {
          await using scene = await aScene()
          await using _worker = await scene.survivor()
          const round = scene.round(what)
          const plan = planOf(round.gate)
          const harm = round.hurt(place, "late", () => victim)
          const victim = round.submitter(plan)
          await harm.struck()
          await round.end(victim)
          round.openGate()

          expect(await round.violations()).toEqual([])
        }),
      testMaxMs
    )
  }
})

test.concurrent(
  "requests and replies that come byte by byte are understood",
  () =>
    inTurn(async () => {
      await using scene = await aScene({ inCrumbs: true })
      const round = scene.round("crumbs")
      const plan = planOf(round.gate)
      scene.worker()
      const submitter = round.submitter(plan)
      await round.submitAll(workload)
      expect(await round.end(submitter)).toBe(0)
      round.openGate()

      expect(await round.violations()).toEqual([])
      expect(round.unanswered(plan)).toEqual([])
    }),
  testMaxMs
)
