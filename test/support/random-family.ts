/**
 * Parents and children of random sequences: runs adopt children, most of which are submitted next, and wait for some of
 * them; parents in other partitions are told through the outbox, and everybody may be told twice.
 */
import type { Message } from "../../runtime/mailbox.ts"
import type { Settlement } from "../../runtime/turn.ts"
import { type Entry, idIn, type TaskId, ulidOfEntry } from "../../runtime/task.ts"
import type { Chance } from "./chance.ts"
import type { Command } from "./commands.ts"
import { home } from "./commands.ts"
import type { tasksBy } from "./random-tasks.ts"
import { ulidAt } from "./tasks.ts"

const stranger = idIn("other.0", ulidAt(1, 1))

export const familyBy = (chance: Chance, { aNewTask, anUlid }: ReturnType<typeof tasksBy>) => {
  /** Parent's ULID → the children it has adopted. */
  const adopted = new Map<string, Array<TaskId>>()
  let outbox: ReadonlyArray<Message> = []

  /** A run adopts a child, which is then submitted. */
  const adopt = (worker: string, entry: Entry, now: number): ReadonlyArray<Command> => {
    const parent = ulidOfEntry(entry)
    const children = adopted.get(parent) ?? []
    adopted.set(parent, children)
    // Now and then what is remembered already.
    const number = chance.of(0.25) ? chance.below(children.length + 1) : children.length
    const task = aNewTask(now, { parent: idIn(home, parent) })
    const child = idIn(home, task.ulid)
    children.push(child)
    const step = { number, name: chance.one(["a", "b"]), value: JSON.stringify(child) }
    const command: Command = { do: "adopt", worker, entry, step, child, anew: chance.of(0.2) }
    const cancel: ReadonlyArray<Command> = chance.of(0.1)
      ? [{ do: "cancel", ulid: task.ulid, orphan: true }]
      : []
    return chance.of(0.85) ? [command, ...cancel, { do: "submit", tasks: [task] }] : [command]
  }

  const remember = (worker: string, entry: Entry): Command => ({
    do: "remember",
    worker,
    entry,
    step: { number: 10 + chance.below(3), name: "step", value: String(chance.below(100)) }
  })

  /** Children that a run waits for: of its own mostly. */
  const awaited = (entry: Entry): ReadonlyArray<TaskId> =>
    chance.of(0.15)
      ? [idIn(home, anUlid())]
      : chance.some(adopted.get(ulidOfEntry(entry)) ?? [], chance.of(0.8) ? 1 : 0.6)

  const wait = (entry: Entry, record: string): Settlement => ({
    kind: "wait",
    entry,
    record,
    children: awaited(entry),
    ...(chance.of(0.3) ? { hasty: true } : {})
  })

  /** A parent is told, mostly of what has ended long since or has not ended at all. */
  const tell = (): Command => {
    const parents = [...adopted].filter(([, children]) => children.length > 0)
    if (parents.length === 0) return { do: "outbox" }
    const [parent, children] = chance.one(parents)
    return {
      do: "childEnded",
      parent: idIn(home, parent),
      child: chance.one(children),
      ...(chance.of(0.3) ? { failed: true } : {})
    }
  }

  const relay = (): Command =>
    outbox.length > 0 && chance.of(0.6)
      ? { do: "drop", messages: chance.some(outbox, 0.6) }
      : { do: "outbox" }

  return {
    /** A parent in another partition, for some. */
    aStranger: () => (chance.of(0.1) ? { parent: stranger } : {}),
    hasAdopted: (entry: Entry) => adopted.has(ulidOfEntry(entry)),
    adopt,
    remember,
    wait,
    tell,
    relay,
    recall: (): Command => ({
      do: "recall",
      ulid: adopted.size > 0 && chance.of(0.8) ? chance.one([...adopted.keys()]) : anUlid()
    }),
    /** What the outbox was seen to hold. */
    sees: (messages: ReadonlyArray<Message>) => {
      outbox = messages
    }
  }
}
