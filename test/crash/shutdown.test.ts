/**
 * A worker that is told to stop while it runs a thousand tasks: nothing is lost, nothing runs twice without need. And a node
 * that says that it goes before it does.
 */
import { describe, expect, test } from "bun:test"
import { eventually, startNode } from "../support/node.ts"
import { aScene, type Scene, testMaxMs } from "./scene.ts"

type Round = ReturnType<Scene["round"]>

/** Tasks at each of two gates, and agents at each with some messages one after the other. */
const tasksAtGate = 480
const agentsAtGate = 10
const messages = ["1", "2"]

const served = "main:2000,other:8"

const gatesOf = (round: Round) => ({ first: `${round.gate}-first`, second: `${round.gate}-second` })

/** Who waits at a gate may run once more, if it is handed back there. */
const submitAt = (round: Round, gate: string, label: string, runs: number) => {
  const terms = { runs }
  const tasks = Array.from({ length: tasksAtGate }, (_, at) =>
    round.submit({ op: "submit", label: `${label}-${at}`, name: "crash.patient", input: { gate }, terms })
  )
  const agents = Array.from({ length: agentsAtGate }, async (_, at) => {
    const key = `${label}-agent-${at}`
    for (const message of messages) {
      await round.submit({
        op: "submit",
        label: `${key}-${message}`,
        name: "crash.agent",
        message: "linger",
        input: { gate },
        options: { key },
        terms
      })
    }
  })
  return Promise.all([...tasks, ...agents])
}

const startsOf = (round: Round, attempt: number) =>
  round
    .history()
    .filter((event) => event.op === "run" && event.phase === "start" && event.attempt === attempt)

/** How many wait at a gate: of an agent one at a time. */
const waiting = tasksAtGate + agentsAtGate

const stateOf = async ({ troupe }: Scene, label: string) =>
  (await troupe.ask("crash.agent", { message: "read" }, { key: label })) as ReadonlyArray<string>

/** Every agent knows its messages, once, in order. */
const expectAgents = async (scene: Scene, label: string) => {
  for (let at = 0; at < agentsAtGate; at++) {
    const key = `${label}-agent-${at}`
    expect(await stateOf(scene, key)).toEqual(messages.map((message) => `${key}-${message}`))
  }
}

/** What is not handed back waits for 15 s. */
const farLessThanALeaseMs = 5_000

/** How long it takes from now until so many have started for the second time. */
const untilStartedAgain = async (round: Round, count: number) => {
  const from = performance.now()
  await eventually("all to run elsewhere", () => (startsOf(round, 2).length >= count ? true : undefined))
  return performance.now() - from
}

/** A second signal that comes sooner is the echo of the first, as npm makes one of a Ctrl-C; in milliseconds. */
const echoMs = 550

describe("a worker with a thousand running tasks that is told to stop", () => {
  test(
    "lets those finish that can, and hands back the others, which run elsewhere at once",
    async () => {
      await using scene = await aScene()
      const round = scene.round("drain")
      const { first, second } = gatesOf(round)
      const victim = scene.troupeWorker(served, { TROUPE_DRAIN: "3 seconds" })
      await Promise.all([submitAt(round, first, "finishes", 1), submitAt(round, second, "goes", 2)])
      await eventually("all to run", () => (startsOf(round, 1).length >= 2 * waiting ? true : undefined))

      victim.stop()
      await eventually("it to drain", async () =>
        (await scene.troupe.workers.list()).some(({ state }) => state === "draining") ? true : undefined
      )
      round.openGate("first")
      expect(await round.end(victim)).toBe(0)
      // Nobody but the one that went has run anything yet.
      expect(await scene.troupe.workers.list()).toEqual([])
      await using _survivor = await scene.troupe.work({ queues: { main: 2_000, other: 8 } })
      const tookMs = await untilStartedAgain(round, waiting)
      round.openGate("second")

      expect(await round.violations()).toEqual([])
      expect(tookMs).toBeLessThan(farLessThanALeaseMs)
      console.log(`${waiting} tasks ran elsewhere ${Math.round(tookMs)} ms after the worker had gone`)
      const again = startsOf(round, 2).flatMap((event) => ("label" in event ? [event.label] : []))
      expect(again.filter((label) => label.startsWith("finishes"))).toEqual([])
      expect(startsOf(round, 3)).toEqual([])
      await expectAgents(scene, "finishes")
      await expectAgents(scene, "goes")
    },
    testMaxMs
  )

  test(
    "is gone within two seconds after a second signal, and has handed back all of them",
    async () => {
      await using scene = await aScene()
      const round = scene.round("hurry")
      const { first, second } = gatesOf(round)
      const victim = scene.troupeWorker(served, { TROUPE_DRAIN: "10 minutes" })
      await Promise.all([submitAt(round, first, "one", 2), submitAt(round, second, "two", 2)])
      await eventually("all to run", () => (startsOf(round, 1).length >= 2 * waiting ? true : undefined))
      victim.stop()
      await eventually("it to drain", async () =>
        (await scene.troupe.workers.list()).some(({ state }) => state === "draining") ? true : undefined
      )

      await Bun.sleep(echoMs)
      const from = performance.now()
      victim.stop()

      expect(await round.end(victim)).toBe(0)
      const tookMs = performance.now() - from
      expect(tookMs).toBeLessThan(2_000)
      await using _survivor = await scene.troupe.work({ queues: { main: 2_000, other: 8 } })
      const againMs = await untilStartedAgain(round, 2 * waiting)
      round.openGate("first")
      round.openGate("second")

      expect(await round.violations()).toEqual([])
      expect(againMs).toBeLessThan(farLessThanALeaseMs)
      console.log(
        `it was gone ${Math.round(tookMs)} ms after the second signal, and all ran elsewhere ${Math.round(againMs)} ms later`
      )
      await expectAgents(scene, "one")
      await expectAgents(scene, "two")
    },
    testMaxMs
  )
})

describe("a node that is told to stop", () => {
  test("says first that it goes and does all that it did; a second signal ends that at once", async () => {
    await using node = await startNode({
      workers: 1,
      env: { TROUPE_GRACE: "10 minutes", TROUPE_DRAIN: "10 minutes" }
    })
    const id = await node.submit("crash.lasts-once")
    await eventually("the run", () => node.lines()[0])
    const stream = await fetch(`${node.url}/v1/tasks/${id}/events`)

    node.child.kill("SIGTERM")

    await eventually("it to say so", async () =>
      (await fetch(`${node.url}/readyz`)).status === 503 ? true : undefined
    )
    expect((await fetch(`${node.url}/healthz`)).status).toBe(200)
    expect(await node.task(id)).toMatchObject({ state: "running" })
    expect(
      await node.json("/tasks", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ name: "crash.brief", input: {} })
      })
    ).toMatchObject({ status: 202 })

    await Bun.sleep(echoMs)
    const from = performance.now()
    node.child.kill("SIGTERM")

    await node.ended()
    expect(performance.now() - from).toBeLessThan(5_000)
    expect(await stream.text()).toContain("event: away")
    console.log(`it was gone ${Math.round(performance.now() - from)} ms after the second signal`)
  }, 120_000)
})
