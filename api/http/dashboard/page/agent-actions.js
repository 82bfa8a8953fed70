/** What may be done to an agent: ending its quarantine, forgetting its state, stopping it. */
import { askingOnce } from "./asking-first.js"
import { many } from "./format.js"
import { action, actions } from "./pieces.js"

const partsOf = ({ key, name }) => ({ type: name, key })

const resume = (page, agent) =>
  page.act(async () => {
    await page.ask("resumeAgent", { parts: partsOf(agent) })
    return `${agent.name}/${agent.key} handles its messages again.`
  })

const reset = (page, agent) =>
  askingOnce(page, {
    title: `Forget the state of ${agent.name}/${agent.key}?`,
    text: "Its state and its timers are gone for good, and its quarantine ends. What waits stays.",
    button: "Forget its state",
    run: async () => {
      await page.ask("resetAgent", { parts: partsOf(agent) })
      return `${agent.name}/${agent.key} begins anew.`
    }
  })

/** It forgets the state also where nothing waits, so that it is asked in any case. */
const stop = (page, agent) =>
  page.act(async () => {
    const parts = partsOf(agent)
    const { count } = await page.ask("stopAgent", { parts, query: { dryRun: 1 } })
    const said = await page.inquire({
      title: `Stop ${agent.name}/${agent.key}, and cancel ${many(count, "message")}?`,
      text: "What it handles is interrupted, what waits is cancelled, its state and its timers are gone for good.",
      button: `Stop it, and cancel ${many(count, "message")}`,
      isDangerous: true,
      fields: [{ name: "reason", label: "Why", placeholder: "the user has left" }]
    })
    if (said === undefined) return undefined
    const done = await page.ask("stopAgent", {
      parts,
      body: said.reason === "" ? {} : { reason: said.reason }
    })
    return `${agent.name}/${agent.key} is stopped; ${many(done.count, "message")} cancelled.`
  })

export const agentActions = (page, agent) =>
  actions(
    agent.status === "quarantined"
      ? action(page, "resumeAgent", "Resume", () => resume(page, agent))
      : undefined,
    action(page, "resetAgent", "Reset…", () => reset(page, agent), "danger"),
    action(page, "stopAgent", "Stop…", () => stop(page, agent), "danger")
  )
