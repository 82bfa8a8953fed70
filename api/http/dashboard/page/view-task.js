/** One task: its record, its attempts, what it puts out while it runs; its input and result when they are asked for. */
import { askingOnce } from "./asking-first.js"
import { noteEvents, nothingFollowed } from "./followed.js"
import { count, duration, percent } from "./format.js"
import { newsMs } from "./pace.js"
import {
  action,
  actions,
  at,
  badge,
  block,
  facts,
  failure,
  jsonBlock,
  link,
  none,
  part,
  tags,
  when
} from "./pieces.js"
import { hrefOf } from "./route.js"
import { follow } from "./stream.js"
import { column, table } from "./table.js"
import { ranMs } from "./task-table.js"
import { h } from "./tree.js"
import { lineOf, Problem } from "./words.js"

const ended = new Set(["succeeded", "failed", "cancelled", "expired"])
export const hasEnded = ({ state }) => ended.has(state)

const idIn = ({ parts }) => parts[0]

const cancel = (page, { id }) =>
  askingOnce(page, {
    title: "Cancel this task?",
    text: "A handler that runs it hears its signal. Its living children are cancelled after it.",
    button: "Cancel the task",
    fields: [{ name: "reason", label: "Why", placeholder: "sent twice" }],
    run: async ({ reason }) => {
      await page.ask("cancelTask", { parts: { id }, body: reason === "" ? {} : { reason } })
      return "The task is cancelled."
    }
  })

const waitsForItsTime = ({ state }) => state === "scheduled" || state === "retrying"

const runNow = (page, { id }) =>
  page.act(async () => {
    await page.ask("rescheduleTask", { parts: { id }, body: { delayMs: 0 } })
    return "The task waits for its turn."
  })

const reschedule = (page, { dueAt, id }) =>
  askingOnce(page, {
    title: "Another time for this task",
    text: "It becomes due then, be that sooner or later.",
    button: "Set the time",
    isDangerous: false,
    fields: [{ name: "runAt", label: "Due at, in ISO 8601", value: dueAt ?? "", required: true }],
    run: async ({ runAt }) => {
      await page.ask("rescheduleTask", { parts: { id }, body: { runAt } })
      return "The task has another time."
    }
  })

const retry = (page, { id }) =>
  page.act(async () => {
    await page.ask("retryTask", { parts: { id }, body: {} })
    forgetFollowed(page)
    return "The task waits for its turn."
  })

const retryWith = (page, { id }) =>
  page.act(async () => {
    const { value } = await readPayload(page, "getInput", id)
    const said = await page.inquire({
      title: "Retry with another input",
      text: "It is checked as at a submit.",
      button: "Retry",
      fields: [
        {
          name: "input",
          label: "Input, as JSON",
          kind: "long",
          value: JSON.stringify(value ?? null, null, 2)
        }
      ]
    })
    if (said === undefined) return undefined
    let input
    try {
      input = JSON.parse(said.input)
    } catch (error) {
      throw new Error(`That is no JSON: ${error.message}`, { cause: error })
    }
    await page.ask("retryTask", { parts: { id }, body: { input } })
    forgetFollowed(page)
    return "The task waits for its turn, with its new input."
  })

/** A payload, or in words why there is none. */
const readPayload = async (page, name, id) => {
  try {
    return { value: await page.ask(name, { parts: { id } }) }
  } catch (error) {
    if (error instanceof Problem && [404, 410, 424, 503].includes(error.status))
      return { refusal: lineOf(error) }
    throw error
  }
}

const showPayload = (page, name, id) =>
  page.act(async () => {
    page.local[name] = await readPayload(page, name, id)
    return undefined
  })

const payload = (page, name, label, id) => {
  const known = page.local[name]
  const button = action(page, name, known === undefined ? `Show the ${label}` : "Read it again", () =>
    showPayload(page, name, id)
  )
  if (known === undefined) return [button, h("span", { class: "note" }, " It is read when you ask for it.")]
  return [
    known.refusal === undefined
      ? jsonBlock(known.value, `The ${label}`)
      : h("p", { class: "note" }, known.refusal),
    button
  ]
}

