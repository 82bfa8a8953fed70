/**
 * A submitter that may die at any moment: what it asks for, and when, follows from its seed, its number and its place.
 * It writes down each call before it makes it, and what came of it after.
 *
 * Started again it goes on where it was. What it had not heard of is unknown, and is said again where saying it twice is
 * harmless: under an idempotency key, and a cancel. What belongs to one key, or one agent, is said in its order.
 */
import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs"
import type { HistoryEvent, Terms } from "../../support/history.ts"
import { historyIn, readHistory } from "../../support/history-file.ts"
import { type Chance, chanceOf } from "../../support/chance.ts"

/** A submit, as every way in can make it. */
export interface Ask {
  readonly name: string
  readonly input: object
  readonly idempotencyKey?: string
  readonly key?: string
  readonly delayMs?: number
  readonly expiresMs?: number
  /** For an agent: its key, and the message. */
  readonly agent?: string
  readonly message?: string
}

/** What came of a call. `ended`: it was too late for a cancel. */
export type Answer =
  | { readonly kind: "ok"; readonly task: string }
  | { readonly kind: "fail" | "unknown" | "cancelled" | "ended" }

/** One way in. */
export interface Port {
  readonly submit: (ask: Ask) => Promise<Answer>
  readonly submitAll: (asks: ReadonlyArray<Ask>) => Promise<ReadonlyArray<Answer>>
  readonly cancel: (task: string) => Promise<Answer>
  /** Asks for what may not be its own: `ok` when it was shown. */
  readonly peek: (task: string) => Promise<Answer>
  /** Follows to the end, whatever becomes of connections. */
  readonly follow: (task: string, on: (event: string, name?: string) => void) => Promise<void>
  readonly close: () => Promise<void>
}

export const kinds = [
  "plain",
  "batch",
  "guarded",
  "conflict",
  "refused",
  "keyed",
  "told",
  "delayed",
  "expiring",
  "flaky",
  "failing",
  "stream",
  "parent",
  "cancel",
  "limited",
  "poison",
  "speech",
  "nap",
  "memo",
  "peek"
] as const
export type Kind = (typeof kinds)[number]

/** How often each kind comes, of all that come. */
export type Mix = Partial<Record<Kind, number>>

export const everything: Mix = {
  plain: 22,
  batch: 8,
  guarded: 10,
  conflict: 2,
  refused: 2,
  keyed: 12,
  told: 10,
  delayed: 6,
  expiring: 2,
  flaky: 6,
  failing: 1,
  stream: 8,
  parent: 4,
  cancel: 4,
  limited: 3,
  memo: 3,
  peek: 3
}

export interface DriverPlan {
  readonly number: number
  readonly seed: number
  /** Whose tasks it submits. */
  readonly tenant: string
  /** How many calls it makes, and how many a second. */
  readonly calls: number
  readonly perSecond: number
  readonly mix: Mix
}

/** How much of another's history is looked at for its last task, in bytes. */
const tailBytes = 4_096

const lastTaskIn = (file: string): string | undefined => {
  const size = statSync(file).size
  const bytes = Buffer.alloc(Math.min(size, tailBytes))
  const handle = openSync(file, "r")
  readSync(handle, bytes, 0, bytes.length, size - bytes.length)
  closeSync(handle)
  return [...bytes.toString("utf8").matchAll(/"task":"([^"]+)"/g)].at(-1)?.[1]
}

const batchSize = 10
const keysEach = 8
const agentsEach = 6
const inFlightMax = 64

/** How long it waits before it says again what had no answer, and how often it does. */
const againMs = 200
const againMax = 200

interface Step {
  readonly label: string
  readonly ask: Ask
  readonly terms?: Terms
}

const pick = (chance: Chance, mix: Mix): Kind => {
  const shares = Object.entries(mix) as ReadonlyArray<readonly [Kind, number]>
  let left = chance.below(shares.reduce((sum, [, share]) => sum + share, 0))
  for (const [kind, share] of shares) {
    left -= share
    if (left < 0) return kind
  }
  return "plain"
}

