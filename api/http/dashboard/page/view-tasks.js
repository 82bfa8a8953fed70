/** Finding tasks: by state, handler, queue, tag, key and time; and cancelling some of them. */
import { askingFirst } from "./asking-first.js"
import { many } from "./format.js"
import { action, actions, filters, pager } from "./pieces.js"
import { filtered, filtersIn } from "./route.js"
import { taskTable } from "./task-table.js"
import { h } from "./tree.js"
import { Problem } from "./words.js"

const states = [
  "queued",
  "running",
  "scheduled",
  "retrying",
  "waiting",
  "succeeded",
  "failed",
  "cancelled",
  "expired"
]

const limitDefault = 50

const tabs = (route) =>
  h(
    "nav",
    { class: "tabs", "aria-label": "By state" },
    [undefined, ...states].map((state) =>
      h(
        "a",
        {
          href: filtered(route, { state }),
          "aria-current": (route.query.state || undefined) === state ? "true" : undefined
        },
        state ?? "all"
      )
    )
  )

/** Cancels one after the other, and says of how many it was true. One that has ended meanwhile is none of them. */
const cancelAll = async (page, ids) => {
  let cancelled = 0
  for (const id of ids) {
    try {
      await page.ask("cancelTask", { parts: { id }, body: {} })
      cancelled += 1
    } catch (error) {
      if (!(error instanceof Problem) || (error.status !== 409 && error.status !== 404)) throw error
    }
  }
  return cancelled
}

const retryChosen = (page, ids) =>
  askingFirst(page, {
    isDangerous: false,
    count: async () => (await page.ask("retryDead", { query: { dryRun: 1 }, body: { ids } })).count,
    question: (tasks) => `Retry ${tasks} of those that you chose?`,
    button: (number) => `Retry ${many(number, "task")}`,
    run: () => page.ask("retryDead", { body: { ids } }),
    done: ({ count }) => {
      page.local.chosen.clear()
      return `${many(count, "task")} wait for their turn again.`
    }
  })

const cancelChosen = (page, ids) =>
  askingFirst(page, {
    count: async () => ids.length,
    question: (tasks) => `Cancel the ${tasks} that you chose?`,
    button: (number) => `Cancel ${many(number, "task")}`,
    run: () => cancelAll(page, ids),
    done: (number) => {
      page.local.chosen.clear()
      return `${many(number, "task")} cancelled; what had ended before stays as it was.`
    }
  })

export const tasks = {
  title: () => "Tasks",
  needs: "listTasks",
  listens: true,
  changesWithNews: true,
  load: ({ ask, route }) =>
    ask("listTasks", {
      query: {
        limit: limitDefault,
        ...filtersIn(route, ["state", "name", "queue", "tag", "key", "from", "to", "limit", "cursor"])
      }
    }),
  draw: (page) => {
    const { data, local, route } = page
    local.chosen ??= new Set()
    const all = data.tasks.filter(({ id }) => local.chosen.has(id))
    const chosen = all.map(({ id }) => id)
    const failed = all.filter(({ state }) => state === "failed").map(({ id }) => id)
    return [
      tabs(route),
      filters(page, [
        { name: "name", label: "Handler" },
        { name: "queue", label: "Queue" },
        { name: "key", label: "Key" },
        { name: "tag", label: "Tag" },
        { name: "from", label: "Submitted from", kind: "time" },
        { name: "to", label: "Before", kind: "time" }
      ]),
      chosen.length === 0
        ? undefined
        : h(
            "div",
            { class: "chosen", key: "chosen" },
            `${many(chosen.length, "task")} chosen`,
            actions(
              failed.length === 0
                ? undefined
                : action(page, "retryDead", "Retry those that failed…", () => retryChosen(page, failed)),
              action(page, "cancelTask", "Cancel them…", () => cancelChosen(page, chosen), "danger"),
              h(
                "button",
                { type: "button", onclick: () => (local.chosen.clear(), page.redraw()) },
                "Choose none"
              )
            )
          ),
      taskTable(page, data.tasks, {
        caption: "Tasks, the newest first; those that wait in the order in which they wait",
        choice: page.can("cancelTask") ? { selected: local.chosen, redraw: page.redraw } : undefined,
        nothing:
          data.next === undefined
            ? "There is no such task."
            : "There is none on this page; there may be on the next."
      }),
      pager(page, data.next)
    ]
  }
}
