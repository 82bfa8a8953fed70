/** Several nodes and what they look after: real processes, real signals, a real Redis. */
import { describe, expect, test } from "bun:test"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { eventually, isAlive, type Line, startNode } from "../support/node.ts"
import { aNamespace, redisUrl } from "../support/redis.ts"
import { atMost } from "./scene.ts"

const main = `${import.meta.dir}/../../api/main.ts`

const shortLease = { TROUPE_LEASE: "2 seconds", TROUPE_LOG: "error" }

// They mostly wait.
const inTurn = atMost(2)
const promise = (sentence: string, holds: () => Promise<void>) =>
  test.concurrent(sentence, () => inTurn(holds), 300_000)

type Node = Awaited<ReturnType<typeof startNode>>

const gapsOf = (times: ReadonlyArray<number>) => {
  const inOrder = times.toSorted((a, b) => a - b)
  return inOrder.slice(1).map((to, before) => ({ from: inOrder[before]!, to, ms: to - inOrder[before]! }))
}

/**
 * How long tasks came and none ran. While the machine stands still for all (seen: 1.3 s, for the submitters as for the
 * workers) none comes: the longest time in a pause in which nothing was acknowledged does not count.
 */
const longestPauseMs = (ran: ReadonlyArray<number>, acknowledged: ReadonlyArray<number>) =>
  Math.max(
    ...gapsOf(ran).map(({ from, to, ms }) => {
      const within = acknowledged.filter((at) => at > from && at < to)
      return ms - Math.max(...gapsOf([from, ...within, to]).map((quiet) => quiet.ms))
    })
  )

const started = (node: Node, n: number) => (line: Line) => line.n === n && node.workers().includes(line.pid)

describe("two nodes on one Redis", () => {
  promise(
    "are one system: what a lost one ran ends on the other within the lease and two seconds",
    async () => {
      const env = { TROUPE_LEASE: "3 seconds", TROUPE_LOG: "error" }
      await using lost = await startNode({ workers: 1, env })
      await using other = await startNode({ workers: 1, env, beside: lost })
      const seen = await eventually("both to be seen", async () => {
        const workers = await other.list("workers")
        return workers.length === 2 ? workers : undefined
      })
      const nodes = await other.list("nodes")
      expect(nodes).toMatchObject(
        [lost, other]
          .map(({ child: { pid } }) => ({ pid, state: "running", workers: 1 }))
          .sort((a, b) => a.pid - b.pid)
      )
      expect(new Set(seen.map(({ node }) => node))).toEqual(new Set(nodes.map(({ id }) => id)))

      // Who claims a task is chance: one of a few runs on the node that will be lost.
      const ids: Array<string> = []
      const first = await eventually("a task to run there", async () => {
        ids.push(await other.submit("crash.lasts-once", ids.length))
        await eventually("it to run", () => other.lines().find(({ n }) => n === ids.length - 1))
        return other.lines().find(started(lost, ids.length - 1))
      })
      const killedAt = Date.now()
      lost.kill()

      const { body, status } = await other.result(ids[first.n]!)
      expect({ body, status }).toEqual({ status: 200, body: { attempt: 2 } })
      const second = other.lines().find(({ attempt, n }) => n === first.n && attempt === 2)!
      expect(second.at - killedAt).toBeLessThan(3_000 + 2_000)
      console.log(`the task ran elsewhere ${second.at - killedAt} ms after its node was lost`)

      // A node heartbeats for itself: it may have done so later than the worker that is lost with it.
      const states = await eventually("the node to be lost", async () => {
        const nodes = await other.list("nodes")
        const states = [lost, other].map(({ child }) => nodes.find(({ pid }) => pid === child.pid)?.["state"])
        return states[0] === "running" ? undefined : states
      })
      expect(states).toEqual(["lost", "running"])
    }
  )
})