/** The submits of one call, and what else there is to it. */
const stepsOf = (
  { mix, number, seed }: DriverPlan,
  place: number
): {
  readonly kind: Kind
  readonly steps: ReadonlyArray<Step>
  readonly chain?: string
  readonly afterMs: number
} => {
  const chance = chanceOf(seed * 7_919 + number * 1_000_003 + place)
  const kind = pick(chance, mix)
  const label = `s${number}-${place}`
  const afterMs = chance.below(200)
  const one = (ask: Partial<Ask> & Pick<Ask, "name">, terms?: Terms, over: object = {}) => [
    { label, ask: { input: { label, ...over }, ...ask }, ...(terms === undefined ? {} : { terms }) }
  ]
  const guard = { idempotencyKey: label }
  switch (kind) {
    case "plain":
      return {
        kind,
        afterMs,
        steps: one({ name: "chaos.plain" }, undefined, { ms: chance.one([0, 5, 100, 400]) })
      }
    case "batch": {
      const steps = Array.from({ length: batchSize }, (_, at) => {
        const each = `${label}-${at}`
        return { label: each, ask: { name: "chaos.plain", input: { label: each } } }
      })
      return { kind, afterMs, steps }
    }
    case "guarded":
      return { kind, afterMs, steps: one({ name: "chaos.plain", ...guard }, { ...guard, work: label }) }
    case "conflict": {
      // The second one is refused; or the first, should the second come first.
      const other = `${label}-other`
      return {
        kind,
        afterMs,
        steps: [
          ...one({ name: "chaos.plain", ...guard }, { ...guard, work: label }),
          {
            label: other,
            ask: { name: "chaos.plain", input: { label: other }, ...guard },
            terms: { ...guard, work: other }
          }
        ]
      }
    }
    case "refused":
      return {
        kind,
        afterMs,
        steps: one(chance.of(0.5) ? { name: "chaos.nobody" } : { name: "chaos.plain", input: { label: 7 } })
      }
    case "keyed": {
      const key = `k${number}-${chance.below(keysEach)}`
      const over = { ms: chance.one([0, 0, 30]) }
      return {
        kind,
        afterMs,
        chain: key,
        steps: one({ name: "chaos.plain", key, ...guard }, { key, ...guard }, over)
      }
    }
    case "told": {
      const agent = `a${number}-${chance.below(agentsEach)}`
      const ask = { name: "chaos.cart", agent, message: "note", idempotencyKey: label }
      return { kind, afterMs, chain: agent, steps: one(ask, { agent, idempotencyKey: label }) }
    }
    case "delayed": {
      const delayMs = 200 + chance.below(2_000)
      return { kind, afterMs, steps: one({ name: "chaos.plain", delayMs }, { delayMs }) }
    }
    case "expiring":
      return {
        kind,
        afterMs,
        steps: one({ name: "chaos.plain", expiresMs: 1 + chance.below(50) }, { state: "succeeded|expired" })
      }
    case "flaky": {
      const fails = 1 + chance.below(3)
      return {
        kind,
        afterMs,
        steps: one({ name: "chaos.flaky" }, { runs: 1 + fails, state: "succeeded" }, { fails })
      }
    }
    case "failing":
      return { kind, afterMs, steps: one({ name: "chaos.failing" }, { runs: 2, state: "failed" }) }
    case "stream":
      return {
        kind,
        afterMs,
        steps: one({ name: "chaos.stream" }, undefined, { ms: chance.one([0, 20, 60, 200]) })
      }
    case "parent":
      return { kind, afterMs, steps: one({ name: "chaos.parent" }, { runs: 3, state: "succeeded" }) }
    case "cancel":
      return {
        kind,
        afterMs,
        steps: one(
          { name: "chaos.slow", ...guard },
          { ...guard, work: label, state: "cancelled|succeeded" },
          { ms: 400 }
        )
      }
    case "peek":
      return { kind, afterMs, steps: [] }
    case "nap":
      return { kind, afterMs, steps: one({ name: "chaos.plain" }, undefined, { ms: 1_000 }) }
    case "memo":
      return { kind, afterMs, steps: one({ name: "chaos.memo" }, undefined, { ms: 100 + chance.below(400) }) }
    case "speech":
      // One that is always in the middle of something.
      return { kind: "stream", afterMs, steps: one({ name: "chaos.stream" }, undefined, { ms: 250 }) }
    case "poison":
      return { kind, afterMs, steps: one({ name: "chaos.poison" }, { runs: 3, state: "failed" }) }
    case "limited":
      return {
        kind,
        afterMs,
        steps: one({ name: "chaos.limited" }, { state: "succeeded" }, { ms: chance.below(10) })
      }
  }
}

