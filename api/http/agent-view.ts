/** Agents as JSON: times in ISO 8601. */
import type { AgentSummary, AgentView } from "../../actors/operate/agent-view.ts"

const iso = (millis: number) => new Date(millis).toISOString()

export const agentSummaryJson = <Agent extends AgentSummary>({
  quarantinedAt,
  updatedAt,
  ...agent
}: Agent) => ({
  ...agent,
  ...(quarantinedAt === undefined ? {} : { quarantinedAt: iso(quarantinedAt) }),
  ...(updatedAt === undefined ? {} : { updatedAt: iso(updatedAt) })
})

export const agentJson = (agent: AgentView) => agentSummaryJson(agent)
