/**
 * What random sequences seldom bring together by themselves, a few commands each. Chance of its own, so that sequences without them
 * are what they were before.
 */
import { idIn, type TaskId, ulidOfEntry } from "../../runtime/task.ts"
import type { Settlement } from "../../runtime/turn.ts"
import type { Chance } from "./chance.ts"
import { type Command, home, inboxNames, type Reply } from "./commands.ts"
import { aTask, aTurn, ulidAt, wait } from "./tasks.ts"
import { startOfTime } from "./time.ts"

/** No other task of a sequence has a number as high. */
const firstNumber = 2_500_000_000

export const seldomBy = (chance: Chance, ulids: Array<string>, retentionMs: number) => {
  const isAbout = chance.of(0.15)
  let isRemembered = isAbout && chance.of(0.4)
  let made = 0

  const anUlid = (at = startOfTime - 60_000) => {
    const ulid = ulidAt(at, firstNumber + ++made)
    ulids.push(ulid)
    return ulid
  }

  /** A child is submitted again beside a new one, which somebody may have cancelled before it is there. */
  const beside = ({ tasks: [child, ...others] }: Extract<Command, { readonly do: "submit" }>) => {
    if (child?.parent === undefined || others.length > 0) return []
    const ulid = anUlid()
    const cancel: ReadonlyArray<Command> = chance.of(0.5) ? [{ do: "cancel", ulid }] : []
    const both: Command = { do: "submit", tasks: [child, aTask({ ulid, parent: child.parent })] }
    return [...cancel, both]
  }

  /** A child has ended, and its parent adopts it anew and waits for it. */
  const anew = (adopt: Extract<Command, { readonly do: "adopt" }>): ReadonlyArray<Command> => {
    const { child, entry, worker } = adopt
    const parent = idIn(home, ulidOfEntry(entry))
    return [
      { do: "childEnded", parent, child },
      { ...adopt, anew: true },
      {
        do: "turn",
        turn: aTurn(worker, { leaseMs: 1_000, join: false, settled: [wait(entry, child)], noted: [entry] })
      },
      { do: "read", ulids: [ulidOfEntry(entry)] }
    ]
  }

  /** A parent has three children, and waits hastily for two of them; one of the three fails before or after. */
  const hastily = (adopt: Extract<Command, { readonly do: "adopt" }>): ReadonlyArray<Command> => {
    const { child, entry, step, worker } = adopt
    const parent = idIn(home, ulidOfEntry(entry))
    const [second, third] = [21, 22].map((more) => ({
      ...adopt,
      step: { ...step, number: step.number + more },
      child: idIn(home, anUlid())
    }))
    const waiting: Settlement = { ...wait(entry, child, second!.child), hasty: true }
    const waits: Command = {
      do: "turn",
      turn: aTurn(worker, { leaseMs: 1_000, join: false, settled: [waiting], noted: [entry] })
    }
    const fails: Command = {
      do: "childEnded",
      parent,
      child: chance.one([child, second!.child, third!.child]),
      failed: true
    }
    const look: Command = { do: "read", ulids: [ulidOfEntry(entry)] }
    return chance.of(0.3)
      ? [second!, third!, fails, waits, look]
      : [second!, third!, waits, fails, look, { do: "childEnded", parent, child }, look]
  }

  /** A parent wakes while somebody listens to the bell. */
  const wakes = (parent: TaskId, children: ReadonlyArray<TaskId>): ReadonlyArray<Command> => [
    { do: "listen" },
    ...children.map((child): Command => ({ do: "childEnded", parent, child })),
    { do: "listen" }
  ]

  /** Children of two parents elsewhere have ended in a segment of their own; another task may end in it after it was swept. */
  const remembered = (): ReadonlyArray<Command> => {
    const at = startOfTime - 600_000
    const children = [1, 2].map((n) => aTask({ ulid: anUlid(at), parent: idIn("other.0", ulidAt(at, n)) }))
    const late = aTask({ ulid: anUlid(at) })
    return [
      { do: "submit", tasks: children },
      ...children.map(({ ulid }): Command => ({ do: "cancel", ulid })),
      { do: "advance", ms: retentionMs },
      { do: "sweep", limit: 10 },
      ...(chance.of(0.5)
        ? ([
            { do: "submit", tasks: [late] },
            { do: "cancel", ulid: late.ulid }
          ] as const)
        : [])
    ]
  }

  return {
    /** What is said next, after a command and its reply. */
    after: (command: Command, reply: Reply): ReadonlyArray<Command> => {
      if (!isAbout || chance.of(0.5)) return []
      if (command.do === "submit") return beside(command)
      if (command.do === "adopt") return chance.of(0.4) ? anew(command) : hastily(command)
      if (command.do === "append") {
        // What was appended is appended again for somebody who watches.
        const watched = command.events.map(({ entry }) => ulidOfEntry(entry))
        return [{ do: "ended", ulids: watched, watch: chance.one(inboxNames) }, command, { do: "hear" }]
      }
      if (command.do !== "turn") return []
      const waits = command.turn.settled.find((settled) => settled.kind === "wait")
      if (waits !== undefined && chance.of(0.5))
        return wakes(idIn(home, ulidOfEntry(waits.entry)), waits.children)
      if (isRemembered && chance.of(0.3)) {
        isRemembered = false
        return remembered()
      }
      // Somebody sets the clock back while a worker stands by.
      return (reply as { readonly standsBy?: boolean }).standsBy === true && chance.of(0.3)
        ? [{ do: "setBack", ms: 5_000 }, { do: "submit", tasks: [aTask({ ulid: anUlid() })] }, { do: "obey" }]
        : []
    }
  }
}
