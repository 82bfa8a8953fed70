/** A real node for tests: `troupe up` as a process of its own, with its worker processes and its API. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { hear, servesAt } from "./hearing.ts"
import { aNamespace, redisUrl } from "./redis.ts"
import { eventually, isAlive } from "./waiting.ts"

export { eventually, isAlive } from "./waiting.ts"

const root = path.resolve(import.meta.dir, "../..")

const childrenOf = (pid: number): ReadonlyArray<number> =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number)

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")
  } catch {
    return ""
  }
}

export interface NodeOptions {
  readonly workers?: number | string
  /** Another node whose system it joins. */
  readonly beside?: { readonly namespace: string; readonly folder: string }
  /** Start a private Redis instead of using the tests'. */
  readonly privateRedis?: boolean
  readonly env?: Readonly<Record<string, string>>
}

/** A run that a handler of `test/crash/handlers` wrote down. */
export interface Line {
  readonly n: number
  readonly attempt: number
  readonly what: string
  readonly pid: number
  readonly at: number
}

export const startNode = async ({
  beside,
  env = {},
  privateRedis = false,
  workers = 2
}: NodeOptions = {}) => {
  const folder = mkdtempSync(`${tmpdir()}/troupe-node-`)
  const namespace = beside?.namespace ?? aNamespace()
  const child = Bun.spawn(
    [
      process.execPath,
      `${root}/api/main.ts`,
      "up",
      "--no-sample",
      "--port",
      "0",
      "--workers",
      String(workers)
    ],
    {
      cwd: folder,
      env: {
        PATH: process.env["PATH"]!,
        HOME: folder,
        TROUPE_NAMESPACE: namespace,
        TROUPE_HANDLERS: `${root}/test/crash/handlers`,
        TROUPE_LOG: "warn",
        ...(privateRedis ? {} : { REDIS_URL: redisUrl }),
        ...env
      },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe"
    }
  )
  const { said } = hear(child.stderr)
  const url = await eventually("the node to be up", () => {
    if (child.exitCode !== null) throw new Error(`the node ended with ${child.exitCode}: ${said()}`)
    return servesAt(said())
  })
  const history = `${beside?.folder ?? folder}/history`
  const processes = (command: string) =>
    childrenOf(child.pid).filter((pid) => commandOf(pid).includes(command))

  const json = async (way: string, init?: RequestInit) => {
    const response = await fetch(`${url}/v1${way}`, init)
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }

  return {
    url,
    folder,
    namespace,
    child,
    stderr: said,
    /** Succeeds once it has exited with 0; fails with what it said. */
    ended: async () => {
      const code = await child.exited
      if (code !== 0) throw new Error(`the node ended with ${code}: ${said()}`)
    },
    workers: () => processes("main.ts worker"),
    api: () => processes("main.ts api"),
    redis: () => processes("unixsocket:"),
    /** Kills it with all its processes, so that nobody sees any of them exit. */
    kill: () => {
      for (const pid of [child.pid, ...childrenOf(child.pid)]) process.kill(pid, "SIGKILL")
    },
    json,
    post: (way: string) => json(way, { method: "POST" }),
    /** The items of a list, as `/workers`. */
    list: async (way: "workers" | "nodes") =>
      (await json(`/${way}`)).body[way] as ReadonlyArray<Record<string, unknown>>,
    submit: async (name: string, n = 0, more: object = {}): Promise<string> => {
      const { body, status } = await json("/tasks", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ name, input: { file: history, n, ...more } })
      })
      if (status !== 202) throw new Error(`not acknowledged: ${status} ${JSON.stringify(body)}`)
      return String(body["id"])
    },
    result: (id: string) => json(`/tasks/${id}/result?waitMs=15000`),
    task: async (id: string) => (await json(`/tasks/${id}`)).body,
    lines: (): ReadonlyArray<Line> => {
      try {
        return readFileSync(history, "utf8")
          .trim()
          .split("\n")
          .filter(Boolean)
          .map((line) => JSON.parse(line))
      } catch {
        return []
      }
    },
    /** Whatever the test left running ends. */
    [Symbol.asyncDispose]: async () => {
      const all = isAlive(child.pid) ? [...childrenOf(child.pid), child.pid] : []
      for (const pid of all) if (isAlive(pid)) process.kill(pid, "SIGKILL")
      await child.exited
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
