/** What handlers have started, when the process that ran them is killed: real processes, real signals, a real Redis. */
import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { eventually, isAlive, startNode } from "../support/node.ts"

const parentOf = (pid: number) =>
  Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1])

describe("a process that a handler has started", () => {
  for (const [how, handler, workerOf] of [
    ["in a process of its own", "crash.isolated-parent", undefined],
    ["in its worker", "crash.plain-parent", "itself"]
  ] as const) {
    test(`${how} ends when the worker is killed, and the task runs elsewhere`, async () => {
      await using node = await startNode({ workers: 2 })
      const id = await node.submit(handler)
      const run = await eventually("the run", () => node.lines()[0])
      const started = Number(run.what)
      expect(isAlive(started)).toBe(true)
      const worker = workerOf === "itself" ? run.pid : parentOf(run.pid)
      expect(node.workers()).toContain(worker)

      process.kill(worker, "SIGKILL")

      expect((await node.result(id)).body).toEqual({ attempt: 2 })
      await eventually("its end", () => (isAlive(started) ? undefined : true))
    }, 60_000)
  }
})
