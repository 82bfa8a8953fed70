/**
 * A submitter that may die at any moment: what it asks for, and when, follows from its seed, its number and its place.
 * It writes down each call before it makes it, and what came of it after.
 *
 * Started again it goes on where it was. What it had not heard of is unknown, and is said again where saying it twice is
 * harmless: under an idempotency key, and a cancel. What belongs to one key, or one agent, is said in its order.
 */
import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs"
import type { HistoryEvent } from "../../support/history.ts"
import { historyIn, readHistory } from "../../support/history-file.ts"
import { type Ask, type DriverPlan, type Step, stepsOf } from "./calls.ts"

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

const inFlightMax = 64

/** How long it waits before it says again what had no answer, and how often it does. */
const againMs = 200
const againMax = 200

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
    }
    note({ op: "submit", label, phase: "invoke", ...(terms === undefined ? {} : { terms }) })
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
