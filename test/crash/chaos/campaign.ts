/**
 * One campaign: a system is started, worked with and hurt, then left to heal; when all is over it is looked at, and the
 * histories are checked. Everything that is left to chance follows from the seed.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { connect, RedisUnusable, type Troupe } from "../../../api/client/index.ts"
import { chanceOf } from "../../support/chance.ts"
import { verdictOn } from "../../support/history-check.ts"
import { factsOf } from "../../support/history-facts.ts"
import { readHistories, readHistory } from "../../support/history-file.ts"
import { baseline } from "../../support/history-system.ts"
import { everything, type Mix } from "./calls.ts"
import { type Fault, faults } from "./faults.ts"
import { lookAtAll, lookAtKeys, lookAtRest } from "./look.ts"
import type { Fsync } from "./server.ts"
import { startSystem } from "./system.ts"
import { drawTimeline, groupOf, type Planned } from "./timeline.ts"
import { all } from "./workload.ts"

export interface CampaignOptions {
  readonly seed: number
  /** How many calls are made by all submitters, within how long; a call is mostly a task, and sometimes a batch. */
  readonly calls: number
  /** How many tasks a batch has; default 10. */
  readonly batch?: number
  readonly seconds: number
  readonly faults: number
  /** The program, as one file. */
  readonly program: string
  readonly leaseMs?: number
  readonly fsync?: Fsync
  readonly mix?: Mix
  /** Which faults may be drawn. */
  readonly names?: ReadonlyArray<string>
  /** Which happen for certain, beside those, and when. */
  readonly sure?: ReadonlyArray<readonly [atMs: number, fault: string | Fault]>
  readonly submitters?: ReadonlyArray<"library" | "http" | "named">
  readonly nodeWorkers?: number
  readonly workers?: number
  readonly schedules?: boolean
  /** Whether it is waited for until everything is past its time. */
  readonly rest?: boolean
  /** For how long nothing may happen, and nothing be broken any more, before it is waited for no longer, in milliseconds. */
  readonly patienceMs?: number
  readonly say?: (line: string) => void
}

export const batchDefault = 10

const stallLookMs = 20

const patienceDefaultMs = 60_000

/** Whose tasks are submitted beside those of the tenant `default`. */
const others = ["acme", "zeta"]

/** How often it is tried to connect, on a machine that has much else to do. */
const connectsMax = 10

const connectAs = async (tenant: string, redisUrl: string): Promise<Troupe> => {
  const settings = { log: "None" } as const
  for (let left = connectsMax; ; left--) {
    try {
      return await connect({ redisUrl, namespace: "chaos", handlers: all, settings, tenant })
    } catch (error) {
      if (left === 0 || !(error instanceof RedisUnusable)) throw error
    }
  }
}

const quietLookMs = 100

/** How much the processes have written so far. */
const writtenBy = (folder: string) =>
  readdirSync(folder).reduce(
    (sum, name) => sum + (name === "harness" ? 0 : statSync(`${folder}/${name}`).size),
    0
  )

/** What goes on forever is progress, too: it is waited for so many times as long, or as long again as it was to take. */
const quietsMax = 10

/** Waits for something, for as long as there is progress toward it; says whether it is done. */
const unlessQuiet = async (
  done: Promise<unknown>,
  progress: () => number,
  quietMs: number,
  plannedMs: number
): Promise<boolean> => {
  let isDone = false
  void done.then(() => {
    isDone = true
  })
  let [last, since] = [progress(), performance.now()]
  const until = since + Math.max(quietsMax * quietMs, plannedMs)
  while (!isDone && performance.now() - since < quietMs && performance.now() < until) {
    await Bun.sleep(quietLookMs)
    const now = progress()
    if (now !== last) [last, since] = [now, performance.now()]
  }
  return isDone
}

const folderFor = () => {
  try {
    // A sync of a file in memory costs nothing, and what has been synced is what counts.
    return mkdtempSync("/dev/shm/troupe-chaos-")
  } catch {
    return mkdtempSync(`${tmpdir()}/troupe-chaos-`)
  }
}

