/**
 * A whole system to be hurt: a Redis of its own, a node, a worker and submitters over the library and over HTTP as real
 * processes, with proxies between them; and who is kept alive, and started again when it was killed.
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import type { HistoryEvent } from "../../support/history.ts"
import { historyIn } from "../../support/history-file.ts"
import { isAlive } from "../../support/waiting.ts"
import { startProxy } from "../../support/proxy.ts"
import { aFreePort } from "../../support/address.ts"
import type { DriverPlan } from "./calls.ts"
import { type Fsync, startServer } from "./server.ts"
import { startWire } from "./wire.ts"
import { queues } from "./workload.ts"

export interface SystemOptions {
  readonly folder: string
  /** The program, as one file (`program.ts`). */
  readonly program: string
  readonly leaseMs: number
  readonly fsync?: Fsync
  /** Beside the workers that run alone: a node with so many workers and an API. */
  readonly nodeWorkers: number
  /** How many workers run alone; the first of them is hit at named points. */
  readonly workers: number
}

/** What a process of ours is called, and may be drawn for a fault. */
export type Role = "node" | "worker" | "submitter"

interface Kept {
  readonly name: string
  readonly role: Role
  child: Bun.Subprocess
  /** Whether it is started again when it ends. */
  isKept: boolean
  said: string
}

const restartMs = 100

/** How long processes may take to begin on a machine that has much else to do, in milliseconds. */
const beginMaxMs = 180_000
const beginLookMs = 20

const begun = async (what: string, look: () => boolean) => {
  const until = performance.now() + beginMaxMs
  while (!look()) {
    if (performance.now() > until) throw new Error(`waited in vain for ${what}`)
    await Bun.sleep(beginLookMs)
  }
}

const childrenOf = (pid: number): ReadonlyArray<number> => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
      .trim()
      .split(" ")
      .filter(Boolean)
      .map(Number)
  } catch {
    return []
  }
}

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")
  } catch {
    return ""
  }
}

