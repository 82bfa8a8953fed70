/** Workers and nodes: who lives, what each runs and holds, and asking one to go. */
import { askingOnce } from "./asking-first.js"
import { bytes, count, duration, many } from "./format.js"
import { action, badge, none, part, taskLink, when } from "./pieces.js"
import { column, table } from "./table.js"
import { h } from "./tree.js"

const drain = (page, { id, name, partName, text, what }) =>
  askingOnce(page, {
    title: `Ask the ${what} ${id} to go?`,
    text,
    button: `Drain the ${what}`,
    run: async () => {
      await page.ask(name, { parts: { [partName]: id } })
      return `The ${what} ${id} was asked to go. It may not hear it: look, and ask again.`
    }
  })

const drainNode = (page, { id }) =>
  drain(page, {
    id,
    what: "node",
    name: "drainNode",
    partName: "node",
    text: "It stops all it runs, in order, and ends: nothing starts it again from here."
  })

const drainWorker = (page, { id }) =>
  drain(page, {
    id,
    what: "worker",
    name: "drainWorker",
    partName: "worker",
    text: "It claims no more, and goes when what it runs has ended. Its node keeps one fewer."
  })

/** A member that was not heard of for so long is about to be lost. */
const lateMs = 8_000

const heard = ({ silentMs }) =>
  silentMs === undefined
    ? none
    : h("span", { class: silentMs > lateMs ? "late" : "" }, `${duration(silentMs)} ago`)

const nodeTable = (page, nodes) =>
  table({
    caption: "Nodes, each with its worker processes",
    items: nodes,
    keyOf: ({ id }) => id,
    nothing: "No node was heard of.",
    columns: [
      column("State", ({ state }) => badge(state)),
      column("Node", ({ id }) => h("code", null, id)),
      column("Host", ({ host, pid }) => `${host}, process ${pid}`),
      column("Workers", ({ max, min, workers }) =>
        min === max ? `${count(workers)} of ${count(max)}` : `${count(workers)}, keeps ${min} to ${max}`
      ),
      column("Started", ({ startedAt }) => when(startedAt, page.now)),
      column("Heard of", heard, { isNumber: true }),
      page.can("drainNode")
        ? column("Do", (node) =>
            node.state === "running"
              ? action(page, "drainNode", "Drain…", () => drainNode(page, node), "danger")
              : undefined
          )
        : undefined
    ]
  })

const shownRuns = 8

const runs = ({ concurrency, running }) => [
  concurrency === undefined ? count(running.length) : `${count(running.length)} of ${count(concurrency)}`,
  running.length === 0
    ? undefined
    : h(
        "details",
        null,
        h("summary", null, "which"),
        running.slice(0, shownRuns).map((id) => h("div", { key: id }, taskLink(id))),
        running.length > shownRuns
          ? h("div", { class: "note" }, `and ${running.length - shownRuns} more`)
          : undefined
      )
]

const workerTable = (page, workers) =>
  table({
    caption: "Workers, each with what it runs",
    items: workers,
    keyOf: ({ id }) => id,
    nothing: "There is no worker: tasks wait.",
    columns: [
      column("State", ({ state }) => badge(state)),
      column("Worker", ({ host, id, pid }) => [
        h("code", null, id),
        host === undefined ? undefined : h("div", { class: "note" }, `${host}, process ${pid}`)
      ]),
      column("Node", ({ node }) => (node === undefined ? none : h("code", null, node))),
      column("Queues", ({ queues }) => queues.join(", ")),
      column("Handlers", ({ handlers = [] }) =>
        handlers.length === 0
          ? none
          : h("details", null, h("summary", null, many(handlers.length, "handler")), handlers.join(", "))
      ),
      column("Running", runs),
      column("Done", ({ done }) => (done === undefined ? none : count(done)), { isNumber: true }),
      column("Memory", ({ memoryBytes }) => (memoryBytes === undefined ? none : bytes(memoryBytes)), {
        isNumber: true
      }),
      column("Started", ({ startedAt }) => when(startedAt, page.now)),
      column("Heard of", heard, { isNumber: true }),
      page.can("drainWorker")
        ? column("Do", (worker) =>
            worker.state === "running"
              ? action(page, "drainWorker", "Drain…", () => drainWorker(page, worker), "danger")
              : undefined
          )
        : undefined
    ]
  })

export const workers = {
  title: () => "Workers",
  needs: "listWorkers",
  load: async ({ ask }) => {
    const query = { limit: 1_000 }
    const [members, nodes] = await Promise.all([ask("listWorkers", { query }), ask("listNodes", { query })])
    return { workers: members.workers, nodes: nodes.nodes, isCut: (members.next ?? nodes.next) !== undefined }
  },
  draw: (page) => [
    page.data.isCut
      ? h("p", { class: "note" }, "There are more than 1 000; these are the first.")
      : undefined,
    part(`Nodes (${count(page.data.nodes.length)})`, nodeTable(page, page.data.nodes)),
    part(`Workers (${count(page.data.workers.length)})`, workerTable(page, page.data.workers))
  ]
}
