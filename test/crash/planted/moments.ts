/**
 * Faults of small campaigns: each waits for the moment in which it does most harm, as the histories tell, and lasts until
 * the harm is done. So they do the same on a machine that has much else to do.
 */
import type { HistoryEvent } from "../../support/history.ts"
import { readHistories } from "../../support/history-file.ts"
import type { Fault, Hurt } from "../chaos/faults.ts"

const lookMs = 100

/** How long a moment is waited for. */
const momentMaxMs = 20_000

/** Waits until the histories show something. */
const seen = async <A>(
  { histories }: Hurt,
  look: (history: ReadonlyArray<HistoryEvent>) => A | undefined
): Promise<A | undefined> => {
  const until = performance.now() + momentMaxMs
  while (performance.now() < until) {
    const found = look(readHistories(histories))
    if (found !== undefined) return found
    await Bun.sleep(lookMs)
  }
  return undefined
}

/** Tasks that a process has begun with, and not done. */
const openIn = (history: ReadonlyArray<HistoryEvent>, process: string): ReadonlySet<string> => {
  const open = new Set<string>()
  for (const event of history) {
    if (event.op !== "run" || event.process !== process) continue
    if (event.phase === "start") open.add(event.task)
    else open.delete(event.task)
  }
  return open
}

/** So many runs have to be open for it to be worth it. */
const openMin = 5

/** The worker that is not hit at named points, once it runs something. */
const busyWorker = async (system: Hurt) => {
  const pid = system.workers()[1]!
  await seen(system, (history) => (openIn(history, String(pid)).size >= openMin ? true : undefined))
  return pid
}

/** A worker stands still until what it ran has begun, or ended, elsewhere. */
const stallUntil =
  (phase: "start" | "return"): Fault =>
  async (system) => {
    const pid = await busyWorker(system)
    process.kill(pid, "SIGSTOP")
    system.note({ op: "paused", process: String(pid) })
    const open = openIn(readHistories(system.histories), String(pid))
    const isTaken = await seen(system, (history) =>
      history.filter(
        (event) =>
          event.op === "run" && event.phase === phase && event.process !== String(pid) && open.has(event.task)
      ).length >= Math.min(openMin, open.size)
        ? true
        : undefined
    )
    process.kill(pid, "SIGCONT")
    return `${pid} with ${open.size} runs${isTaken ? "" : ", which nobody has taken"}`
  }

export const stall = stallUntil("start")
export const longStall = stallUntil("return")

export const killWorker: Fault = async (system) => {
  const pid = await busyWorker(system)
  process.kill(pid, "SIGKILL")
  system.note({ op: "killed", process: String(pid) })
  return String(pid)
}

/** A worker dies in the middle of runs that have remembered something. */
export const killAfterSteps: Fault = async (system) => {
  const pid = system.workers()[1]!
  await seen(system, (history) => {
    const open = openIn(history, String(pid))
    const steps = history.filter(
      (event) => event.op === "step" && event.phase === "ok" && open.has(event.task)
    )
    return steps.length >= openMin ? true : undefined
  })
  process.kill(pid, "SIGKILL")
  system.note({ op: "killed", process: String(pid) })
  return String(pid)
}

const asked = (history: ReadonlyArray<HistoryEvent>) =>
  history.filter((event) => event.op === "submit" && event.phase === "invoke").length

/** So many submits are on their way. */
const callsMin = 8

const moreAsked = async (system: Hurt) => {
  const before = asked(readHistories(system.histories))
  await seen(system, (history) => (asked(history) >= before + callsMin ? true : undefined))
}

/** What submitters ask is done, and they do not hear of it. */
export const deaf: Fault = async (system) => {
  await moreAsked(system)
  system.wires.clients.harm({ kind: "no replies" })
  await moreAsked(system)
  system.wires.clients.heal()
  return "submitters"
}

/** What submitters ask does not arrive, and then they die. */
export const mute: Fault = async (system) => {
  await moreAsked(system)
  system.wires.clients.harm({ kind: "no requests" })
  await moreAsked(system)
  for (const pid of system.submitters()) process.kill(pid, "SIGKILL")
  system.wires.clients.heal()
  return "submitters"
}

const shown = (history: ReadonlyArray<HistoryEvent>) => history.filter(({ op }) => op === "follow").length

/** How often followers are cut off, each time after they were shown something. */
const cuts = 8

export const cutFollowers: Fault = async (system) => {
  for (let times = 0; times < cuts; times++) {
    const before = shown(readHistories(system.histories))
    await seen(system, (history) => (shown(history) > before ? true : undefined))
    system.wires.http.reset()
  }
  return `${cuts} times`
}