const howLong = (task, now) => {
  const { dueAt, startedAt, submittedAt } = task
  const ran = ranMs(task, now)
  return [
    ["Submitted", [at(submittedAt, now), " (", when(submittedAt, now), ")"]],
    ["Due", dueAt && [at(dueAt, now), " (", when(dueAt, now), ")"]],
    ["Newest attempt began", startedAt && [at(startedAt, now), " (", when(startedAt, now), ")"]],
    [task.state === "running" ? "It runs for" : "It ran", ran === undefined ? undefined : duration(ran)],
    ["Ended", task.finishedAt && [at(task.finishedAt, now), " (", when(task.finishedAt, now), ")"]],
    ["Expires", task.expiresAt && at(task.expiresAt, now)],
    ["Deadline", task.deadlineAt && at(task.deadlineAt, now)]
  ]
}

const record = (page, task) => {
  const { now } = page
  return facts([
    ["Id", h("code", { class: "whole" }, task.id)],
    ["Handler", link(hrefOf("tasks", [], { name: task.name }), task.name)],
    ["Queue", link(hrefOf("tasks", [], { queue: task.queue }), task.queue)],
    ["Priority", task.priority],
    ["Key", task.key && link(hrefOf("tasks", [], { key: task.key }), task.key)],
    ["Tags", task.tags.length === 0 ? undefined : tags(task.tags)],
    ["Tenant", task.tenant],
    ["Parent", task.parent && link(hrefOf("tasks", [task.parent]), task.parent)],
    ["Attempt", `${count(task.attempt)} of ${count(task.maxAttempts)}`],
    ["Worker", task.worker && h("code", null, task.worker)],
    ...howLong(task, now)
  ])
}

const attemptState = ({ counted, error, finishedAt }, task) => {
  if (error?.type === "WorkerLost") return [badge("lost"), h("div", { class: "note" }, "used up no attempt")]
  if (error !== undefined)
    return [
      badge("failed"),
      counted === false ? h("div", { class: "note" }, "used up no attempt") : undefined
    ]
  return badge(finishedAt === undefined ? "running" : task.state === "succeeded" ? "succeeded" : "ended")
}

const attempts = ({ now }, task) =>
  table({
    caption: "The newest attempts, the last one first",
    items: task.attempts.toReversed(),
    keyOf: ({ attempt, startedAt }) => `${attempt} ${startedAt}`,
    nothing: "It has not begun yet.",
    columns: [
      column("Attempt", ({ attempt }) => count(attempt), { isNumber: true }),
      column("How", (attempt) => attemptState(attempt, task)),
      column("Began", ({ startedAt }) => at(startedAt, now)),
      column(
        "Took",
        ({ finishedAt, startedAt }) =>
          finishedAt === undefined ? none : duration(Date.parse(finishedAt) - Date.parse(startedAt)),
        { isNumber: true }
      ),
      column("Worker", ({ worker }) => h("code", null, worker)),
      column("Error", ({ error }) => (error === undefined ? none : failure(error)))
    ]
  })

const progress = (known) =>
  known === undefined
    ? undefined
    : h(
        "div",
        { class: "progress", key: "progress" },
        h("progress", { max: 1, value: known.fraction, "aria-label": "Progress" }),
        ` ${percent(known.fraction)} `,
        known.message
      )

/** Begins to follow it: while it lives of itself, else when that is asked for. */
const startFollowing = (page, id) => {
  const { local } = page
  if (local.followed !== undefined) return
  local.followed = nothingFollowed
  const { signal } = page
  follow("followTask", {
    parts: { id },
    signal,
    onFrames: (frames) => {
      local.followed = noteEvents(local.followed, frames)
      page.redraw()
      // What became of it stands in its record.
      if (frames.some(({ event }) => event === "state" || event === "end")) page.reload(newsMs)
    },
    onState: (isConnected) => {
      local.isConnected = isConnected
      page.redraw()
    }
  })
    .catch((error) => {
      local.unfollowed = lineOf(error)
    })
    .finally(() => {
      local.isConnected = false
      local.isOver = true
      page.redraw()
    })
}

