/** Schedules: when each is due next, what became of its last run, and running, pausing and resuming one. */
import { at, badge, link, none, pager, taskLink, when } from "./pieces.js"
import { filtersIn, hrefOf } from "./route.js"
import { ruleOf, scheduleActions } from "./schedule-actions.js"
import { column, table } from "./table.js"
import { h } from "./tree.js"

const lastRun = ({ lastRun: run }, now) =>
  run === undefined
    ? none
    : [
        badge(run.state ?? run.outcome),
        " ",
        when(run.at, now),
        run.task === undefined ? undefined : [" ", taskLink(run.task)],
        run.error === undefined ? undefined : h("div", { class: "note error" }, run.error)
      ]

export const schedules = {
  title: () => "Schedules",
  needs: "listSchedules",
  load: ({ ask, route }) => ask("listSchedules", { query: { limit: 50, ...filtersIn(route, ["cursor"]) } }),
  draw: (page) => [
    table({
      caption: "Schedules, in the order of their ids",
      items: page.data.schedules,
      keyOf: ({ id }) => id,
      nothing: "There is no schedule.",
      columns: [
        column("Schedule", ({ id, paused }) => [
          link(hrefOf("schedules", [id]), id),
          paused ? [" ", badge("paused")] : undefined
        ]),
        column("Handler", ({ name }) => name),
        column("Rule", ruleOf),
        column("Next run", ({ nextRuns: [next] }) =>
          next === undefined ? none : [when(next, page.now), h("div", { class: "note" }, at(next, page.now))]
        ),
        column("Last run", (schedule) => lastRun(schedule, page.now)),
        page.can("runSchedule") ? column("Do", (schedule) => scheduleActions(page, schedule)) : undefined
      ]
    }),
    pager(page, page.data.next)
  ]
}
