/** Queues as a table: what waits by lane, how old the oldest is, and what may be done to one. */
import { askingFirst } from "./asking-first.js"
import { bytes, count, duration, many, rate } from "./format.js"
import { action, actions, badge, link } from "./pieces.js"
import { hrefOf } from "./route.js"
import { column, table } from "./table.js"
import { h } from "./tree.js"

const lanes = ["urgent", "high", "normal", "low", "boxed"]

/** The oldest that waits for so long is worth a look. */
const oldMs = 60_000

const waitingIn = (depth) => lanes.reduce((sum, lane) => sum + depth[lane], 0)

/** Each bound in a few words. */
export const limitTexts = (limits) =>
  [
    limits.concurrency && `${count(limits.concurrency)} at a time`,
    limits.rate && `${count(limits.rate.count)} in ${duration(limits.rate.perMs)}`,
    limits.maxDepth && `up to ${many(limits.maxDepth, "task")}`,
    limits.maxKeyDepth && `up to ${count(limits.maxKeyDepth)} of a key`,
    limits.maxAgeMs && `none older than ${duration(limits.maxAgeMs)}`,
    limits.keepMs && `results for ${duration(limits.keepMs)}`,
    limits.keepBytes && `results up to ${bytes(limits.keepBytes)}`
  ].filter(Boolean)

const pause = (page, name, queue, body) =>
  page.act(async () => {
    await page.ask(name, { parts: { queue: queue.name }, body })
    const what = body?.key === undefined ? `The queue ${queue.name}` : `The key ${body.key} of ${queue.name}`
    return name === "pauseQueue" ? `${what} hands out nothing.` : `${what} hands out tasks again.`
  })

const purge = (page, { name }) =>
  askingFirst(page, {
    count: async () => (await page.ask("purgeQueue", { parts: { queue: name }, query: { dryRun: 1 } })).count,
    question: (tasks) => `Cancel ${tasks} of the queue ${name}?`,
    button: (number) => `Cancel ${many(number, "task")}`,
    fields: [{ name: "reason", label: "Why (kept with each task)", placeholder: "sent by mistake" }],
    run: ({ reason }) =>
      page.ask("purgeQueue", { parts: { queue: name }, body: reason === "" ? {} : { reason } }),
    done: (answer) => `${many(answer.count, "task")} of ${name} cancelled.`
  })

const limitFields = [
  ["concurrency", "How many run at a time"],
  ["rateCount", "How many may start …"],
  ["ratePerMs", "… in so many milliseconds"],
  ["maxDepth", "How many tasks it takes that have not ended"],
  ["maxKeyDepth", "How many of one key"],
  ["maxAgeMs", "How old the oldest that waits may be, in milliseconds"],
  ["keepMs", "How long results are kept, in milliseconds"],
  ["keepBytes", "How many bytes of results are kept"]
]

const saidIn = ({ rate: bound, ...limits }) => ({
  ...limits,
  rateCount: bound?.count,
  ratePerMs: bound?.perMs
})

/** The bounds that fields say: one that is empty is off. */
export const limitsIn = (said) => {
  const numbers = Object.fromEntries(
    Object.entries(said).flatMap(([name, text]) => (text === "" ? [] : [[name, Number(text)]]))
  )
  const { rateCount, ratePerMs, ...limits } = numbers
  return rateCount === undefined && ratePerMs === undefined
    ? limits
    : { ...limits, rate: { count: rateCount, perMs: ratePerMs } }
}

const limit = (page, { limits, name }) =>
  page.act(async () => {
    const known = saidIn(limits)
    const said = await page.inquire({
      title: `The bounds of ${name}`,
      text: "All of them are set; one that is left empty is off.",
      button: "Set the bounds",
      fields: limitFields.map(([field, label]) => ({
        name: field,
        label,
        kind: "number",
        value: known[field] ?? ""
      }))
    })
    if (said === undefined) return undefined
    await page.ask("limitQueue", { parts: { queue: name }, body: limitsIn(said) })
    return `The bounds of ${name} are set.`
  })

const buttons = (page, queue) =>
  actions(
    queue.paused
      ? action(page, "resumeQueue", "Resume", () => pause(page, "resumeQueue", queue))
      : action(page, "pauseQueue", "Pause", () => pause(page, "pauseQueue", queue)),
    action(page, "limitQueue", "Bounds…", () => limit(page, queue)),
    action(page, "purgeQueue", "Purge…", () => purge(page, queue), "danger")
  )

/** A key that is paused. An agent's box begins with a tilde: it is in quarantine, which ends where agents are. */
const pausedKey = (page, queue, key) =>
  key.startsWith("~")
    ? [badge("quarantined"), " agent ", link(hrefOf("agents", [], { status: "quarantined" }), key.slice(1))]
    : [
        badge("paused"),
        ` key ${key} `,
        action(page, "resumeQueue", "Resume", () => pause(page, "resumeQueue", queue, { key }))
      ]

const nameCell = (page, queue) => [
  link(hrefOf("tasks", [], { queue: queue.name }), queue.name),
  queue.paused ? [" ", badge("paused")] : undefined,
  queue.pausedKeys.map((key) => h("div", { class: "paused-key", key }, pausedKey(page, queue, key)))
]

const linked = (number, view, query) => (number === 0 ? "0" : link(hrefOf(view, [], query), count(number)))

/** `withActions`: whether something may be done to each, and its bounds are shown. */
export const queueTable = (page, queues, { withActions }) =>
  table({
    caption: "Queues, and what waits in each by lane",
    items: queues,
    keyOf: ({ name }) => name,
    nothing: "No queue has, or lately had, a task.",
    columns: [
      column("Queue", (queue) => nameCell(page, queue)),
      column(
        "Waiting",
        ({ depth, name }) => linked(waitingIn(depth), "tasks", { state: "queued", queue: name }),
        { isNumber: true }
      ),
      column("By lane", ({ depth }) =>
        lanes
          .filter((lane) => depth[lane] > 0)
          .map((lane) => h("span", { class: `tag ${lane}`, key: lane }, `${count(depth[lane])} ${lane}`))
      ),
      column(
        "Oldest",
        ({ oldestMs }) =>
          oldestMs === 0 ? "–" : h("span", { class: oldestMs > oldMs ? "late" : "" }, duration(oldestMs)),
        { isNumber: true }
      ),
      column("Running", ({ name, running }) => linked(running, "tasks", { state: "running", queue: name }), {
        isNumber: true
      }),
      column(
        "Delayed",
        ({ name, scheduled }) => linked(scheduled, "tasks", { state: "scheduled", queue: name }),
        { isNumber: true }
      ),
      column("Dead", ({ dead, name }) => linked(dead, "dead", { queue: name }), { isNumber: true }),
      column(
        "In a minute",
        ({ rates }) => [
          `${rate(rates.succeeded)} ended`,
          rates.failed > 0 ? h("span", { class: "late" }, `, ${rate(rates.failed)} failed`) : undefined
        ],
        { isNumber: true }
      ),
      withActions
        ? column("Bounds", ({ limits }) => limitTexts(limits).map((text) => h("div", { key: text }, text)))
        : undefined,
      withActions && page.can("pauseQueue") ? column("Do", (queue) => buttons(page, queue)) : undefined
    ]
  })
