/** One schedule: its rule and its task, its next slots, and what became of the last ones. */
import { duration } from "./format.js"
import { at, badge, facts, jsonBlock, link, none, part, tags, taskLink, when } from "./pieces.js"
import { hrefOf } from "./route.js"
import { ruleOf, scheduleActions } from "./schedule-actions.js"
import { column, table } from "./table.js"
import { h } from "./tree.js"

const history = ({ now }, slots) =>
  table({
    caption: "What became of the last slots, the newest first",
    items: slots,
    keyOf: ({ at, slot }) => `${slot} ${at}`,
    nothing: "No slot has come yet.",
    columns: [
      column("Slot", ({ manual, slot, to }) => [
        manual ? "by hand" : at(slot, now),
        to === undefined ? undefined : [" to ", at(to, now)]
      ]),
      column("Fired", (run) => when(run.at, now)),
      column("Outcome", ({ outcome }) => outcome),
      column("Task", ({ error, state, task }) => [
        task === undefined ? none : taskLink(task),
        state === undefined ? undefined : [" ", badge(state)],
        error === undefined ? undefined : h("span", { class: "error" }, error)
      ])
    ]
  })

export const schedule = {
  title: ({ parts }) => `Schedule ${parts[0]}`,
  needs: "getSchedule",
  load: ({ ask, route }) => ask("getSchedule", { parts: { id: route.parts[0] } }),
  draw: (page) => {
    const { data, now } = page
    return [
      h(
        "div",
        { class: "task-head" },
        data.paused ? badge("paused") : undefined,
        h("strong", null, ruleOf(data)),
        scheduleActions(page, data)
      ),
      part(
        "Definition",
        facts([
          ["Handler", link(hrefOf("tasks", [], { name: data.name }), data.name)],
          ["Queue", data.queue],
          ["Priority", data.priority],
          ["Key", data.key],
          ["Tags", data.tags === undefined || data.tags.length === 0 ? undefined : tags(data.tags)],
          ["Missed slots", data.missed],
          ["Overlapping runs", data.overlap],
          ["Held back by up to", data.jitterMs ? duration(data.jitterMs) : undefined],
          ["Waits for the last run", data.waiting && at(data.waiting, now)],
          ["Made", at(data.createdAt, now)],
          ["Changed", at(data.updatedAt, now)]
        ])
      ),
      part(
        "Next runs",
        data.nextRuns.length === 0
          ? h("p", { class: "empty" }, data.paused ? "None while it is paused." : "None: it is over.")
          : h(
              "ol",
              { class: "next" },
              data.nextRuns.map((next) =>
                h("li", { key: next }, at(next, now), " ", h("span", { class: "note" }, when(next, now)))
              )
            )
      ),
      part("History", history(page, data.history)),
      data.input === undefined ? undefined : part("Input", jsonBlock(data.input, "The input of its tasks"))
    ]
  }
}
