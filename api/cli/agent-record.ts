/** An agent for people to read: a decision over plain values. */
import type { AgentView } from "../../actors/operate/agent-view.ts"
import * as Output from "./output.ts"

const iso = (millis: number) => new Date(millis).toISOString()

/** How much of a state is shown, in characters of JSON. */
const stateShown = 2_000

const stateText = (state: unknown) => {
  const text = Output.tame(JSON.stringify(state))
  return text.length <= stateShown ? text : `${text.slice(0, stateShown)}… (all of it with --json)`
}

/** One line a field, the absent ones left out. */
export const agentText = (agent: AgentView): string => {
  const { deadLetter, failures, key, mailbox, name, quarantinedAt, queue, running, status } = agent
  const list = (lines: ReadonlyArray<string>) =>
    lines.length > 0 && ["", ...lines.map((line) => `  ${line}`)].join("\n")
  const rows: ReadonlyArray<readonly [label: string, value: string | false | undefined]> = [
    ["name", name],
    ["key", Output.tame(key)],
    ["status", quarantinedAt === undefined ? status : `${status} since ${iso(quarantinedAt)}`],
    ["because", deadLetter],
    ["queue", queue],
    ["state", stateText(agent.state)],
    ["version", `${agent.version}`],
    ["updated", agent.updatedAt !== undefined && iso(agent.updatedAt)],
    ["mailbox", `${mailbox} waiting`],
    ["failures", failures > 0 && `${failures}`],
    ["running", list(running)],
    ["timers", list(agent.timers.map(({ name, task }) => `${Output.tame(name)}  ${task}`))]
  ]
  return rows
    .flatMap(([label, value]) => (value ? [`${label.padEnd(11)}${value}`.replace(/ +\n/, "\n")] : []))
    .join("\n")
}