export const startSystem = async (options: SystemOptions) => {
  const { folder, leaseMs, nodeWorkers, program, workers } = options
  const histories = `${folder}/history`
  mkdirSync(histories, { recursive: true })
  const note: (event: HistoryEvent) => void = historyIn(histories, "harness")
  const server = await startServer(folder, options.fsync)
  const httpPort = aFreePort()
  const wires = {
    /** Between the node's processes and Redis; between submitters and Redis; between callers and the API. */
    node: await startWire(() => server.port),
    clients: await startWire(() => server.port),
    http: await startWire(() => httpPort)
  }
  /** They know scripts: a worker, and a submitter, can be hit at each of them. */
  const named = { worker: await startProxy(server.url), submitter: await startProxy(server.url) }
  const all = new Map<string, Kept>()
  let isOver = false

  const common = {
    PATH: process.env["PATH"]!,
    HOME: folder,
    CHAOS_HISTORY: histories,
    TROUPE_NAMESPACE: "chaos",
    TROUPE_LEASE: `${leaseMs} millis`,
    TROUPE_STALL: "2 seconds",
    TROUPE_QUEUES: Object.entries(queues)
      .map(([queue, count]) => `${queue}:${count}`)
      .join(","),
    TROUPE_DRAIN: "1 second",
    TROUPE_LOG: "warn"
  }

  const spawn = (
    name: string,
    role: Role,
    args: ReadonlyArray<string>,
    env: Readonly<Record<string, string>>,
    onEnd: (kept: Kept) => void
  ): Kept => {
    const child = Bun.spawn([process.execPath, program, ...args], {
      cwd: folder,
      env: { ...common, ...env },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe"
    })
    const kept: Kept = { name, role, child, isKept: true, said: "" }
    all.set(name, kept)
    void (async () => {
      for await (const text of child.stderr.pipeThrough(new TextDecoderStream()))
        kept.said = (kept.said + text).slice(-20_000)
    })()
    void child.exited.then(() => {
      if (!isOver && kept.isKept) onEnd(kept)
    })
    return kept
  }
  /** Starts it, and again whenever it ends. */
  const keep = (
    name: string,
    role: Role,
    args: ReadonlyArray<string>,
    env: Readonly<Record<string, string>>
  ) => {
    const again = (before: Kept) => {
      note({ op: "killed", process: String(before.child.pid) })
      setTimeout(() => {
        if (!isOver) spawn(name, role, args, env, again)
      }, restartMs)
    }
    return spawn(name, role, args, env, again)
  }

  /** Makes the access key of a tenant, as an operator would; from then on the API asks for one. */
  const accessKeys = new Map<string, string>()
  const admit = (tenant: string) => {
    const args = ["keys", "create", "--tenant", tenant, "--role", "admin", "--json"]
    const made = Bun.spawnSync([process.execPath, program, ...args], {
      cwd: folder,
      env: { ...common, REDIS_URL: server.url }
    })
    const { key } = JSON.parse(made.stdout.toString()) as { readonly key: string }
    accessKeys.set(tenant, key)
  }

  const tcp = (port: number) => `redis://127.0.0.1:${port}`
  for (let number = 0; number < workers; number++) {
    const url = number === 0 ? named.worker.url : server.url
    keep(`worker-${number}`, "worker", ["worker"], { REDIS_URL: url })
  }
  if (nodeWorkers > 0) {
    keep(
      "node",
      "node",
      ["up", "--no-sample", "--port", String(httpPort), "--workers", String(nodeWorkers)],
      {
        REDIS_URL: tcp(wires.node.port)
      }
    )
    // One that gives up, as on a machine that has too much to do, is started again.
    await begun("the node to be up", () => /Serving at/.test(all.get("node")!.said))
  }

  let isDismissed = false
  const submitters: Array<Promise<void>> = []
  const plans: Array<string> = []
  /** Starts a submitter and, when it is killed, again, until it is done. */
  const submit = (plan: DriverPlan, way: "library" | "http" | "named") => {
    const name = `submitter-${plan.number}`
    const done = Promise.withResolvers<void>()
    submitters.push(done.promise)
    plans.push(name)
    const env = {
      CHAOS_PLAN: JSON.stringify(plan),
      REDIS_URL: way === "named" ? named.submitter.url : tcp(wires.clients.port),
      ...(way === "http"
        ? { CHAOS_URL: `http://127.0.0.1:${wires.http.port}`, CHAOS_KEY: accessKeys.get(plan.tenant)! }
        : {})
    }
    const start = () => spawn(name, "submitter", ["submitter", name], env, ended)
    const ended = (before: Kept) => {
      if (before.child.exitCode === 0) return done.resolve()
      setTimeout(() => {
        if (!isOver && !isDismissed) start()
      }, restartMs)
    }
    start()
  }

  const pidsOfNode = (command: string): ReadonlyArray<number> => {
    const node = all.get("node")
    return node === undefined
      ? []
      : childrenOf(node.child.pid).filter((pid) => commandOf(pid).includes(`${program} ${command}`))
  }

  // Nothing of it outlives whoever runs it.
  const killAll = () => {
    const pids = [
      ...pidsOfNode("worker"),
      ...pidsOfNode("api"),
      ...[...all.values()].map(({ child }) => child.pid)
    ]
    for (const pid of pids) if (isAlive(pid)) process.kill(pid, "SIGKILL")
  }
  process.on("exit", killAll)

  return {
    histories,
    note,
    server,
    wires,
    named,
    admit,
    submit,
    /** When all of them have begun, and when they are done. */
    submitting: () =>
      begun("the submitters to begin", () => plans.every((name) => existsSync(`${histories}/${name}`))),
    submitted: () => Promise.all(submitters),
    /** Ends those that are not done: what they were still to submit is not submitted. */
    dismiss: async () => {
      isDismissed = true
      const left = [...all.values()].filter(({ role }) => role === "submitter").map(({ child }) => child)
      for (const child of left) child.kill("SIGKILL")
      await Promise.all(left.map(({ exited }) => exited))
    },
    pidOf: (name: string) => all.get(name)?.child.pid,
    node: () => all.get("node")?.child.pid,
    nodeWorkers: () => pidsOfNode("worker"),
    api: () => pidsOfNode("api"),
    /** The workers that run alone. */
    workers: () => [...all.values()].flatMap(({ child, role }) => (role === "worker" ? [child.pid] : [])),
    submitters: () =>
      [...all.values()].flatMap(({ child, role }) => (role === "submitter" ? [child.pid] : [])),
    isAlive,
    /** What its processes last had to say. */
    said: () => [...all.values()].map(({ name, said }) => `--- ${name}\n${said}`).join("\n"),
    stop: async () => {
      isOver = true
      killAll()
      await Promise.all([...all.values()].map(({ child }) => child.exited))
      for (const wire of Object.values(wires)) wire.close()
      for (const proxy of Object.values(named)) proxy.close()
      await server.stop()
      process.off("exit", killAll)
    }
  }
}

export type System = Awaited<ReturnType<typeof startSystem>>