/** Makes all calls of a plan, and has heard of each that can be heard of when it is done. */
export const drive = async (port: Port, plan: DriverPlan, folder: string, name: string): Promise<void> => {
  const phases = new Map<string, { readonly phases: Set<string>; task?: string }>()
  for (const event of readHistory(`${folder}/${name}`)) {
    if (event.op !== "submit" && event.op !== "cancel") continue
    const at = `${event.op} ${event.label}`
    const known = phases.get(at) ?? { phases: new Set() }
    known.phases.add(event.phase)
    if (event.task !== undefined) known.task = event.task
    phases.set(at, known)
  }
  const write = historyIn(folder, name)
  const note = (event: HistoryEvent) => write({ ...event, tenant: plan.tenant })
  const told = (op: "submit" | "cancel", label: string) => phases.get(`${op} ${label}`)

  /** Says it until it has heard, where that is harmless; gives the task. */
  const heard = async (
    op: "submit" | "cancel",
    label: string,
    task: string | undefined,
    isRepeatable: boolean,
    say: () => Promise<Answer>
  ): Promise<string | undefined> => {
    let isUnclear = told(op, label) !== undefined
    for (let times = 0; times < againMax; times++) {
      const answer = await say()
      const isOk = answer.kind === "ok" || answer.kind === "cancelled"
      // What is refused now may have been taken the time before, when nobody heard.
      const phase = isOk ? "ok" : isUnclear || answer.kind === "unknown" ? "unknown" : "fail"
      isUnclear ||= phase === "unknown"
      const of = answer.kind === "ok" ? answer.task : task
      note({ op, label, phase, ...(of === undefined ? {} : { task: of }) })
      if (phase === "ok") return of
      if (answer.kind !== "unknown" || !isRepeatable) return undefined
      await Bun.sleep(againMs)
    }
    return undefined
  }

  const submit = async ({ ask, label, terms }: Step): Promise<string | undefined> => {
    const before = told("submit", label)
    if (before?.phases.has("ok") || before?.phases.has("fail")) return before.task
    const isRepeatable = ask.idempotencyKey !== undefined
    if (before?.phases.has("invoke")) {
      note({ op: "submit", label, phase: "unknown" })
      if (!isRepeatable) return undefined
    } else note({ op: "submit", label, phase: "invoke", ...(terms === undefined ? {} : { terms }) })
    return heard("submit", label, undefined, isRepeatable, () => port.submit(ask))
  }

  const cancel = async (label: string, task: string) => {
    const before = told("cancel", label)
    if (before?.phases.has("ok") || before?.phases.has("fail")) return
    if (before === undefined) note({ op: "cancel", label, phase: "invoke", task })
    await heard("cancel", label, task, true, () => port.cancel(task))
  }

  const batch = async (steps: ReadonlyArray<Step>) => {
    const fresh = steps.filter(({ label }) => told("submit", label) === undefined)
    for (const { label } of steps) {
      const before = told("submit", label)?.phases
      if (before !== undefined && !before.has("ok") && !before.has("fail"))
        note({ op: "submit", label, phase: "unknown" })
    }
    if (fresh.length === 0) return
    for (const { label } of fresh) note({ op: "submit", label, phase: "invoke" })
    const answers = await port.submitAll(fresh.map(({ ask }) => ask))
    for (const [at, { label }] of fresh.entries()) {
      const answer = answers[at]!
      if (answer.kind === "ok") note({ op: "submit", label, phase: "ok", task: answer.task })
      else note({ op: "submit", label, phase: answer.kind === "unknown" ? "unknown" : "fail" })
    }
  }

  const followers: Array<Promise<void>> = []
  const follow = (task: string) => {
    const follower = `${name}-${process.pid}`
    const on = (event: string, said?: string) =>
      note({ op: "follow", follower, task, event, ...(said === undefined ? {} : { name: said }) })
    // Whoever cannot follow to the end has said nothing wrong.
    followers.push(port.follow(task, on).catch(() => {}))
  }

  /** Asks for a task that another submitter has just submitted. */
  const peek = async () => {
    const others = readdirSync(folder).filter((other) => other.startsWith("submitter-") && other !== name)
    for (const other of others) {
      const task = lastTaskIn(`${folder}/${other}`)
      if (task === undefined) continue
      const { kind } = await port.peek(task)
      if (kind !== "unknown") note({ op: "read", phase: kind === "ok" ? "ok" : "fail", task })
    }
  }

  const chains = new Map<string, Promise<unknown>>()
  const make = async (place: number) => {
    const { afterMs, chain, kind, steps } = stepsOf(plan, place)
    if (kind === "batch") return batch(steps)
    if (kind === "peek") return peek()
    const all = async () => {
      for (const step of steps) {
        const task = await submit(step)
        if (task === undefined) continue
        if (kind === "stream") follow(task)
        if (kind === "cancel") {
          await Bun.sleep(afterMs)
          await cancel(step.label, task)
        }
      }
    }
    if (chain === undefined) return all()
    const next = (chains.get(chain) ?? Promise.resolve()).then(all)
    chains.set(chain, next)
    return next
  }

  const startedAt = performance.now()
  const running = new Set<Promise<unknown>>()
  let due = 0
  for (let place = 0; place < plan.calls; place++) {
    const { kind, steps } = stepsOf(plan, place)
    const isDone =
      steps.length > 0 &&
      steps.every(({ label }) => {
        const before = told("submit", label)?.phases
        return before !== undefined && (before.has("ok") || before.has("fail"))
      })
    if (isDone && kind !== "cancel") continue
    const leftMs = startedAt + (due++ * 1_000) / plan.perSecond - performance.now()
    if (leftMs > 1) await Bun.sleep(leftMs)
    while (running.size >= inFlightMax) await Promise.race(running)
    const one: Promise<unknown> = make(place).finally(() => running.delete(one))
    running.add(one)
  }
  await Promise.all(running)
  await Promise.all(followers)
  note({ op: "stall", ms: 0 })
  await port.close()
}

/** How many tasks a call of a mix comes to, about. */
export const tasksPerCall = (mix: Mix): number => {
  const shares = Object.entries(mix) as ReadonlyArray<readonly [Kind, number]>
  const tasksOf: Mix = { batch: batchSize, conflict: 1, refused: 0, parent: 3, told: 2, peek: 0 }
  const total = shares.reduce((sum, [, share]) => sum + share, 0)
  return shares.reduce((sum, [kind, share]) => sum + share * (tasksOf[kind] ?? 1), 0) / total
}
