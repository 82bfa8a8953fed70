/** The workers of all queues, each once, however many queues it serves: a decision over plain values. */
import type { WorkerState } from "../../runtime/operations.ts"
import type { WorkerId } from "../../runtime/store.ts"
import { idIn, type Partition, queueOf, type TaskId, ulidOfEntry } from "../../runtime/task.ts"

/** A worker as people and programs see it. Times in Unix milliseconds. What it has not said yet is absent. */
export interface WorkerView {
  readonly id: WorkerId
  /** `lost`: its lease is over, and what it held is handed to others. */
  readonly state: "running" | "draining" | "lost"
  readonly queues: ReadonlyArray<string>
  readonly running: ReadonlyArray<TaskId>
  readonly node?: string
  readonly pid?: number
  readonly host?: string
  readonly startedAt?: number
  /** When its lease was renewed last. */
  readonly heartbeatAt?: number
  readonly memoryBytes?: number
  readonly done?: number
  readonly concurrency?: number
  /** The handlers it has, up to `handlersSaid` of them. */
  readonly handlers?: ReadonlyArray<string>
}

/** What one partition knows of a worker. */
export interface Sighting {
  readonly partition: Partition
  readonly worker: WorkerState
}

const viewOf = (id: WorkerId, seen: ReadonlyArray<Sighting>, now: number, leaseMs: number): WorkerView => {
  const leaseUntil = Math.max(...seen.map(({ worker }) => worker.leaseUntil))
  const abouts = seen.flatMap(({ worker: { about } }) => (about === undefined ? [] : [about]))
  const [about] = abouts
  const lost = leaseUntil <= now
  return {
    id,
    state: lost ? "lost" : abouts.some(({ draining }) => draining === true) ? "draining" : "running",
    queues: [...new Set(seen.map(({ partition }) => queueOf(partition)))].sort(),
    running: seen.flatMap(({ partition, worker }) =>
      worker.held.map((entry) => idIn(partition, ulidOfEntry(entry)))
    ),
    ...(about === undefined
      ? {}
      : {
          node: about.node,
          pid: about.pid,
          host: about.host,
          startedAt: about.startedAt,
          memoryBytes: about.memoryBytes,
          // A partition may have heard of it earlier than another.
          done: Math.max(...abouts.map(({ done }) => done)),
          concurrency: about.concurrency,
          handlers: about.handlers
        }),
    ...(leaseUntil === 0 ? {} : { heartbeatAt: leaseUntil - leaseMs })
  }
}

/** The workers that were seen, by their ids. */
export const crewOf = (
  sightings: ReadonlyArray<Sighting>,
  now: number,
  leaseMs: number
): ReadonlyArray<WorkerView> => {
  const byId = Map.groupBy(sightings, ({ worker }) => worker.worker)
  return [...byId].map(([id, seen]) => viewOf(id, seen, now, leaseMs)).sort((a, b) => (a.id < b.id ? -1 : 1))
}
