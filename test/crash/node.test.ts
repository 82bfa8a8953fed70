/** A node under fire: real processes, real signals, a real Redis. */
import { describe, expect, test } from "bun:test"
import { eventually, isAlive, startNode } from "../support/node.ts"

describe("a node whose worker process is killed", () => {
  test("runs the worker's task elsewhere at once, and starts another worker", async () => {
    await using node = await startNode({ workers: 2 })
    const id = await node.submit("crash.lasts-once")
    const first = await eventually("the first run", () => node.lines()[0])
    const before = node.workers()
    expect(before.length).toBe(2)

    const killedAt = Date.now()
    process.kill(first.pid, "SIGKILL")

    const { body, status } = await node.result(id)
    expect({ body, status }).toEqual({ status: 200, body: { attempt: 2 } })
    const second = node.lines()[1]!
    expect(second.pid).not.toBe(first.pid)
    // Far less than the lease of 15 s, which it would take if nobody had seen the process exit.
    expect(second.at - killedAt).toBeLessThan(5_000)
    console.log(`the task ran elsewhere ${second.at - killedAt} ms after its worker was killed`)
    const after = await eventually("another worker", () => {
      const now = node.workers()
      return now.length === 2 ? now : undefined
    })
    expect(after).not.toContain(first.pid)
  }, 120_000)
})

describe("a node that is told to stop", () => {
  test("lets running tasks finish, leaves nothing behind, and exits with 0", async () => {
    await using node = await startNode({ workers: 2 })
    const ids = await Promise.all(Array.from({ length: 8 }, (_, n) => node.submit("crash.unhurried", n)))
    await eventually("all to run", () => (node.lines().length >= 8 ? true : undefined))
    const pids = [...node.workers(), ...node.api()]

    node.child.kill("SIGTERM")

    await node.ended()
    expect(pids.filter(isAlive)).toEqual([])
    expect(node.lines().filter(({ what }) => what === "finished").length).toBe(ids.length)
    expect(node.lines().every(({ attempt }) => attempt === 1)).toBe(true)
  }, 120_000)

  test("hands back what does not finish in time, and the next node runs it", async () => {
    await using node = await startNode({ workers: 1, privateRedis: true, env: { TROUPE_DRAIN: "0 seconds" } })
    const id = await node.submit("crash.lasts-once")
    await eventually("the first run", () => node.lines()[0])

    node.child.kill("SIGTERM")
    await node.ended()

    const again = Bun.spawn(
      [
        process.execPath,
        `${import.meta.dir}/../../api/main.ts`,
        "up",
        "--no-sample",
        "--port",
        "0",
        "--workers",
        "1"
      ],
      {
        cwd: node.folder,
        env: {
          PATH: process.env["PATH"]!,
          TROUPE_NAMESPACE: node.namespace,
          TROUPE_HANDLERS: `${import.meta.dir}/handlers`
        },
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore"
      }
    )
    const second = await eventually("the second run", () => node.lines()[1])
    again.kill("SIGTERM")
    expect(await again.exited).toBe(0)
    expect(second).toMatchObject({ attempt: 2 })
    expect(id).toStartWith("default.0.")
  }, 120_000)

  test("waits no longer at a second signal, and still hands back", async () => {
    await using node = await startNode({ workers: 1, env: { TROUPE_DRAIN: "10 minutes" } })
    await node.submit("crash.lasts-once")
    await eventually("the first run", () => node.lines()[0])

    node.child.kill("SIGTERM")
    await eventually("the API to be gone", () => (node.api().length === 0 ? true : undefined))
    node.child.kill("SIGTERM")

    await node.ended()
  }, 120_000)
})

describe("a node that is killed", () => {
  test("takes its processes with it: they see that it is gone, and drain", async () => {
    await using node = await startNode({ workers: 2 })
    const pids = [...node.workers(), ...node.api()]
    expect(pids.length).toBe(3)

    node.child.kill("SIGKILL")

    await eventually("the children to end", () => (pids.some(isAlive) ? undefined : true))
  }, 120_000)
})

describe("a Redis that is killed under load", () => {
  test("comes back, and every process works on without a restart of its own", async () => {
    await using node = await startNode({ workers: 2, privateRedis: true })
    const pids = [...node.workers(), ...node.api()]
    const acknowledged: Array<string> = []
    let refused = 0
    let on = true
    const submitters = Array.from({ length: 8 }, async () => {
      while (on) {
        await node.submit("crash.brief", acknowledged.length).then(
          (id) => acknowledged.push(id),
          () => (refused += 1)
        )
      }
    })

    for (const round of [1, 2]) {
      const before = acknowledged.length
      await eventually("load", () => (acknowledged.length > before + 200 ? true : undefined))
      const [redis] = node.redis()
      process.kill(redis!, "SIGKILL")
      await eventually(`Redis to be back, round ${round}`, () =>
        node.redis().some((pid) => pid !== redis) ? true : undefined
      )
    }
    const before = acknowledged.length
    await eventually("load after it came back", () => (acknowledged.length > before + 200 ? true : undefined))
    on = false
    await Promise.all(submitters)

    const states = await Promise.all(acknowledged.map(async (id) => (await node.result(id)).status))
    const lost = states.slice(0, before).filter((status) => status === 404).length
    // Redis, with an append-only file that is synced every second, holds a write back while the disk is busy with the
    // last sync: what it acknowledged in that time dies with it. Nothing else is lost, and nothing is stuck.
    expect(states.slice(0, before).filter((status) => status !== 200 && status !== 404)).toEqual([])
    expect(states.slice(before).filter((status) => status !== 200)).toEqual([])
    expect([...node.workers(), ...node.api()]).toEqual(pids)
    console.log(
      `${states.length - lost} acknowledged tasks ended, ${lost} went with Redis, ${refused} submits were refused`
    )
  }, 120_000)
})
