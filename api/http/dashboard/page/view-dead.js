/** Dead letters: what failed and why, by the error; putting it back to work, or dropping it, one or many. */
import { askingFirst } from "./asking-first.js"
import { count, many } from "./format.js"
import { action, actions, filters, link, pager, part } from "./pieces.js"
import { filtered, filtersIn } from "./route.js"
import { column, table } from "./table.js"
import { taskTable } from "./task-table.js"
import { h } from "./tree.js"

const filterNames = ["error", "name", "queue", "from", "to"]
const limitDefault = 50

/** What fails after it was counted is not meant: nobody has seen it. */
const upTo = (filter, now) => ({ ...filter, to: filter.to ?? new Date(now).toISOString() })

const doIt = (page, selection, { name, does, done, isDangerous }) =>
  askingFirst(page, {
    noun: "dead letter",
    isDangerous,
    count: async () => (await page.ask(name, { query: { dryRun: 1 }, body: selection })).count,
    question: (letters) => `${does} ${letters}?`,
    button: (number) => `${does} ${many(number, "dead letter")}`,
    run: () => page.ask(name, { body: selection }),
    done: (answer) => {
      page.local.chosen?.clear()
      const left = answer.left
        ? ` ${count(answer.left)} stay: this process does not have their handlers.`
        : ""
      return `${many(answer.count, "dead letter")} ${done}.${left}`
    }
  })

const retrying = { name: "retryDead", does: "Retry", done: "wait for their turn again", isDangerous: false }
const purging = { name: "purgeDead", does: "Drop", done: "dropped for good", isDangerous: true }

const both = (page, selectionOf, words) => [
  action(page, "retryDead", words.retry, () => doIt(page, selectionOf(), retrying)),
  action(page, "purgeDead", words.purge, () => doIt(page, selectionOf(), purging), "danger")
]

const groups = (page) => {
  const { data, now, route } = page
  const filter = filtersIn(route, filterNames)
  return table({
    caption: "What the newest of them failed with",
    items: data.groups,
    keyOf: ({ error }) => error,
    nothing: "There is none.",
    columns: [
      column("Error", ({ error }) => link(filtered(route, { error }), error)),
      column("How many", (group) => count(group.count), { isNumber: true }),
      page.can("retryDead")
        ? column("Do", ({ error }) =>
            actions(
              both(page, () => upTo({ ...filter, error }, now), { retry: "Retry all…", purge: "Drop all…" })
            )
          )
        : undefined
    ]
  })
}

const list = (page) => {
  const { data, local, now, route } = page
  local.chosen ??= new Set()
  const there = new Set(data.dead.map(({ id }) => id))
  const chosen = [...local.chosen].filter((id) => there.has(id))
  const filter = filtersIn(route, filterNames)
  const meant = Object.keys(filter).length === 0 ? "all of them" : "all that fit the filter"
  return [
    h(
      "div",
      { class: "chosen", key: "chosen" },
      chosen.length === 0
        ? actions(both(page, () => upTo(filter, now), { retry: `Retry ${meant}…`, purge: `Drop ${meant}…` }))
        : [
            `${many(chosen.length, "dead letter")} chosen`,
            actions(
              both(page, () => ({ ids: chosen }), { retry: "Retry them…", purge: "Drop them…" }),
              h(
                "button",
                { type: "button", onclick: () => (local.chosen.clear(), page.redraw()) },
                "Choose none"
              )
            )
          ]
    ),
    taskTable(page, data.dead, {
      caption: "Dead letters, those that failed last first",
      isDead: true,
      choice: page.can("retryDead") ? { selected: local.chosen, redraw: page.redraw } : undefined,
      nothing:
        data.next === undefined
          ? "There is no such dead letter."
          : "There is none on this page; there may be on the next."
    }),
    pager(page, data.next)
  ]
}

export const dead = {
  title: () => "Dead letters",
  needs: "listDead",
  listens: true,
  changesWithNews: true,
  load: ({ ask, route }) =>
    ask("listDead", { query: { limit: limitDefault, ...filtersIn(route, [...filterNames, "cursor"]) } }),
  draw: (page) => [
    filters(page, [
      { name: "error", label: "Error" },
      { name: "name", label: "Handler" },
      { name: "queue", label: "Queue" },
      { name: "from", label: "Failed from", kind: "time" },
      { name: "to", label: "Before", kind: "time" }
    ]),
    // Only the first page says with what they failed.
    page.route.query.cursor === undefined ? part("By error", groups(page)) : undefined,
    part("Letters", list(page))
  ]
}
