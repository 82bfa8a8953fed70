/** Workers: who they are and what they run, and asking one to go. */
import { Effect, Schema } from "effect"
import { Operator } from "../../../actors/operate/operator.ts"
import type { Serve } from "../mount.ts"
import { pageOf, Paging } from "../paging.ts"
import { row } from "../row.ts"
import { Draining, WorkerList } from "../shapes/system.ts"
import { workerJson } from "../view.ts"

const group = "Workers"
const reach = "cluster"

export const rows = {
  list: row({
    name: "listWorkers",
    method: "GET",
    path: "/v1/workers",
    group,
    summary: "Shows every worker",
    needs: "read",
    reach,
    query: Paging,
    answers: { 200: { description: "A page, by their ids", schema: WorkerList } },
    problems: ["StoreError"]
  }),
  drain: row({
    name: "drainWorker",
    method: "POST",
    path: "/v1/workers/:worker/drain",
    group,
    summary: "Asks a worker to claim no more, and to go when what it runs has ended",
    needs: "operate",
    reach,
    parts: { worker: { schema: Schema.String, example: "vm-14606-8e718ca8" } },
    answers: { 202: { description: "It was asked to go", schema: Draining } },
    problems: ["WorkerNotFound", "StoreError"]
  })
}

export const workers = (serve: Serve) => {
  serve(
    rows.list,
    Effect.fnUntraced(function* (c, query) {
      const all = yield* Operator.use((operator) => operator.workers)
      const { items, ...rest } = pageOf(all, ({ id }) => id, query)
      return c.json({ workers: items.map(workerJson), ...rest })
    })
  )
  serve(
    rows.drain,
    Effect.fnUntraced(function* (c) {
      const id = c.req.param("worker") ?? ""
      yield* Operator.use((operator) => operator.drain(id))
      return c.json({ id, state: "draining" }, 202)
    })
  )
}
