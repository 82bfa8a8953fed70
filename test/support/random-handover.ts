/**
 * Workers of random sequences that stand by for tasks to be handed to them, and what comes between: pauses, deaths, others
 * that wait. Chance of its own, so that sequences without all this are what they were before.
 */
import type { NewTask } from "../../runtime/mailbox.ts"
import type { Turn, TurnReply } from "../../runtime/turn.ts"
import type { Entry } from "../../runtime/task.ts"
import type { Chance } from "./chance.ts"
import { type Command, obedient } from "./commands.ts"
import { aTask, ulidAt } from "./tasks.ts"
import { startOfTime } from "./time.ts"

/** No other task of a sequence has a number as high. */
const firstNumber = 2_000_000_000

/** Takes back what came between. */
const letGo: ReadonlyArray<Command> = [
  { do: "pause", paused: false },
  { do: "limit", limits: {} }
]

export const handoverBy = (chance: Chance, ulids: Array<string>) => {
  const isAbout = chance.of(0.3)
  /** The records of tasks as they were submitted: what is handed over is in no claim. */
  const submitted = new Map<Entry, string>()
  let made = 0

  const aSubmit = (count: number): Command => {
    const tasks = Array.from({ length: count }, () => {
      const ulid = ulidAt(startOfTime - 60_000 + chance.below(2) * 5_000, firstNumber + ++made)
      ulids.push(ulid)
      return aTask({ ulid, lane: chance.one(["urgent", "normal", "low"]), input: `handed ${made}` })
    })
    return submits({ do: "submit", tasks })
  }

  const submits = <Submit extends { readonly do: "submit"; readonly tasks: ReadonlyArray<NewTask> }>(
    submit: Submit
  ): Submit => {
    for (const { entry, record } of submit.tasks) submitted.set(entry, record)
    return submit
  }

  const between = (worker: string): ReadonlyArray<Command> =>
    chance.one<ReadonlyArray<Command>>([
      [],
      [],
      [],
      [aSubmit(2)],
      [{ do: "pause", paused: true }],
      [{ do: "limit", limits: { concurrency: 3 } }],
      [{ do: "limit", limits: { rate: { count: 3, perMs: 5_000 } } }],
      [{ do: "advance", ms: chance.one([500, 3_000]) }],
      [{ do: chance.of(0.5) ? "evict" : "leave", worker }]
    ])

  return {
    /** Whether it has a worker that hears nothing of what it is told. */
    hasDeaf: isAbout && chance.of(0.4),
    submits,
    /** What a turn says of it. */
    said: (): Pick<Turn, "stoodBy" | "standsBy"> => ({
      stoodBy: isAbout && chance.of(0.6),
      standsBy: isAbout && chance.of(0.7)
    }),
    /** What comes after a turn. */
    after: ({ worker }: Turn, { standsBy }: TurnReply): ReadonlyArray<Command> => {
      if (!standsBy || chance.of(0.4)) return []
      return [
        ...between(worker),
        aSubmit(1),
        ...(chance.of(0.5) ? [{ do: "obey" } as const] : []),
        ...(chance.of(0.5) ? letGo : [])
      ]
    },
    recordOf: (entry: Entry) => submitted.get(entry),
    /** What each worker was told to run. */
    handed: (heard: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<readonly [worker: string, Entry]> =>
      heard.flatMap((orders, at) =>
        orders.flatMap((order) => {
          const [kind, entry = ""] = order.split(" ", 2)
          return kind === "run" && chance.of(0.8) ? [[obedient[at]!, entry] as const] : []
        })
      )
  }
}
