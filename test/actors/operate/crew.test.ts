import { expect, test } from "bun:test"
import { crewOf } from "../../../actors/operate/crew.ts"
import type { WorkerState } from "../../../runtime/operations.ts"
import { idIn } from "../../../runtime/task.ts"
import { aUlid } from "../../support/tasks.ts"

const about = {
  node: "n",
  pid: 1,
  host: "h",
  startedAt: 5,
  memoryBytes: 6,
  done: 2,
  concurrency: 8,
  leaseMs: 10_000,
  handlers: ["shop.cart"]
}
const now = 100_000
const leaseMs = 15_000

const seen = (partition: string, over: Partial<WorkerState> = {}) => ({
  partition,
  worker: { worker: "w", leaseUntil: now + 9_000, seenAt: now, about, held: [], ...over }
})

test("a worker of several queues is one, with all that it runs", () => {
  const [one, two] = [aUlid(), aUlid()]

  const crew = crewOf(
    [
      seen("b.0", { held: [`${one}n1`] }),
      seen("a.0", { held: [`${two}N2`], leaseUntil: now + 9_500, about: { ...about, done: 4 } }),
      seen("a.0", { worker: "v", about: undefined })
    ],
    leaseMs
  )

  const { leaseMs: _, ...said } = about
  expect(crew).toEqual([
    { id: "v", state: "running", queues: ["a"], running: [], heartbeatAt: now - 6_000, silentMs: 6_000 },
    {
      ...said,
      id: "w",
      state: "running",
      queues: ["a", "b"],
      running: [idIn("b.0", one), idIn("a.0", two)],
      done: 4,
      heartbeatAt: now - 500,
      silentMs: 500
    }
  ])
})

test("a worker whose lease is over is lost, as is one that was evicted", () => {
  const stateOf = (leaseUntil: number) => crewOf([seen("a.0", { leaseUntil })], leaseMs)[0]

  expect(stateOf(now)).toMatchObject({ state: "lost", heartbeatAt: now - about.leaseMs })
  expect(stateOf(0)).toMatchObject({ state: "lost" })
  expect(stateOf(0)).not.toHaveProperty("heartbeatAt")
  expect(stateOf(now + 1)).toMatchObject({ state: "running" })
})

test("a worker that says it drains is draining, until it is lost", () => {
  const draining = { about: { ...about, draining: true } }

  expect(crewOf([seen("a.0"), seen("b.0", draining)], leaseMs)[0]).toMatchObject({ state: "draining" })
  expect(crewOf([seen("b.0", { ...draining, leaseUntil: 0 })], leaseMs)[0]).toMatchObject({
    state: "lost"
  })
})