describe("a worker that says nothing, though its process lives", () => {
  promise("keeps the task that blocks it, for longer than its lease", async () => {
    await using node = await startNode({ workers: 2, env: shortLease })
    const id = await node.submit("crash.blocks-once", 0, { blockMs: 4_000 })

    const { body } = await node.result(id)

    expect(body).toEqual({ attempt: 1 })
    expect(node.lines().map(({ what }) => what)).toEqual(["started", "ended"])
  })

  promise("keeps what it uses of a limit, so that no other run starts beside it", async () => {
    await using node = await startNode({ workers: 2, env: shortLease })
    const ids = [
      await node.submit("crash.blocks-limited", 0, { blockMs: 4_000 }),
      await node.submit("crash.blocks-limited", 1, { blockMs: 0 })
    ]

    for (const id of ids) expect((await node.result(id)).status).toBe(200)

    expect(node.lines().map(({ what }) => what)).toEqual(["started", "ended", "started", "ended"])
  })

  promise("keeps what it runs while it is stopped, for longer than its lease", async () => {
    await using node = await startNode({ workers: 2, env: shortLease })
    const id = await node.submit("crash.unhurried")
    const { pid } = await eventually("the run", () => node.lines()[0])
    process.kill(pid, "SIGSTOP")
    await Bun.sleep(4_000)
    process.kill(pid, "SIGCONT")

    const { body } = await node.result(id)

    expect(body).toEqual({ attempt: 1 })
    expect(node.lines().map((line) => line.pid)).toEqual([pid, pid])
  })

  promise("is not one that drains, for however long", async () => {
    await using node = await startNode({
      workers: 1,
      env: { ...shortLease, TROUPE_STALL: "1 second", TROUPE_DRAIN: "10 minutes" }
    })
    const gate = `${node.folder}/gate`
    await node.submit("crash.unhurried", 0, { gate })
    const { pid } = await eventually("the run", () => node.lines()[0])
    node.child.kill("SIGTERM")
    await eventually("the API to be gone", () => (node.api().length === 0 ? true : undefined))
    await Bun.sleep(3_000)
    writeFileSync(gate, "")

    await node.ended()
    expect(node.lines().map((line) => [line.pid, line.what])).toEqual([
      [pid, "started"],
      [pid, "finished"]
    ])
  })

  promise("is killed when it says nothing for too long, and its task runs elsewhere at once", async () => {
    await using node = await startNode({ workers: 2, env: { ...shortLease, TROUPE_STALL: "2 seconds" } })
    const id = await node.submit("crash.blocks-once", 0, { blockMs: 60_000 })

    const { body } = await node.result(id)

    expect(body).toEqual({ attempt: 2 })
    const [first, second] = node.lines()
    expect(isAlive(first!.pid)).toBe(false)
    // It may have said something for the last time up to a heartbeat before.
    expect(second!.at - first!.at).toBeGreaterThan(2_000 - 333)
    expect(second!.at - first!.at).toBeLessThan(2_000 + 2_000)
    console.log(`the task ran elsewhere ${second!.at - first!.at} ms after it blocked its worker`)
  })
})

