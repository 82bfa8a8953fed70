/** What can be seen in the store of a simulation when all is over: how every task ended, and what is left behind. */
import type { Heap } from "../../runtime/memory/heap.ts"
import { decodeRecord, readOutcome, type TaskError } from "../../runtime/record.ts"
import { partitionOf, partitionOfId, type TaskId, ulidOfId } from "../../runtime/task.ts"
import type { HistoryEvent } from "../support/history.ts"
import type { Stored } from "./server.ts"
import { queues } from "./workload.ts"

const states = { S: "succeeded", F: "failed", C: "cancelled", E: "expired" } as const

/** A parent whose child was buried because its workers died has come to the same end. */
const causeOf = ({ message, type }: TaskError) =>
  type === "ChildFailed" && message.includes("WorkerLost") ? "WorkerLost" : type

const tasksIn = (history: ReadonlyArray<HistoryEvent>) =>
  new Set(
    history.flatMap((event) =>
      (event.op === "submit" && event.phase === "ok") || event.op === "run" ? (event.task ?? []) : []
    ) as Array<TaskId>
  )

/** The ends and the streams of all tasks that are known, and what agents remember. */
export const lookAt = (
  { heaps }: Stored,
  history: ReadonlyArray<HistoryEvent>
): ReadonlyArray<HistoryEvent> => {
  const ends = [...tasksIn(history)].flatMap((task): ReadonlyArray<HistoryEvent> => {
    const ulid = ulidOfId(task)
    const heap = heaps.look(partitionOfId(task))
    const record = heap.recordOf(ulid)
    if (record === undefined) return []
    const { header, json } = decodeRecord(record)
    if (header.letter === "Q") return []
    const { error, output } = readOutcome(json)
    const made = output as { readonly attempt: number; readonly process: string } | undefined
    const events = (heap.events.get(ulid)?.list ?? [])
      .filter(({ kind }) => kind === "chunk")
      .map(({ data, run }) => `${run} ${String(JSON.parse(data))}`)
    const [state] = [states[header.letter]]
    return [
      {
        op: "end",
        task,
        state,
        ...(error === undefined ? {} : { error: causeOf(error) }),
        ...(made?.attempt === undefined ? {} : { attempt: made.attempt, process: made.process })
      },
      { op: "stream", task, events }
    ]
  })
  const agents = Object.keys(queues).flatMap((queue) =>
    [...heaps.look(partitionOf(queue)).agents].flatMap(([address, { state }]) => {
      const [name = "", key = ""] = address.split("/")
      return state === undefined
        ? []
        : [{ name, key, labels: JSON.parse(state.json) as ReadonlyArray<string> }]
    })
  )
  const ledgers = new Map(
    agents.flatMap(({ key, labels, name }) => (name === "sim.ledger" ? [[key, labels]] : []))
  )
  // What three workers died with is a dead letter, and its ledger in quarantine, as is promised.
  const dead = new Set(
    Object.keys(queues).flatMap((queue) =>
      [...heaps.look(partitionOf(queue)).letters.values()].flatMap((record) => {
        const { error, task } = readOutcome(decodeRecord(record).json)
        return task.name === "sim.ledger" && error?.type === "WorkerLost" ? [task.key ?? ""] : []
      })
    )
  )
  const memories = agents.flatMap(({ key, labels, name }): ReadonlyArray<HistoryEvent> =>
    name === "sim.notebook"
      ? [
          { op: "memory", agent: key, labels },
          // One that was never told anything is not there.
          ...(dead.has(key)
            ? []
            : [{ op: "memory" as const, agent: `${key}'s ledger`, labels: ledgers.get(key) ?? [], of: key }])
        ]
      : []
  )
  return [...ends, ...memories]
}

/** What lives in a partition. */
export const livingIn = (heap: Heap): number => Number(heap.control.get("living") ?? 0)

/** What is in a partition that goes when all tasks have ended, and their time is over. */
const goes = [
  "tasks",
  "live",
  "kept",
  "segments",
  "running",
  "later",
  "dead",
  "letters",
  "events",
  "watched",
  "boxes",
  "suspects",
  "ties",
  "steps",
  "children",
  "awaited",
  "waiting",
  "outbox"
] as const satisfies ReadonlyArray<keyof Heap>

const sizeOf = (cell: Heap[(typeof goes)[number]]) => ("size" in cell ? cell.size : cell.length)

/** What should have gone by now. */
export const leftIn = (heap: Heap): ReadonlyArray<string> => [
  ...goes.flatMap((name) => {
    const size = sizeOf(heap[name])
    return size === 0 ? [] : [`${size} of ${name} in ${heap.partition}`]
  }),
  ...Object.entries(heap.lanes).flatMap(([lane, entries]) =>
    entries.length === 0 ? [] : [`${entries.length} entries in lane ${lane} of ${heap.partition}`]
  ),
  ...[...heap.held].flatMap(([worker, held]) =>
    held.size === 0 ? [] : [`${held.size} entries held by ${worker}`]
  ),
  ...(["box", "taken", "ready"] as const).flatMap((name) => {
    const left = [...heap[name].values()].reduce(
      (sum, list) => sum + ("size" in list ? list.size : list.length),
      0
    )
    return left === 0 ? [] : [`${left} entries in ${name} of ${heap.partition}`]
  })
]
