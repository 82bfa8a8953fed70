/** An agent as people and programs see it, made of what lies in the store: a decision over plain values. */
import type { AgentFound, AgentStanding } from "../../runtime/agents.ts"
import type { AgentDefinition } from "../../runtime/agent.ts"
import { idIn, type Partition, queueOf, type TaskId, ulidOfEntry } from "../../runtime/task.ts"

/** Whether it has nothing to do, handles messages or has some to handle, or hands out none until it is resumed. */
export type AgentStatus = "idle" | "busy" | "quarantined"

/** An agent without what it knows. Times in Unix milliseconds. */
export interface AgentSummary {
  readonly name: string
  readonly key: string
  readonly queue: string
  readonly status: AgentStatus
  /** Of its state's schema; of the first state, where nothing was stored yet. */
  readonly version: number
  /** Changes whenever the state or a timer does; `"0"` before the first time. */
  readonly revision: string
  /** How many messages wait. */
  readonly mailbox: number
  /** Messages that a worker has, the first of them being handled, or that keep their place until they are tried again. */
  readonly running: ReadonlyArray<TaskId>
  /** How many of its messages have failed for good since it was resumed. */
  readonly failures: number
  readonly quarantinedAt?: number
  /** The message that it is in quarantine for. */
  readonly deadLetter?: TaskId
  /** When its state or a timer changed last. */
  readonly updatedAt?: number
}

/** An agent with its state, its mailbox and its timers. Times are Unix milliseconds. */
export interface AgentView extends AgentSummary {
  /** As it is stored; `null` before the first message that set it. */
  readonly state: unknown
  /** What it has scheduled, by name, each with the message that will come. */
  readonly timers: ReadonlyArray<{ readonly name: string; readonly task: TaskId }>
}

/** One that nothing is stored of. */
const nothing: AgentFound = {
  revision: "0",
  state: undefined,
  version: undefined,
  timers: new Map(),
  at: undefined,
  quarantined: undefined,
  failures: 0,
  waiting: 0,
  taken: []
}

const statusOf = ({ quarantined, taken, waiting }: AgentStanding): AgentStatus =>
  quarantined !== undefined ? "quarantined" : taken.length + waiting > 0 ? "busy" : "idle"

interface Known {
  readonly definition: AgentDefinition
  readonly key: string
  readonly partition: Partition
}

export const summaryOf = (
  { definition, key, partition }: Known,
  found: AgentStanding = nothing
): AgentSummary => {
  const { at, failures, quarantined, revision, taken, version, waiting } = found
  return {
    name: definition.name,
    key,
    queue: queueOf(partition),
    status: statusOf(found),
    version: version ?? definition.body.state.version,
    revision,
    mailbox: waiting,
    running: taken
      .map(ulidOfEntry)
      .toSorted()
      .map((ulid) => idIn(partition, ulid)),
    failures,
    ...(quarantined === undefined
      ? {}
      : {
          quarantinedAt: quarantined.at,
          ...(quarantined.ulid !== undefined && { deadLetter: idIn(partition, quarantined.ulid) })
        }),
    ...(at === undefined ? {} : { updatedAt: at })
  }
}

export const agentViewOf = (known: Known, found: AgentFound = nothing): AgentView => ({
  ...summaryOf(known, found),
  state: found.state === undefined ? null : (JSON.parse(found.state.json) as unknown),
  timers: [...found.timers]
    .map(([name, ulid]) => ({ name, task: idIn(known.partition, ulid) }))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
})
