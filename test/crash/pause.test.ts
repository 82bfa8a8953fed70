/** A worker that stands still past its lease, or does not hear that its task was cancelled: nothing it says counts. */
import { describe, expect, test } from "bun:test"
import type { HistoryEvent } from "../support/history.ts"
import { eventually } from "../support/node.ts"
import { aScene, type Scene, testMaxMs } from "./scene.ts"

type Round = ReturnType<Scene["round"]>

const stubborn = ["one", "two"]

/** Waits for so many events of a kind. */
const seen = (round: Round, count: number, is: (event: HistoryEvent) => boolean) =>
  eventually("what is to be seen in the history", () => {
    const events = round.history().filter(is)
    return events.length >= count ? events : undefined
  })

const started = (round: Round, count: number, attempt: number) =>
  seen(
    round,
    count,
    (event) =>
      event.op === "emit" && event.phase === "ok" && event.name === "before" && event.attempt === attempt
  )

/** What the runs of a process came to. */
const overIn = (pid: number) => (event: HistoryEvent) =>
  event.op === "run" && event.phase !== "start" && event.process === String(pid)

const submitStubborn = (scene: Scene, round: Round, state = "succeeded") =>
  Promise.all(
    stubborn.map((label) =>
      round.submit({
        op: "submit",
        label,
        name: "crash.stubborn",
        input: { gate: round.gate },
        terms: { state }
      })
    )
  )

describe("a worker process that is stopped past its lease, and goes on", () => {
  test.concurrent(
    "finds that another one has finished its tasks; it writes in vain, and works on under a fresh id",
    async () => {
      await using scene = await aScene()
      const round = scene.round("pause")
      const ids = await submitStubborn(scene, round)
      const victim = scene.worker()
      await Promise.race([started(round, 2, 1), victim.failed])
      const { worker: before } = await scene.troupe.task(ids[0]!)
      await round.pause(victim)

      const survivor = await scene.survivor()
      await started(round, 2, 2)
      round.openGate()
      await round.ended()
      await survivor.stop()
      victim.goOn()

      await seen(round, 2, overIn(victim.pid))
      const after = await round.submit({ op: "submit", label: "after", name: "crash.steps" })
      expect(await round.violations()).toEqual([])
      const refused = round
        .history()
        .filter((event) => (event.op === "step" || event.op === "emit") && event.phase === "fail")
      expect(refused.length).toBe(4)
      expect(await scene.troupe.result(after)).toMatchObject({ process: String(victim.pid) })
      const { worker } = await scene.troupe.task(after)
      expect(worker).toContain(`-${victim.pid}-`)
      expect(worker).not.toBe(before)
    },
    testMaxMs
  )
})

describe("a worker that does not hear of a cancel", () => {
  test.concurrent(
    "writes and returns in vain, and works on",
    async () => {
      await using scene = await aScene({ isDeaf: true })
      const round = scene.round("cancel")
      const ids = await submitStubborn(scene, round, "cancelled")
      const victim = scene.worker()
      await Promise.race([started(round, 2, 1), victim.failed])

      for (const [at, label] of stubborn.entries()) await round.cancel(label, ids[at]!)
      round.openGate()

      await seen(round, 2, overIn(victim.pid))
      const after = await round.submit({ op: "submit", label: "after", name: "crash.steps" })
      expect(await round.violations()).toEqual([])
      const refused = round.history().filter((event) => event.op === "emit" && event.phase === "fail")
      expect(refused.length).toBe(2)
      expect(await scene.troupe.result(after)).toMatchObject({ process: String(victim.pid) })
    },
    testMaxMs
  )
})
