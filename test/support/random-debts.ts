/**
 * Submits of random sequences that are owed: what was said before is said again beside what is new. Chance of its own, so that
 * sequences without them are what they were before.
 */
import type { NewTask } from "../../runtime/mailbox.ts"
import type { Chance } from "./chance.ts"
import type { Command } from "./commands.ts"
import { boxOf } from "./promises.ts"
import { aTask, ulidAt } from "./tasks.ts"
import { startOfTime } from "./time.ts"

/** No other task of a sequence has a number as high. */
const firstNumber = 1_500_000_000

export const debtsBy = (chance: Chance, ulids: Array<string>) => {
  const isAbout = chance.of(0.25)
  const owed: Array<NewTask> = []
  let made = 0

  const aDebt = (): NewTask => {
    const ulid = ulidAt(startOfTime - 60_000 + chance.below(2) * 5_000, firstNumber + ++made)
    ulids.push(ulid)
    const { ulid: _, ...task } = aTask({
      ulid,
      lane: chance.one(["high", "normal"]),
      input: `owed ${made}`,
      ...chance.one([{}, {}, { box: boxOf("debt") }, { due: { afterMs: 500 } }])
    })
    return task
  }

  return {
    /** What is said next, after a command. */
    after: (command: Command): ReadonlyArray<Command> => {
      // Nobody says a submit again for as long as its tasks are kept.
      if (command.do === "sweep") owed.length = 0
      if (!isAbout || !["submit", "turn"].includes(command.do) || chance.of(0.8)) return []
      const again = owed.slice(-6).filter(() => chance.of(0.4))
      const fresh = Array.from({ length: chance.below(3) }, aDebt)
      owed.push(...fresh)
      return [{ do: "submit", tasks: [...again, ...fresh], owed: true }]
    }
  }
}
