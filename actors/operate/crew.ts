/** Who belongs to a system: the workers of all queues, each once, and the nodes. A decision over plain values. */
import type { NodeName, NodeState } from "../../runtime/members.ts"
import type { WorkerState } from "../../runtime/operations.ts"
import type { WorkerId } from "../../runtime/turn.ts"
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
  /** When it was heard of last, and how long ago, on the store's clock. */
  readonly heartbeatAt?: number
  readonly silentMs?: number
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

const viewOf = (id: WorkerId, seen: ReadonlyArray<Sighting>, ourLeaseMs: number): WorkerView => {
  const leaseUntil = Math.max(...seen.map(({ worker }) => worker.leaseUntil))
  const seenAt = Math.max(...seen.map(({ worker }) => worker.seenAt))
  const abouts = seen.flatMap(({ worker: { about } }) => (about === undefined ? [] : [about]))
  const [about] = abouts
  const lost = leaseUntil <= seenAt
  const heartbeatAt = leaseUntil - (about?.leaseMs ?? ourLeaseMs)
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
    ...(leaseUntil === 0 ? {} : { heartbeatAt, silentMs: Math.max(0, seenAt - heartbeatAt) })
  }
}

/** The workers that were seen, by their ids. Who has not said how long its lease is has one of `leaseMs`. */
export const crewOf = (sightings: ReadonlyArray<Sighting>, leaseMs: number): ReadonlyArray<WorkerView> => {
  const byId = Map.groupBy(sightings, ({ worker }) => worker.worker)
  return [...byId].map(([id, seen]) => viewOf(id, seen, leaseMs)).sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** A node as people and programs see it. Times in Unix milliseconds. */
export interface NodeView {
  readonly id: NodeName
  /** `lost`: it was not heard of for a lease. */
  readonly state: "running" | "draining" | "lost"
  readonly host: string
  readonly pid: number
  readonly startedAt: number
  /** When it was heard of last, and how long ago, on the store's clock. */
  readonly heartbeatAt: number
  readonly silentMs: number
  /** Its worker processes, and how many it keeps at least and at most. */
  readonly workers: number
  readonly min: number
  readonly max: number
}

export const nodeViewOf = ({ about, draining, leaseUntil, node, seenAt }: NodeState): NodeView => {
  const { leaseMs, ...said } = about
  const heartbeatAt = leaseUntil - leaseMs
  return {
    ...said,
    id: node,
    state: leaseUntil <= seenAt ? "lost" : draining ? "draining" : "running",
    heartbeatAt,
    silentMs: Math.max(0, seenAt - heartbeatAt)
  }
}
