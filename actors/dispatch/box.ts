/**
 * Which box a task waits in: a decision over plain values.
 *
 * A box is named `<ring>|<key>`, and that of an agent `<ring>|~<address>`. A task without a key whose handler has limits waits in the box of its lane, so that
 * the limits are kept without holding up what is in no hurry to be limited.
 */
import type { TaskDefinition } from "../../runtime/handler.ts"
import { addressOf } from "../../runtime/current-agent.ts"
import { type AgentAddress, agentBoxKey, type Box, boxKeyOf } from "../../runtime/mailbox.ts"
import type { Using } from "../../runtime/limit-name.ts"
import type { Lane } from "../../runtime/task.ts"
import { ringOfLimits } from "./rings.ts"

/** What stands in for the key of a task that has none. A key of a caller's cannot begin so. */
const laneKey = (lane: Lane) => `~${lane}`

/** The part of a task that says in which box it waits. */
interface Waiting extends Using {
  readonly lane: Lane
}

const boxOfAgent = (ring: string, agent: AgentAddress): Box => ({
  name: `${ring}|${agentBoxKey(agent)}`,
  limit: 1,
  ordered: true
})

/** The box of a task; `undefined` for one that waits in its lane. An agent's has a key. `input` is what its handler's `run` is given. */
export const boxOf = ({ body, keyed, limits, name }: TaskDefinition, task: Waiting): Box | undefined => {
  const ring = limits.length === 0 ? "" : ringOfLimits(limits, task)
  if (body.kind === "agent") return boxOfAgent(ring, addressOf(name, task.key!, task.tenant))
  if (task.key !== undefined)
    return {
      name: `${ring}|${boxKeyOf(task.key, task.tenant)}`,
      limit: keyed.concurrency,
      ordered: keyed.ordered
    }
  // Tenants take turns in the ring, whether their tasks have keys or not.
  return ring === "" && task.tenant === undefined
    ? undefined
    : { name: `${ring}|${boxKeyOf(laneKey(task.lane), task.tenant)}`, limit: 0, ordered: false }
}
