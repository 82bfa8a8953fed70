/**
 * When runs are to be looked at, and what is found then: those whose time is up end, and those whose note is due get one
 * with the next turn. In between nobody goes through them, however many they are.
 */
import type { Entry } from "../../runtime/task.ts"
import type { WorkerId } from "../../runtime/turn.ts"
import { noteDueMono, type Running } from "./running.ts"

export interface LooksOptions {
  readonly worker: WorkerId
  readonly mono: () => number
  readonly running: ReadonlyMap<Entry, Running>
  readonly onTimeUp: (entry: Entry) => void
}

export class Looks {
  readonly #options: LooksOptions
  /** Runs that a look found to be due for a note. */
  #noting: Array<Running> = []
  #dueMono = Number.POSITIVE_INFINITY

  constructor(options: LooksOptions) {
    this.#options = options
  }

  /** When the next look is due, on our monotonic clock; not before it, but maybe nothing is to be seen then. */
  readonly dueMono = (): number => this.#dueMono

  /** Something is to be looked at by then. */
  readonly dueBy = (at: number): void => {
    this.#dueMono = Math.min(this.#dueMono, at)
  }

  /** Looks at every run. */
  readonly look = (): void => {
    const { mono, onTimeUp, running } = this.#options
    const now = mono()
    this.#noting = []
    this.#dueMono = Number.POSITIVE_INFINITY
    for (const run of running.values()) {
      const noteAt = noteDueMono(run)
      if (now >= noteAt) this.#noting.push(run)
      else this.dueBy(noteAt)
      const timeoutAt = run.startedMono + (run.timeoutMs ?? Number.POSITIVE_INFINITY)
      if (now < timeoutAt) this.dueBy(timeoutAt)
      else onTimeUp(run.entry)
    }
  }

  readonly noteIsDue = (): boolean => this.#noting.length > 0

  /** Up to `most` notes that are due. */
  readonly takeNotes = (most: number): ReadonlyArray<readonly [Entry, string]> => {
    const { mono, running, worker } = this.#options
    const now = mono()
    return this.#noting
      .splice(0, most)
      .filter(({ entry }) => running.has(entry))
      .map((run): readonly [Entry, string] => {
        run.notedMono = now
        run.noteDue = false
        return [run.entry, JSON.stringify({ worker, startedAt: run.startedAt, progress: run.progress })]
      })
  }
}
