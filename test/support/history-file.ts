/**
 * The files that processes write their histories to: one JSON line each, appended at once, so that a process that is
 * killed has written what it did until then.
 *
 * In one file lines of several processes do not mix, and stand in the order in which they were written. Where each
 * process has a file of its own, the machine's monotonic clock says which came first.
 */
import { dlopen, FFIType } from "bun:ffi"
import { appendFileSync, mkdirSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs"
import type { HistoryEvent } from "./history.ts"

/** Writes down what is the case now. */
export const note = (file: string, event: HistoryEvent): void =>
  appendFileSync(file, `${JSON.stringify(event)}\n`)

const linesOf = (text: string): ReadonlyArray<HistoryEvent> => {
  const lines = text.split("\n")
  // A process that was killed in the middle of a line has not written it.
  lines.pop()
  return lines.map((line) => JSON.parse(line))
}

/** What was written down so far. */
export const readHistory = (file: string): ReadonlyArray<HistoryEvent> => {
  try {
    return linesOf(readFileSync(file, "utf8"))
  } catch {
    return []
  }
}

// ---------------------------------------------------------------------------------------------------------
// A file for each process
// ---------------------------------------------------------------------------------------------------------

const monotonicClock = 1
const nanosPerSecond = 1e9

/** Nanoseconds on the clock that all processes of this machine share. Bun's own begins anew with each process. */
const originNs = (() => {
  try {
    const libc = dlopen("libc.so.6", {
      clock_gettime: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 }
    })
    const time = new BigInt64Array(2)
    libc.symbols.clock_gettime(monotonicClock, time)
    return Number(time[0]) * nanosPerSecond + Number(time[1]) - Bun.nanoseconds()
  } catch {
    // Where there is no such library: as good, as long as nobody sets the machine's clock.
    return performance.timeOrigin * 1e6
  }
})()

export const monotonicNs = (): number => Math.round(originNs + Bun.nanoseconds())

/** Appends to a history of this process's own in a folder; each event gets the time. */
export const historyIn = (folder: string, name: string): ((event: HistoryEvent) => void) => {
  mkdirSync(folder, { recursive: true })
  const file = openSync(`${folder}/${name}`, "a")
  return (event) => void writeSync(file, `${JSON.stringify({ ns: monotonicNs(), ...event })}\n`)
}

/** What all processes wrote into a folder, in the order in which it happened. */
export const readHistories = (folder: string): ReadonlyArray<HistoryEvent> => {
  const all: Array<HistoryEvent> = []
  for (const name of readdirSync(folder))
    for (const event of readHistory(`${folder}/${name}`)) all.push(event)
  return all.sort((one, other) => (one.ns ?? 0) - (other.ns ?? 0))
}
