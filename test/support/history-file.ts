/**
 * The file that processes write their history to: one JSON line each, appended at once, so that a process that is
 * killed has written what it did until then, and lines of several do not mix.
 */
import { appendFileSync, readFileSync } from "node:fs"
import type { HistoryEvent } from "./history.ts"

/** Nanoseconds on the machine's monotonic clock. */
export const now = (): number => Number(process.hrtime.bigint())

type Timed<E> = E extends { readonly at: number } ? Omit<E, "at"> : never

/** Writes down what is the case now. */
export const note = (file: string, event: Timed<HistoryEvent>): void =>
  appendFileSync(file, `${JSON.stringify({ at: now(), ...event })}\n`)

export const readHistory = (file: string): ReadonlyArray<HistoryEvent> => {
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line))
  } catch {
    return []
  }
}
