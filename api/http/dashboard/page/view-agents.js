/** Agents: by name and status, with what waits for each. */
import { agentActions } from "./agent-actions.js"
import { count } from "./format.js"
import { badge, filters, link, none, pager, taskLink, when } from "./pieces.js"
import { filtersIn, hrefOf } from "./route.js"
import { column, table } from "./table.js"

export const agents = {
  title: () => "Agents",
  needs: "listAgents",
  load: ({ ask, route }) =>
    ask("listAgents", { query: { limit: 50, ...filtersIn(route, ["name", "status", "cursor"]) } }),
  draw: (page) => [
    filters(page, [
      { name: "name", label: "Name" },
      { name: "status", label: "Status", kind: "select", options: ["idle", "busy", "quarantined"] }
    ]),
    table({
      caption: "Agents that have a state, a timer or a failure",
      items: page.data.agents,
      keyOf: ({ key, name }) => `${name}/${key}`,
      nothing:
        page.data.next === undefined
          ? "There is no such agent."
          : "There is none on this page; there may be on the next.",
      columns: [
        column("Status", ({ status }) => badge(status)),
        column("Agent", ({ key, name }) => link(hrefOf("agents", [name, key]), `${name}/${key}`)),
        column("Queue", ({ queue }) => queue),
        column("Mailbox", ({ mailbox }) => count(mailbox), { isNumber: true }),
        column("Handles", ({ running: [first] }) => (first === undefined ? none : taskLink(first))),
        column("Failures", ({ deadLetter, failures }) => [
          count(failures),
          deadLetter === undefined ? undefined : [" ", taskLink(deadLetter, "dead letter")]
        ]),
        column("State changed", ({ updatedAt }) => when(updatedAt, page.now), { isNumber: true }),
        page.can("stopAgent") ? column("Do", (agent) => agentActions(page, agent)) : undefined
      ]
    }),
    pager(page, page.data.next)
  ]
}