export const runCampaign = async (options: CampaignOptions) => {
  const {
    batch = batchDefault,
    calls,
    leaseMs = 3_000,
    mix = everything,
    say = () => {},
    seconds,
    seed
  } = options
  const patienceMs = options.patienceMs ?? patienceDefaultMs
  const ways = options.submitters ?? ["library", "http", "named"]
  const folder = folderFor()
  const system = await startSystem({
    folder,
    program: options.program,
    leaseMs,
    nodeWorkers: options.nodeWorkers ?? 2,
    workers: options.workers ?? 2,
    ...(options.fsync === undefined ? {} : { fsync: options.fsync })
  })
  const { note, server } = system
  const startedAt = performance.now()
  const sinceMs = () => Math.round(performance.now() - startedAt)
  const timeline: Array<string> = []

  let before = performance.now()
  const stalls = setInterval(() => {
    const now = performance.now()
    const ms = Math.round(now - before - stallLookMs)
    if (ms > stallLookMs) note({ op: "stall", ms })
    before = now
  }, stallLookMs)

  const tenants = ["default", ...others].slice(0, ways.length)
  const troupes = new Map<string, Troupe>()
  for (const tenant of tenants) troupes.set(tenant, await connectAs(tenant, server.url))
  const troupe = troupes.get("default")!
  const poison = async () => {
    const label = `poison-${sinceMs()}`
    note({ op: "submit", label, phase: "invoke", terms: { runs: 3, state: "failed" } })
    const { id } = await troupe.submit("chaos.poison", { label })
    note({ op: "submit", label, phase: "ok", task: id })
    return id
  }
  try {
    for (const [number, way] of ways.entries())
      if (way === "http") system.admit(tenants[number % tenants.length]!)
    await lookAtKeys(system, "before")

    const active = new Set<Promise<void>>()
    const locks = new Map<string, Promise<void>>()
    const happen = async (name: string, fault: Fault, chanceSeed: number, number: number) => {
      const group = groupOf(name)
      if (group !== undefined) await locks.get(group)
      const at = sinceMs()
      note({ op: "fault", phase: "begin", name })
      const going = fault({ ...system, poison }, chanceOf(chanceSeed))
        .catch((error: unknown) => `failed: ${error instanceof Error ? error.message : String(error)}`)
        .then((said) => {
          const line = `${String(number).padStart(4)}  ${(at / 1_000).toFixed(1).padStart(7)} s  ${name}: ${said}`
          timeline.push(line)
          say(line)
          active.delete(going)
          if (active.size === 0) note({ op: "fault", phase: "healed", name })
        })
      active.add(going)
      if (group !== undefined) locks.set(group, going)
      await going
    }

    if (options.schedules !== false) {
      for (const missed of ["run-all", "skip"] as const) {
        note({ op: "schedule", schedule: missed, everyMs: 1_000, missed })
        await troupe.schedules.create(
          "chaos.slot",
          { label: missed },
          {
            id: missed,
            every: "1 second",
            missed,
            queue: "main"
          }
        )
      }
    }
    for (const [number, way] of ways.entries()) {
      const each = Math.ceil(calls / ways.length)
      const tenant = tenants[number % tenants.length]!
      system.submit({ number, seed, tenant, calls: each, perSecond: each / seconds, mix, batch }, way)
    }

    await system.submitting()
    const drawn = drawTimeline({
      seed,
      count: options.faults,
      withinMs: seconds * 1_000,
      hasShim: server.hasShim,
      ...(options.names === undefined ? {} : { names: options.names })
    }).map(({ atMs, name, number, seed }: Planned) => ({
      atMs,
      name,
      number,
      seed,
      fault: faults[name]!.fault
    }))
    const sure = (options.sure ?? []).map(([atMs, fault], at) => ({
      atMs,
      name: typeof fault === "string" ? fault : fault.name || "fault",
      number: drawn.length + at,
      seed: seed + at,
      fault: typeof fault === "string" ? faults[fault]!.fault : fault
    }))
    await Promise.all(
      [...drawn, ...sure].map(async ({ atMs, fault, name, number, seed }) => {
        await Bun.sleep(atMs)
        await happen(name, fault, seed, number)
      })
    )

    // What waits now comes due sooner than it was meant to, as after any jump.
    const name = "clock catches up"
    note({ op: "fault", phase: "begin", name })
    server.catchUp()
    note({ op: "fault", phase: "healed", name })
    const written = () => writtenBy(system.histories)
    const isSubmitted = await unlessQuiet(system.submitted(), written, patienceMs, seconds * 1_000)
    if (options.schedules !== false)
      for (const id of ["run-all", "skip"]) await troupe.schedules.delete(id).catch(() => {})
    // What came while it is looked at would not be seen to end.
    if (!isSubmitted) await system.dismiss()
    say(`${isSubmitted ? "all" : "NOT all"} was submitted after ${(sinceMs() / 1_000).toFixed(1)} s`)
    const { without } = await lookAtAll(
      system,
      (tenant) => troupes.get(tenant)!,
      () => readHistories(system.histories),
      patienceMs
    )
    say(`all was looked at after ${(sinceMs() / 1_000).toFixed(1)} s; ${without} have no end`)
    if (options.rest !== false && server.hasShim)
      await lookAtRest(
        system,
        () =>
          baseline(factsOf(readHistory(`${system.histories}/harness`).filter(({ op }) => op === "keys")))
            .length === 0
      )
    clearInterval(stalls)
    const verdict = verdictOn(readHistories(system.histories), { leaseMs })
    return {
      seed,
      faults: drawn.length + sure.length,
      seconds: Math.round(sinceMs() / 1_000),
      hasShim: server.hasShim,
      timeline: timeline.toSorted(),
      verdict,
      said: system.said()
    }
  } finally {
    clearInterval(stalls)
    const closed = Promise.all([...troupes.values()].map((one) => one.close()))
    await Promise.race([closed, Bun.sleep(10_000)])
    await system.stop()
    if (process.env["CHAOS_KEEP"] === undefined) rmSync(folder, { recursive: true, force: true })
    else say(`kept: ${folder}`)
  }
}

export type CampaignReport = Awaited<ReturnType<typeof runCampaign>>
