/**
 * The file that processes write their history to: one JSON line each, appended at once, so that a process that is
 * killed has written what it did until then. Lines of several processes do not mix, and stand in the order in which
 * they were written.
 */
import { appendFileSync, readFileSync } from "node:fs"
import type { HistoryEvent } from "./history.ts"

/** Writes down what is the case now. */
export const note = (file: string, event: HistoryEvent): void =>
  appendFileSync(file, `${JSON.stringify(event)}\n`)

/** What was written down so far. */
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
