/** A worker that dies, or does not hear, at any of the scripts it sends: nothing is lost, nothing counts twice. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { ofLeavingWorker, ofNoConsequence, ofWorker } from "../support/faults.ts"
import { aScene, atMost, type Scene, testMaxMs, workload } from "./scene.ts"

const inTurn = atMost(4)

describe("a worker that is killed", () => {
  for (const kind of ["kill before", "kill after"] as const) {
    for (const [what, place] of Object.entries({ ...ofWorker, ...ofLeavingWorker })) {
      const when = kind === "kill before" ? "before" : "when Redis has run, and not yet answered,"
      test.concurrent(
        `${when} ${what}: another one finishes everything`,
        () =>
          inTurn(async () => {
            await using scene = await aScene()
            const round = scene.round(what)
            await round.submitAll(workload)
            const harm = round.hurt(place, kind, () => victim)
            const victim = scene.worker()
            // One script is sent only by a worker that goes.
            if (what in ofLeavingWorker) {
              await round.ended()
              victim.stop()
            }
            await harm.struck()
            expect(await victim.exited).toBe("SIGKILL")

            await using _survivor = await scene.survivor()
            expect(await round.violations()).toEqual([])
          }),
        testMaxMs
      )
    }
  }
})

describe("a worker that loses the reply and the connection", () => {
  let scene: Scene
  let victim: ReturnType<Scene["worker"]>
  beforeAll(async () => {
    scene = await aScene()
    victim = scene.worker()
  })
  afterAll(() => scene[Symbol.asyncDispose]())

  for (const [what, place] of Object.entries(ofWorker)) {
    test(
      `of ${what}: it says it again, and finishes everything by itself`,
      async () => {
        const round = scene.round(what)
        const harm = round.hurt(place, "drop", () => victim)
        await round.submitAll(workload)
        await harm.struck()

        expect(await round.violations()).toEqual([])
        expect(victim.isAlive()).toBe(true)
      },
      testMaxMs
    )
  }

  test("sends no script that the tests of this file leave out", async () => {
    const known = [...Object.values({ ...ofWorker, ...ofLeavingWorker }).map(({ script }) => script)]
    expect(
      [...scene.proxy.seen()].filter((script) => ![...known, ...ofNoConsequence].includes(script))
    ).toEqual([])
  })
})
