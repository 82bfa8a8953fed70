/** How everything stands: totals, what happened lately, queues, workers, and the news of tasks as they come. */
import { chart } from "./chart.js"
import { count, duration, many, percent, rate } from "./format.js"
import { badge, empty, link, none, part, taskLink, tile, when } from "./pieces.js"
import { queueTable } from "./queue-table.js"
import { filtered, hrefOf } from "./route.js"
import { column, table } from "./table.js"
import { h } from "./tree.js"

const spans = [15, 60, 120]
const spanDefault = 60

const spanIn = ({ query }) => {
  const said = Number(query.minutes)
  return spans.includes(said) ? said : spanDefault
}

/** How long it takes, as a rule and at worst. */
const timeTile = (label, { p50Ms, p95Ms }) =>
  tile(label, p50Ms === undefined ? none : duration(p50Ms), {
    note: p95Ms === undefined ? undefined : `95 %: ${duration(p95Ms)}`
  })

/** The tone of a share of success: what is a tenth off is bad. */
const toneOf = (successRate) =>
  successRate === undefined ? "" : successRate < 0.9 ? "bad" : successRate < 0.99 ? "warn" : "good"

const tiles = ({ stats, workers, nodes }) => {
  const lost = workers.filter(({ state }) => state === "lost").length
  const oneMinute = stats.perMinute.at(-2)
  return h(
    "div",
    { class: "tiles" },
    tile("Waiting", count(stats.queued), { href: hrefOf("tasks", [], { state: "queued" }) }),
    tile("Running", count(stats.running), { href: hrefOf("tasks", [], { state: "running" }) }),
    tile("Delayed", count(stats.scheduled), {
      href: hrefOf("tasks", [], { state: "scheduled" }),
      note: "retries, too"
    }),
    tile("For children", count(stats.waiting), { href: hrefOf("tasks", [], { state: "waiting" }) }),
    tile("Dead letters", count(stats.dead), { href: hrefOf("dead"), tone: stats.dead > 0 ? "bad" : "" }),
    tile("Success", stats.successRate === undefined ? "–" : percent(stats.successRate), {
      tone: toneOf(stats.successRate),
      note: `${count(stats.succeeded)} of ${count(stats.succeeded + stats.failed)}`
    }),
    tile("Last minute", oneMinute === undefined ? "–" : rate(oneMinute.succeeded + oneMinute.failed), {
      note: "have ended"
    }),
    timeTile("Median wait", stats.wait),
    timeTile("Median run", stats.run),
    tile("Workers", count(stats.workers), {
      href: hrefOf("workers"),
      tone: stats.workers === 0 || lost > 0 ? "bad" : "",
      note: lost > 0 ? `${lost} lost` : `on ${many(nodes.length, "node")}`
    })
  )
}

const spanLinks = (route) =>
  h(
    "nav",
    { class: "tabs", "aria-label": "How far back" },
    spans.map((minutes) =>
      h(
        "a",
        {
          href: filtered(route, { minutes }),
          "aria-current": minutes === spanIn(route) ? "true" : undefined
        },
        `${minutes} min`
      )
    )
  )

const newsTable = ({ feed, listen, now }) => [
  feed.isFlooded
    ? h(
        "p",
        { class: "note" },
        "So much happens that it cannot be told one by one. The numbers above go on. ",
        h("button", { type: "button", onclick: listen }, "Listen again")
      )
    : undefined,
  feed.hasGap ? h("p", { class: "note" }, "Some were missed.") : undefined,
  table({
    caption: "What has just become of tasks",
    items: feed.news,
    keyOf: ({ place, task, type }) => place ?? `${task} ${type}`,
    nothing: "Nothing has happened since this page was opened.",
    columns: [
      column("When", ({ at }) => when(at, now)),
      column("What", ({ type, state }) => badge(type === "task.completed" ? "succeeded" : state)),
      column("Handler", ({ name }) => name),
      column("Task", ({ task }) => taskLink(task)),
      column("Queue", ({ queue }) => queue),
      column("Attempt", ({ attempt }) => count(attempt), { isNumber: true })
    ]
  })
]

const ofAll = (page) => {
  const { data, now, route } = page
  const { nodes, queues, stats, workers } = data
  return [
    tiles({ stats, workers, nodes }),
    part("By the minute", spanLinks(route), chart(stats.perMinute, spanIn(route), now)),
    part("Queues", queueTable(page, queues, { withActions: false }))
  ]
}

export const overview = {
  title: () => "Overview",
  needs: "listTasks",
  listens: true,
  // It counts everything: on a busy system there is always news.
  every: () => 3_000,
  async load({ ask, can, route }) {
    // What is everybody's is not a tenant's to see.
    if (!can("getStats")) return {}
    const [stats, { queues }, { workers }, { nodes }] = await Promise.all([
      ask("getStats", { query: { minutes: spanIn(route) } }),
      ask("listQueues", { query: { limit: 100 } }),
      ask("listWorkers", { query: { limit: 1_000 } }),
      ask("listNodes", { query: { limit: 1_000 } })
    ])
    return { stats, queues, workers, nodes }
  },
  draw: (page) => [
    page.data.stats === undefined
      ? h(
          "p",
          { class: "note" },
          "Totals, queues and workers are everybody's, and so for keys of the tenant default. Here are your ",
          link(hrefOf("tasks"), "tasks"),
          " and ",
          link(hrefOf("dead"), "dead letters"),
          "."
        )
      : ofAll(page),
    part("As it happens", page.can("listenToTasks") ? newsTable(page) : empty("Your key may not follow it."))
  ]
}
