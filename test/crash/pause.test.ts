/** A worker that stands still past its lease, or does not hear that its task was cancelled: nothing it says counts. */
import { describe, expect, test } from "bun:test"
import type { HistoryEvent } from "../support/history.ts"
import { eventually } from "../support/node.ts"
import { aScene, type Scene, testMaxMs } from "./scene.ts"

type Round = ReturnType<Scene["round"]>

/** Waits for so many events of a kind. */
const seen = (round: Round, what: string, count: number, is: (event: HistoryEvent) => boolean) =>
  eventually(what, () => {
    const events = round.history().filter(is)
    return events.length >= count ? events : undefined
  })

/** Two of the tasks that wait at the gate, and have written what they write before it. */
const bothWait = (round: Round, attempt: number) =>
  seen(round, `attempt ${attempt} of both tasks to wait`, 2, (event) =>
    event.op === "run"
      ? event.label === "silent" && event.phase === "start"
      : event.op === "emit" && event.phase === "ok" && event.name === "before" && event.attempt === attempt
  )

/** What the runs of a process came to. */
const overIn = (pid: number) => (event: HistoryEvent) =>
  event.op === "run" && event.phase !== "start" && event.process === String(pid)

const submitGated = (round: Round, label: string, name: string, state = "succeeded") =>
  round.submit({ op: "submit", label, name, input: { gate: round.gate }, terms: { state } })

describe("a worker process that is stopped past its lease, and goes on", () => {
  test.concurrent(
    "finds that another one has finished its tasks; it writes in vain, and works on under a fresh id",
    async () => {
      await using scene = await aScene()
      const round = scene.round("pause")
      const one = await submitGated(round, "one", "crash.stubborn")
      await submitGated(round, "two", "crash.stubborn")
      const victim = scene.worker()
      await Promise.race([bothWait(round, 1), victim.failed])
      const { worker: before } = await scene.troupe.task(one)
      await round.pause(victim)

      const survivor = await scene.survivor()
      await bothWait(round, 2)
      round.openGate()
      await round.ended()
      await survivor.stop()
      victim.goOn()

      await seen(round, "the runs of the process to be over", 2, overIn(victim.pid))
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
      const stubborn = await submitGated(round, "stubborn", "crash.stubborn", "cancelled")
      const silent = await submitGated(round, "silent", "crash.silent", "cancelled")
      const victim = scene.worker()
      await Promise.race([bothWait(round, 1), victim.failed])

      await round.cancel("silent", silent)
      await round.cancel("stubborn", stubborn)
      round.openGate()

      await seen(round, "the runs of the process to be over", 2, overIn(victim.pid))
      const after = await round.submit({ op: "submit", label: "after", name: "crash.steps" })
      expect(await round.violations()).toEqual([])
      const refused = round.history().filter((event) => event.op === "emit" && event.phase === "fail")
      expect(refused.length).toBe(1)
      expect(await scene.troupe.result(after)).toMatchObject({ process: String(victim.pid) })
    },
    testMaxMs
  )
})