/** A task that is put back to work lives again, and is followed again; its new input is another one. */
const forgetFollowed = ({ local }) => {
  for (const name of ["followed", "isOver", "unfollowed", "getInput", "getResult"]) delete local[name]
}

const lineOfOutput = ({ id, kind, text }) =>
  h("li", { key: id, class: kind }, h("span", { class: "kind" }, kind), h("span", null, text))

const output = (page, task) => {
  const { followed, isConnected, isOver, unfollowed } = page.local
  if (followed === undefined) {
    return [
      action(
        page,
        "followTask",
        "Show what it put out",
        () => (startFollowing(page, task.id), page.redraw())
      ),
      h("span", { class: "note" }, " Events are kept as long as the task is.")
    ]
  }
  const { cutText, lines, missed, text } = followed
  const isQuiet = lines.length === 0 && text === ""
  return [
    h(
      "p",
      { class: "note", role: "status" },
      unfollowed ?? (isOver ? "This is all of it." : isConnected ? "Live" : "Connecting …"),
      missed > 0 ? ` ${count(missed)} older events are no longer there.` : undefined
    ),
    isQuiet ? h("p", { class: "empty" }, isOver ? "It put out nothing." : "Nothing yet.") : undefined,
    lines.length === 0
      ? undefined
      : h(
          "div",
          { class: "lines", tabindex: 0, role: "region", "aria-label": "Events" },
          h("ol", null, lines.map(lineOfOutput))
        ),
    text === ""
      ? undefined
      : [
          cutText > 0
            ? h("p", { class: "note" }, `The first ${count(cutText)} characters are left out.`)
            : undefined,
          block(text, "What it has put out")
        ]
  ]
}

export const task = {
  title: ({ parts }) => `Task ${parts[0]?.slice(-8) ?? ""}`,
  needs: "getTask",
  load: async (page) => {
    const known = await page.ask("getTask", { parts: { id: idIn(page.route) } })
    // One that had ended when it was first seen is followed only on demand.
    if (!hasEnded(known)) startFollowing(page, known.id)
    return known
  },
  every: ({ data }) => (data !== undefined && hasEnded(data) ? 30_000 : 2_000),
  draw: (page) => {
    const { data, local } = page
    return [
      h(
        "div",
        { class: "task-head" },
        badge(data.state),
        h("strong", null, data.name),
        actions(
          waitsForItsTime(data)
            ? action(page, "rescheduleTask", "Run now", () => runNow(page, data))
            : undefined,
          waitsForItsTime(data)
            ? action(page, "rescheduleTask", "Another time…", () => reschedule(page, data))
            : undefined,
          hasEnded(data)
            ? undefined
            : action(page, "cancelTask", "Cancel…", () => cancel(page, data), "danger"),
          data.state === "failed" ? action(page, "retryTask", "Retry", () => retry(page, data)) : undefined,
          data.state === "failed"
            ? action(page, "retryTask", "Retry with another input…", () => retryWith(page, data))
            : undefined
        )
      ),
      progress(hasEnded(data) ? undefined : (local.followed?.progress ?? data.progress)),
      data.error === undefined ? undefined : part("Why", failure(data.error)),
      data.state === "waiting"
        ? h(
            "p",
            { class: "note" },
            "It waits for its children: its next attempt begins when they have ended."
          )
        : undefined,
      part("Record", record(page, data)),
      part("Attempts", attempts(page, data)),
      part("Output", output(page, data)),
      part("Input", payload(page, "getInput", "input", data.id)),
      part(
        "Result",
        hasEnded(data)
          ? payload(page, "getResult", "result", data.id)
          : h("p", { class: "empty" }, "It has not ended.")
      )
    ]
  }
}
