/**
 * Other times for tasks of random sequences, wherever they are by then. Chance of its own, so that sequences without them are what
 * they were before.
 */
import type { Chance } from "./chance.ts"
import type { Command } from "./commands.ts"
import { ulidOfEntry } from "../../runtime/task.ts"

export const reschedulingBy = (chance: Chance, ulids: ReadonlyArray<string>) => {
  const isAbout = chance.of(0.2)
  /** Those that wait for their time, or did. */
  const delayed: Array<string> = []

  const note = (command: Command) => {
    if (command.do === "submit") {
      for (const { due, entry } of command.tasks) if (due !== undefined) delayed.push(ulidOfEntry(entry))
    } else if (command.do === "turn") {
      for (const settled of command.turn.settled)
        if (settled.kind === "retry") delayed.push(ulidOfEntry(settled.entry))
    }
  }

  const aUlid = () => chance.one(delayed.length > 0 && chance.of(0.8) ? delayed.slice(-8) : ulids)

  return {
    /** What is said next, after a command; `now` is the store's clock. */
    after: (command: Command, now: number): ReadonlyArray<Command> => {
      if (!isAbout) return []
      note(command)
      if (!["submit", "turn"].includes(command.do) || ulids.length === 0 || chance.of(0.6)) return []
      const due = chance.of(0.5)
        ? { afterMs: chance.one([0, 0, 1, 500, 2_000, 6_000]) }
        : { at: now + chance.one([-1_000, 0, 499, 1_000, 3_000]) }
      const move: Command = { do: "reschedule", ulid: aUlid(), due }
      return [
        ...(chance.of(0.5) ? [{ do: "listen" } as const] : []),
        move,
        ...(chance.of(0.2) ? [move] : []),
        ...(chance.of(0.5) ? [{ do: "listen" } as const] : [])
      ]
    }
  }
}
