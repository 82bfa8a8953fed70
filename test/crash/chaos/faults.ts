/**
 * What may happen to a system, by name: who is hit, for how long, and what makes it good again. Each is told a chance of
 * its own, so that the same seed does the same.
 */
import type { Chance } from "../../support/chance.ts"
import { ofAgents, ofSubmitter, ofWorker } from "../../support/faults.ts"
import type { Harm, Place } from "../../support/proxy.ts"
import type { System } from "./system.ts"
import type { Wire, WireHarm } from "./wire.ts"

/** What was done, in words; it resolves when all works again. */
export type Fault = (system: Hurt, chance: Chance) => Promise<string>

export interface Hurt extends System {
  /** Submits a task that takes its workers with it, and gives its id. */
  readonly poison: () => Promise<string>
}

/** How long what goes on for a while does, in milliseconds. */
const whileMs = (chance: Chance, least = 200, most = 2_500) => least + chance.below(most - least)

/** How long a named point is waited for. */
const namedMaxMs = 4_000

const blow = ({ note }: System, op: "killed" | "paused" | "cut", pids: ReadonlyArray<number>) => {
  for (const pid of pids) note({ op, process: String(pid) })
}

const signal = (pid: number, name: "SIGKILL" | "SIGSTOP" | "SIGCONT") => {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended meanwhile.
  }
}

/** Everybody who runs tasks. */
const runners = (system: System) => [...system.workers(), ...system.nodeWorkers()]

const kill =
  (who: string, pids: (system: System) => ReadonlyArray<number>): Fault =>
  async (system, chance) => {
    const there = pids(system)
    if (there.length === 0) return `nobody: ${who} is being started`
    const pid = chance.one(there)
    signal(pid, "SIGKILL")
    blow(system, "killed", [pid])
    return `${who} ${pid}`
  }

const pause =
  (who: string, pids: (system: System) => ReadonlyArray<number>, most?: number): Fault =>
  async (system, chance) => {
    const there = pids(system)
    const ms = whileMs(chance, 300, most)
    if (there.length === 0) return `nobody: ${who} is being started`
    const pid = chance.one(there)
    signal(pid, "SIGSTOP")
    blow(system, "paused", [pid])
    await Bun.sleep(ms)
    signal(pid, "SIGCONT")
    return `${who} ${pid} for ${ms} ms`
  }

const wireHarms: Readonly<Record<string, (chance: Chance) => WireHarm>> = {
  "no replies": () => ({ kind: "no replies" }),
  "no requests": () => ({ kind: "no requests" }),
  delay: (chance) => ({ kind: "delay", ms: 20 + chance.below(600) }),
  crumbs: () => ({ kind: "crumbs" })
}

const wired =
  (where: keyof System["wires"], harm: (chance: Chance) => WireHarm): Fault =>
  async (system, chance) => {
    const wire: Wire = system.wires[where]
    const ms = whileMs(chance)
    if (where === "node") blow(system, "paused", system.nodeWorkers())
    wire.harm(harm(chance))
    await Bun.sleep(ms)
    wire.heal()
    if (where === "node") blow(system, "paused", system.nodeWorkers())
    return `${where} for ${ms} ms`
  }

const reset =
  (where: keyof System["wires"]): Fault =>
  async (system) => {
    if (where === "node") blow(system, "cut", system.nodeWorkers())
    system.wires[where].reset()
    return where
  }

const namedKinds: ReadonlyArray<Harm["kind"]> = ["kill before", "kill after", "drop", "hold", "late"]

/** Hits a process at a script that it sends. */
const atPoint =
  (who: "worker" | "submitter", places: Readonly<Record<string, Place>>): Fault =>
  async (system, chance) => {
    const name = chance.one(Object.keys(places))
    const kind = chance.one(namedKinds)
    const holdMs = whileMs(chance, 500, 4_000)
    const pid = () => (who === "worker" ? system.workers()[0] : system.submitters()[0])
    const strike = () => {
      const hit = pid()
      if (hit === undefined) return
      signal(hit, "SIGKILL")
      blow(system, "killed", [hit])
    }
    const harm: Harm =
      kind === "kill before" || kind === "kill after"
        ? { kind, kill: strike }
        : kind === "hold"
          ? { kind, ms: holdMs }
          : { kind }
    const { over, struck } = system.named[who].harm(places[name]!, harm)
    const isStruck = await Promise.race([struck.then(() => true), Bun.sleep(namedMaxMs).then(() => false)])
    const hit = pid()
    if (isStruck && hit !== undefined && who === "worker")
      blow(system, kind === "drop" ? "cut" : "paused", [hit])
    if (isStruck && (kind === "hold" || kind === "late")) {
      await Promise.race([over, Bun.sleep(2 * namedMaxMs)])
      if (who === "worker" && hit !== undefined) blow(system, "paused", [hit])
    }
    return `${who}: ${kind} ${name}${isStruck ? "" : ", which was not reached"}`
  }

/** What everybody feels who talks to Redis. */
const ofAll =
  (harm: (system: Hurt, chance: Chance) => Promise<string>): Fault =>
  async (system, chance) => {
    system.note({ op: "paused", process: "*" })
    const said = await harm(system, chance)
    system.note({ op: "paused", process: "*" })
    return said
  }

