/** Agents whose worker dies, stalls or does not hear: each message counts once, in order, and what it sent is sent once. */
import { describe, expect, test } from "bun:test"
import type { HistoryEvent } from "../support/history.ts"
import { eventually } from "../support/node.ts"
import { ofAgents } from "../support/faults.ts"
import { aScene, atMost, type Scene, testMaxMs } from "./scene.ts"

type Round = ReturnType<Scene["round"]>

const keys = ["a", "b", "c"]
const numbers = Array.from({ length: 8 }, (_, at) => String(at + 1))

/** Tells every agent all numbers, in order. */
const tellAll = async (round: Round, over: { readonly gate?: string } = {}) => {
  for (const number of numbers) {
    for (const key of keys) {
      await round.submit({
        op: "submit",
        label: `${key}${number}`,
        name: "crash.agent",
        message: "note",
        input: over,
        options: { key }
      })
    }
  }
}

const read = async ({ troupe }: Scene, name: string, key: string) =>
  (await troupe.ask(name, { message: "read" }, { key })) as ReadonlyArray<string>

/** Runs of an agent that began while another one of it went on, in a process that nothing had happened to. */
const overlaps = (round: Round) => {
  const hurt = new Set<string>()
  const open = new Map<string, { readonly agent: string; readonly process: string }>()
  const found: Array<string> = []
  for (const event of round.history()) {
    if (event.op === "killed" || event.op === "paused") hurt.add(event.process)
    if (event.op !== "run") continue
    const { attempt, label, phase, process, task } = event
    const [agent] = label
    const run = `${task} ${attempt} ${process}`
    if (phase !== "start") open.delete(run)
    else {
      for (const [other, of] of open)
        if (of.agent === agent && !hurt.has(of.process)) found.push(`${run} during ${other}`)
      open.set(run, { agent: agent!, process })
    }
  }
  return found
}

/** Both agents of every key know every number, once, in order. */
const expectAll = async (scene: Scene) => {
  for (const key of keys) {
    const all = numbers.map((number) => `${key}${number}`)
    expect(await read(scene, "crash.agent", key)).toEqual(all)
    await eventually("the ledger to be told", async () => {
      const entries = await read(scene, "crash.ledger", key)
      return entries.length >= all.length ? true : undefined
    })
    expect(await read(scene, "crash.ledger", key)).toEqual(all)
  }
}

const inTurn = atMost(3)

for (const kind of ["kill before", "kill after"] as const) {
  for (const [what, place] of Object.entries(ofAgents)) {
    const when = kind === "kill before" ? "before" : "when Redis has run, and not yet answered,"
    test.concurrent(
      `a worker that is killed ${when} ${what}: each message counts once, in order`,
      () =>
        inTurn(async () => {
          await using scene = await aScene()
          const round = scene.round(`${kind} ${what}`)
          await tellAll(round)
          const harm = round.hurt(place, kind, () => victim)
          const victim = scene.worker()
          await harm.struck()
          expect(await victim.exited).toBe("SIGKILL")

          await using _survivor = await scene.survivor()
          expect(await round.violations()).toEqual([])
          expect(overlaps(round)).toEqual([])
          await expectAll(scene)
        }),
      testMaxMs
    )
  }
}

for (const [what, place] of Object.entries(ofAgents)) {
  test.concurrent(
    `a worker that loses the reply and the connection of ${what} finishes everything by itself`,
    () =>
      inTurn(async () => {
        await using scene = await aScene()
        const round = scene.round(what)
        const harm = round.hurt(place, "drop", () => victim)
        const victim = scene.worker()
        await tellAll(round)
        await harm.struck()

        expect(await round.violations()).toEqual([])
        expect(overlaps(round)).toEqual([])
        await expectAll(scene)
        expect(victim.isAlive()).toBe(true)
      }),
    testMaxMs
  )
}

describe("a worker that stands still past its lease in the middle of a message, and goes on", () => {
  const started = (attempt: number) => (event: HistoryEvent) =>
    event.op === "run" && event.phase === "start" && event.attempt === attempt

  test.concurrent(
    "finds that another one has handled it: what it says is refused, and it works on",
    async () => {
      await using scene = await aScene()
      const round = scene.round("pause")
      await tellAll(round, { gate: round.gate })
      const victim = scene.worker()
      const running = (attempt: number) =>
        eventually(`attempt ${attempt} of the first messages`, () => {
          const events = round.history().filter(started(attempt))
          return events.length >= keys.length ? true : undefined
        })
      await Promise.race([running(1), victim.failed])
      await round.pause(victim)

      await using _survivor = await scene.survivor()
      await running(2)
      // From here on both have the same messages in hand.
      victim.goOn()
      round.openGate()

      expect(await round.violations()).toEqual([])
      expect(overlaps(round)).toEqual([])
      await expectAll(scene)
      expect(victim.isAlive()).toBe(true)
    },
    testMaxMs
  )
})
