/** A process that fires schedules and dies, or does not hear, at what it says to Redis: each slot is run, and once. */
import { describe, expect, test } from "bun:test"
import { submittedAt, ulidOfId } from "../../runtime/task.ts"
import { eventually } from "../support/node.ts"
import type { Harm, Place } from "../support/proxy.ts"
import { aScene, atMost, testMaxMs } from "./scene.ts"

const inTurn = atMost(4)

/** How many slots are run before a look at all of them. */
const slotsMin = 4

const isOfSchedules = ({ base }: { readonly base: string }) => base.includes("{_schedules.")

const places: Readonly<Record<string, Place>> = {
  "the change that fires": { script: "schedule-change", which: isOfSchedules },
  "the submit of what is owed": { script: "task-place" },
  "the look at what is due": { script: "schedule-due", which: isOfSchedules }
}

const harms = {
  "is killed before": "kill before",
  "is killed after Redis has run": "kill after",
  "loses the reply of": "drop",
  "gives up, while Redis runs it late,": "late"
} as const satisfies Record<string, Harm["kind"]>

describe("a process that fires schedules and", () => {
  for (const [what, kind] of Object.entries(harms)) {
    for (const [where, place] of Object.entries(places)) {
      test.concurrent(
        `${what} ${where}: every slot is run once, by it or by another`,
        () =>
          inTurn(async () => {
            await using scene = await aScene()
            const { schedules } = scene.troupe
            const round = scene.round(`${what} ${where}`)
            const harm = round.hurt(place, kind, () => victim)
            const input = { file: round.gate, label: "slot" }
            await schedules.create("crash.steps", input, {
              id: "s",
              every: "1 second",
              missed: "run-all",
              queue: "main"
            })
            const victim = scene.worker()
            await harm.struck()

            await using _survivor = await scene.survivor()
            const { history } = await eventually("some slots to be run", async () => {
              const schedule = await schedules.get("s")
              const done = schedule.history.filter(({ state }) => state === "succeeded")
              return done.length >= slotsMin ? schedule : undefined
            })
            await schedules.delete("s")

            const slots = history.map(({ slot }) => slot).toReversed()
            expect(slots).toEqual(slots.map((_, at) => slots[0]! + at * 1_000))
            for (const { outcome } of history) expect(outcome).toBe("submitted")
            const tasks = history.map(({ task }) => task!)
            expect(tasks.map((id) => submittedAt(ulidOfId(id))).toReversed()).toEqual(slots)
            const all = await scene.troupe.tasks({ queue: "main" })
            for (const { id } of all.tasks) {
              // What was submitted since is of a later slot.
              expect(tasks.includes(id) || submittedAt(ulidOfId(id)) > slots.at(-1)!).toBe(true)
            }
          }),
        testMaxMs
      )
    }
  }
})