describe("the process of an isolated run", () => {
  promise("ends with its worker, whatever it does, and its task runs elsewhere", async () => {
    await using node = await startNode({ workers: 2 })
    const id = await node.submit("crash.burns-once")
    const first = await eventually("the run", () => node.lines()[0])
    expect(node.workers()).not.toContain(first.pid)
    const worker = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${first.pid}/status`, "utf8"))![1])
    expect(node.workers()).toContain(worker)

    process.kill(worker, "SIGKILL")

    expect((await node.result(id)).body).toEqual({ attempt: 2 })
    expect(isAlive(first.pid)).toBe(false)
  })
})

describe("a worker that has run its tasks", () => {
  promise("is recycled under load: nothing is lost, run twice or delayed", async () => {
    await using node = await startNode({
      workers: 2,
      env: { TROUPE_RECYCLE_TASKS: "40", TROUPE_LOG: "warn" }
    })
    const ids: Array<string> = []
    const acknowledged: Array<number> = []
    let on = true
    const pids = () => new Set(node.lines().map(({ pid }) => pid))
    const submitters = Array.from({ length: 4 }, async () => {
      while (on) {
        ids.push(await node.submit("crash.brief", ids.length))
        acknowledged.push(Date.now())
      }
    })
    await eventually("two to be recycled", () => (pids().size >= 4 ? true : undefined)).finally(() => {
      on = false
    })
    await Promise.all(submitters)

    const ended = await Promise.all(ids.map((id) => node.result(id)))
    expect(ended.filter(({ status }) => status !== 200)).toEqual([])
    expect(node.lines().length).toBe(ids.length)
    const pause = longestPauseMs(
      node.lines().map(({ at }) => at),
      acknowledged
    )
    expect(pause).toBeLessThan(1_000)
    expect(node.stderr()).toBe(node.stderr().replace(/ended with/, ""))
    console.log(`${ids.length} tasks on ${pids().size} processes, with no pause of over ${pause} ms`)
  })

  promise("ends what it still runs after its successor has taken its place", async () => {
    await using node = await startNode({
      workers: 1,
      env: { TROUPE_RECYCLE_TASKS: "1", TROUPE_DRAIN: "0 seconds" }
    })
    const [before] = node.workers()
    const gate = `${node.folder}/gate`
    const slow = await node.submit("crash.unhurried", 1, { gate })
    await eventually("it to run", () => node.lines()[0])
    // Its end is the task that was one too many.
    await node.submit("crash.brief", 2)

    await eventually("a successor that runs tasks", async () => {
      const { body } = await node.result(await node.submit("crash.brief", 3))
      expect(body).toEqual({ n: 3 })
      return node.lines().some(({ pid }) => pid !== before) ? true : undefined
    })
    // It has been asked to go for a while, and for longer than a drain.
    writeFileSync(gate, "")
    expect((await node.result(slow)).body).toEqual({ attempt: 1 })
    const runs = node.lines().filter(({ n }) => n === 1)
    expect(runs.map(({ pid, what }) => ({ pid, what }))).toEqual([
      { pid: before!, what: "started" },
      { pid: before!, what: "finished" }
    ])
    await eventually("the old one to be gone", () => (isAlive(before!) ? undefined : true))
  })
})

describe("a worker that cannot be started", () => {
  promise("is tried a few times, and then its node gives up with a clear word", async () => {
    const folder = mkdtempSync(`${tmpdir()}/troupe-node-`)
    await Bun.write(`${folder}/handlers/dies.ts`, "process.exit(7)")
    const node = Bun.spawn([process.execPath, main, "up", "--no-sample", "--port", "0", "--workers", "1"], {
      cwd: folder,
      env: {
        PATH: process.env["PATH"]!,
        REDIS_URL: redisUrl,
        TROUPE_NAMESPACE: aNamespace(),
        TROUPE_HANDLERS: `${folder}/handlers`
      },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe"
    })
    const said = await new Response(node.stderr).text()

    expect(await node.exited).toBe(70)
    expect(said.match(/worker 1 \(pid \d+\) ended with 7; it is started again/g)?.length).toBe(3)
    expect(said).toContain("worker 1 cannot be kept alive, it last ended with 7; see what it said above")
    rmSync(folder, { recursive: true, force: true })
  })
})

describe("what is asked to go", () => {
  promise("a worker that was started alone ends", async () => {
    await using node = await startNode({ workers: 1 })
    const alone = Bun.spawn([process.execPath, main, "worker"], {
      cwd: node.folder,
      env: { PATH: process.env["PATH"]!, REDIS_URL: redisUrl, TROUPE_NAMESPACE: node.namespace },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore"
    })
    const worker = await eventually("it to be seen", async () =>
      (await node.list("workers")).find(({ pid }) => pid === alone.pid)
    )
    expect(worker["node"]).toMatch(new RegExp(`-${alone.pid}$`))

    await node.post(`/workers/${String(worker["id"])}/drain`)

    expect(await alone.exited).toBe(0)
  })

  promise("a worker lets what it runs end, goes, and is not replaced", async () => {
    await using node = await startNode({ workers: 2 })
    const slow = await node.submit("crash.unhurried", 1)
    const { pid } = await eventually("it to run", () => node.lines()[0])
    const worker = (await node.list("workers")).find((one) => one["pid"] === pid)!

    expect(await node.post(`/workers/${String(worker["id"])}/drain`)).toMatchObject({ status: 202 })

    expect((await node.result(slow)).body).toEqual({ attempt: 1 })
    await eventually("it to be gone", () => (isAlive(pid) ? undefined : true))
    await eventually("its node to say so", async () =>
      (await node.list("nodes"))[0]?.["workers"] === 1 ? true : undefined
    )
    expect(node.workers().length).toBe(1)
    expect((await node.list("workers")).length).toBe(1)
    expect((await node.result(await node.submit("crash.brief"))).status).toBe(200)
  })

  promise("a node stops its processes in order, and exits with 0", async () => {
    await using node = await startNode({ workers: 2, env: { TROUPE_HEARTBEAT: "500 millis" } })
    await using other = await startNode({ workers: 1, beside: node })
    const slow = await node.submit("crash.unhurried", 1)
    await eventually("it to run", () => node.lines()[0])
    const pids = [...node.workers(), ...node.api()]
    const asked = (await other.list("nodes")).find(({ pid }) => pid === node.child.pid)!

    expect(await other.post(`/nodes/${String(asked["id"])}/drain`)).toMatchObject({ status: 202 })

    await node.ended()
    expect(pids.filter(isAlive)).toEqual([])
    expect((await other.result(slow)).body).toEqual({ attempt: 1 })
    expect((await other.list("nodes")).map(({ pid }) => pid)).toEqual([other.child.pid])
    expect(await other.post("/nodes/nobody-1/drain")).toMatchObject({ status: 404 })
  })
})

describe("a node between two numbers of workers", () => {
  promise("starts more when tasks wait for long, and lets them go when none does", async () => {
    await using node = await startNode({
      workers: "1..3",
      env: { TROUPE_QUEUES: "default:1", TROUPE_SCALE_UP: "300 millis", TROUPE_SCALE_DOWN: "1 second" }
    })
    expect(node.workers().length).toBe(1)
    const ids = await Promise.all(Array.from({ length: 30 }, (_, n) => node.submit("crash.unhurried", n)))

    await eventually("three workers", () => (node.workers().length === 3 ? true : undefined))
    const ended = await Promise.all(ids.map((id) => node.result(id)))
    expect(ended.map(({ body }) => body)).toEqual(ids.map(() => ({ attempt: 1 })))
    expect(new Set(node.lines().map(({ pid }) => pid)).size).toBe(3)
    await eventually("one worker", () => (node.workers().length === 1 ? true : undefined))
    expect(node.stderr()).not.toContain("ended with")
  })
})
