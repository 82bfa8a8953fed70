/** Agents in memory: the readable specification of `runtime/lua/agent-*.lua`. */
import { Clock, Duration, Effect, Layer } from "effect"
import { Agents, agentsPageMax, type AgentStanding, type StoredAgent } from "../agents.ts"
import { Settings } from "../config.ts"
import { type AgentAddress, agentBoxKey } from "../mailbox.ts"
import { type Partition, ulidOfEntry } from "../task.ts"
import type { AgentCell } from "./cells.ts"
import { Heaps } from "./heap.ts"

/** How many waiting messages one call cancels. */
const messagesAtOnce = 200

const storedOf = (cell: AgentCell | undefined): StoredAgent => ({
  revision: cell?.revision ?? "0",
  state: cell?.state,
  timers: new Map(cell?.timers)
})

const make = Effect.gen(function* () {
  const { of: heapOf } = yield* Heaps
  const retentionMs = Duration.toMillis((yield* Settings).retention)
  const clock = Effect.map(Clock.currentTimeMillis, Math.floor)

  const standing = (partition: Partition, agent: AgentAddress, box: string): AgentStanding | undefined => {
    const heap = heapOf(partition)
    const cell = heap.agents.get(agent)
    const waiting = heap.box.get(box)?.length ?? 0
    const taken = heap.runsOf(box)
    if (cell === undefined && waiting === 0 && taken.length === 0) return undefined
    return {
      revision: cell?.revision ?? "0",
      version: cell?.state?.version,
      at: cell?.at,
      quarantined: cell?.quarantined,
      failures: cell?.failures ?? 0,
      waiting,
      taken
    }
  }

  const read: Agents["Service"]["read"] = (partition, agent, box) =>
    Effect.sync(() => {
      const found = standing(partition, agent, box)
      return found && { ...storedOf(heapOf(partition).agents.get(agent)), ...found }
    })

  const survey: Agents["Service"]["survey"] = (partition, agents) =>
    Effect.sync(() => agents.map(({ agent, box }) => standing(partition, agent, box)))

  const list: Agents["Service"]["list"] = (partition, { after = "", limit, prefix }) =>
    Effect.sync(() => {
      const heap = heapOf(partition)
      return [...heap.agents.keys()]
        .filter((agent) => agent.startsWith(prefix) && agent > after)
        .sort()
        .slice(0, Math.min(limit, agentsPageMax))
        .map((agent) => ({ agent, quarantined: heap.pausedKeys.has(agentBoxKey(agent)) }))
    })

  const resume: Agents["Service"]["resume"] = Effect.fnUntraced(function* (partition, agent, options) {
    const heap = heapOf(partition)
    const now = yield* clock
    const { box, reset } = options
    const cell = heap.agents.get(agent)
    const known = cell !== undefined || (heap.box.get(box)?.length ?? 0) > 0 || heap.runsOf(box).length > 0
    heap.pausedKeys.delete(agentBoxKey(agent))
    if (reset) {
      heap.agents.delete(agent)
      const error = { type: "AgentReset", message: "its agent was reset" }
      heap.endEarly([...(cell?.timers.values() ?? [])], "C", error, now, retentionMs)
    } else if (cell !== undefined) {
      cell.quarantined = undefined
      cell.failures = 0
      if (cell.revision === "0") heap.agents.delete(agent)
    }
    heap.markReady(box)
    heap.ring()
    return known
  })

  const stop: Agents["Service"]["stop"] = Effect.fnUntraced(function* (partition, agent, { box, reason }) {
    const heap = heapOf(partition)
    const now = yield* clock
    const waiting = heap.box.get(box) ?? []
    const ulids = [...heap.runsOf(box), ...waiting.splice(0, messagesAtOnce)].map(ulidOfEntry)
    const left = waiting.length > 0
    if (!left) {
      ulids.push(...(heap.agents.get(agent)?.timers.values() ?? []))
      heap.agents.delete(agent)
      heap.pausedKeys.delete(agentBoxKey(agent))
    } else {
      heap.pausedKeys.add(agentBoxKey(agent))
      const cell = heap.agentCell(agent)
      cell.quarantined ??= { at: now }
    }
    const ended = heap.endEarly(ulids, "C", { type: "AgentStopped", message: reason }, now, retentionMs)
    heap.markReady(box)
    return { cancelled: ended.length, left }
  })

  return Agents.of({
    load: (partition, agents) =>
      Effect.sync(() => agents.map((agent) => storedOf(heapOf(partition).agents.get(agent)))),
    read,
    survey,
    list,
    resume,
    stop
  })
})

/** Agents in the partitions that `Heaps` has. */
export const layer = Layer.effect(Agents, make)