const redisKill = ofAll(async ({ server }, chance) => {
  const ms = whileMs(chance, 0, 2_000)
  await server.kill()
  await Bun.sleep(ms)
  await server.start()
  return `back after ${ms} ms`
})

const powerLoss = ofAll(async ({ server }, chance) => {
  const ms = whileMs(chance, 0, 1_000)
  const bytes = await server.losePower()
  await Bun.sleep(ms)
  await server.start()
  return `${bytes} bytes of what was not synced are gone, back after ${ms} ms`
})

const redisPause = ofAll(async ({ server }, chance) => {
  const ms = whileMs(chance)
  server.freeze()
  await Bun.sleep(ms)
  server.thaw()
  return `for ${ms} ms`
})

const busy = ofAll(async ({ server }, chance) => {
  const ms = whileMs(chance, 200, 1_200)
  const loop = `local t = redis.call("TIME") local from = t[1] * 1000 + t[2] / 1000
    repeat t = redis.call("TIME") until t[1] * 1000 + t[2] / 1000 - from > ${ms} return 1`
  await server.client.eval(loop, 0)
  return `for ${ms} ms`
})

const memory = ofAll(async ({ server }, chance) => {
  const ms = whileMs(chance)
  const used = Number(/used_memory:(\d+)/.exec(await server.client.info("memory"))?.[1])
  await server.client.config("SET", "maxmemory", Math.floor(used * 0.9))
  await Bun.sleep(ms)
  await server.client.config("SET", "maxmemory", 0)
  return `for ${ms} ms`
})

/** With a sync before each answer Redis ends when it cannot write; with one a second it refuses, and goes on. */
const disk = (isLenient: boolean): Fault =>
  ofAll(async ({ server }, chance) => {
    const ms = whileMs(chance, 500)
    if (isLenient) await server.client.config("SET", "appendfsync", "everysec")
    server.fillDisk()
    await Bun.sleep(ms)
    server.freeDisk()
    if (!server.isAlive()) {
      await server.start()
      return `Redis ended within ${ms} ms, and was started again`
    }
    // It tries again what it holds once a second.
    for (let looks = 0; looks < 100; looks++) {
      const info = await server.client.info("persistence")
      if (info.includes("aof_last_write_status:ok") && info.includes("aof_pending_bio_fsync:0")) break
      await Bun.sleep(50)
    }
    if (isLenient) {
      await Bun.sleep(1_100)
      await server.client.config("SET", "appendfsync", server.fsync)
    }
    return `for ${ms} ms`
  })

const jumpMaxMs = 60_000

const clock: Fault = ofAll(async ({ server }, chance) => {
  const ms = (chance.of(0.5) ? 1 : -1) * whileMs(chance, 1_500, jumpMaxMs)
  server.jump(ms)
  return `by ${ms} ms`
})

export interface FaultSpec {
  readonly fault: Fault
  /** How often it is drawn, of all. */
  readonly share: number
  /** Whether it takes the library that is compiled on the spot. */
  readonly needsShim?: true
}

const named = (fault: Fault, share: number): FaultSpec => ({ fault, share })
const shimmed = (fault: Fault, share: number): FaultSpec => ({ fault, share, needsShim: true })

export const faults: Readonly<Record<string, FaultSpec>> = {
  "kill worker": named(kill("worker", runners), 10),
  "kill API": named(
    kill("API", (system) => system.api()),
    3
  ),
  "kill node": named(async (system) => {
    const node = system.node()
    if (node === undefined) return "nobody"
    // What is left drains by itself, for a second.
    blow(system, "killed", system.nodeWorkers())
    signal(node, "SIGKILL")
    return String(node)
  }, 2),
  "kill submitter": named(
    kill("submitter", (system) => system.submitters()),
    4
  ),
  poison: named(async ({ poison }) => poison(), 3),
  "pause worker": named(pause("worker", runners, 5_000), 8),
  "pause API": named(
    pause("API", (system) => system.api()),
    3
  ),
  "pause submitter": named(
    pause("submitter", (system) => system.submitters()),
    3
  ),
  "worker at a point": named(atPoint("worker", { ...ofWorker, ...ofAgents }), 12),
  "submitter at a point": named(atPoint("submitter", ofSubmitter), 6),
  ...Object.fromEntries(
    (["node", "clients", "http"] as const).flatMap((where) => [
      ...Object.entries(wireHarms).map(([name, harm]): readonly [string, FaultSpec] => [
        `wire ${where}: ${name}`,
        named(wired(where, harm), 2)
      ]),
      [`wire ${where}: reset`, named(reset(where), 2)] as const
    ])
  ),
  "kill Redis": named(redisKill, 4),
  "pause Redis": named(redisPause, 3),
  "power loss": shimmed(powerLoss, 4),
  "function flush": named(
    ofAll(async ({ server }) => {
      await server.client.function("FLUSH")
      return "all"
    }),
    3
  ),
  "client kill": named(
    ofAll(async ({ server }) => {
      await server.client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
      return "all"
    }),
    3
  ),
  "busy script": named(busy, 3),
  "memory full": named(memory, 3),
  "disk full": shimmed(disk(false), 2),
  "disk full, synced each second": shimmed(disk(true), 2),
  "clock jump": shimmed(clock, 3)
}
