/** One agent: its state, its mailbox, its timers, and what it failed with. */
import { agentActions } from "./agent-actions.js"
import { count } from "./format.js"
import { at, badge, empty, facts, jsonBlock, link, part, taskLink } from "./pieces.js"
import { hrefOf } from "./route.js"
import { h } from "./tree.js"

const list = (items) => items.map((item, index) => [index === 0 ? "" : ", ", item])

export const agent = {
  title: ({ parts }) => `Agent ${parts[0]}/${parts[1]}`,
  needs: "getAgent",
  load: ({ ask, route: { parts } }) => ask("getAgent", { parts: { type: parts[0], key: parts[1] } }),
  draw: (page) => {
    const { data, now } = page
    return [
      h(
        "div",
        { class: "task-head" },
        badge(data.status),
        h("strong", null, `${data.name}/${data.key}`),
        agentActions(page, data)
      ),
      data.status === "quarantined"
        ? h(
            "p",
            { class: "failure" },
            "A message has failed for good, so it hands out nothing and takes nothing. ",
            data.deadLetter === undefined
              ? undefined
              : ["Look at its ", taskLink(data.deadLetter, "dead letter"), "."]
          )
        : undefined,
      part(
        "Mailbox",
        facts([
          ["Queue", data.queue],
          [
            "Messages that wait",
            link(hrefOf("tasks", [], { name: data.name, state: "queued" }), count(data.mailbox))
          ],
          [
            "Handled now",
            data.running.length === 0 ? undefined : list(data.running.map((id) => taskLink(id)))
          ],
          ["Failures", count(data.failures)],
          ["In quarantine since", data.quarantinedAt && at(data.quarantinedAt, now)],
          [
            "Timers",
            data.timers.length === 0
              ? undefined
              : list(data.timers.map(({ name, task }) => [name, " ", taskLink(task)]))
          ],
          ["Version of its state", count(data.version)],
          ["Revision", h("code", null, data.revision)],
          ["State changed", data.updatedAt && at(data.updatedAt, now)]
        ])
      ),
      part(
        "State",
        data.state === undefined || data.state === null
          ? empty("It has none.")
          : jsonBlock(data.state, "The state")
      )
    ]
  }
}
