/** Tasks as a table. */
import { count, duration } from "./format.js"
import { badge, link, none, tags, taskLink, when } from "./pieces.js"
import { hrefOf } from "./route.js"
import { column, table } from "./table.js"
import { h } from "./tree.js"

/** How long its newest run took, or has taken so far. */
export const ranMs = ({ finishedAt, startedAt, state }, now) => {
  if (startedAt === undefined) return undefined
  if (finishedAt !== undefined) return Date.parse(finishedAt) - Date.parse(startedAt)
  return state === "running" ? Math.max(0, now - Date.parse(startedAt)) : undefined
}

const progressIn = ({ progress }) =>
  progress === undefined
    ? undefined
    : h("progress", { max: 1, value: progress.fraction, title: progress.message, "aria-label": "Progress" })

const ranCell = (task, now) => {
  const ms = ranMs(task, now)
  return [ms === undefined ? none : duration(ms), progressIn(task)]
}

const stateCell = ({ dueAt, error, state }, now) => [
  badge(state),
  dueAt === undefined ? undefined : h("div", { class: "note" }, when(dueAt, now)),
  error === undefined || state === "succeeded"
    ? undefined
    : h("div", { class: "note error", title: error.message }, error.type)
]

/** `choice` lets rows be chosen; `isDead` shows what each failed with. */
export const taskTable = ({ now }, tasks, { caption, choice, isDead = false, nothing }) =>
  table({
    caption,
    choice,
    items: tasks,
    keyOf: ({ id }) => id,
    nothing,
    columns: [
      isDead
        ? column("Error", ({ error }) =>
            error === undefined
              ? none
              : h("span", { class: "error short", title: error.message }, `${error.type}: ${error.message}`)
          )
        : column("State", (task) => stateCell(task, now)),
      column("Handler", ({ id, name }) => link(hrefOf("tasks", [id]), name)),
      column("Task", ({ id }) => taskLink(id)),
      column("Queue", ({ priority, queue }) => [
        queue,
        priority === "normal" ? undefined : h("span", { class: `tag ${priority}` }, priority)
      ]),
      column("Key, tags", ({ key, tags: names }) =>
        key === undefined && names.length === 0
          ? none
          : [key === undefined ? undefined : h("code", null, key), tags(names)]
      ),
      column("Attempt", ({ attempt, maxAttempts }) => `${count(attempt)} of ${count(maxAttempts)}`, {
        isNumber: true
      }),
      column("Submitted", ({ submittedAt }) => when(submittedAt, now), { isNumber: true }),
      isDead
        ? column("Failed", ({ finishedAt }) => when(finishedAt, now), { isNumber: true })
        : column("Ran", (task) => ranCell(task, now), { isNumber: true })
    ]
  })
