/** Nodes: the machines of a system with their worker processes, and asking one to go. */
import { Effect, Schema } from "effect"
import { Operator } from "../../../actors/operate/operator.ts"
import type { Serve } from "../mount.ts"
import { pageOf, Paging } from "../paging.ts"
import { row } from "../row.ts"
import { Draining, NodeList } from "../shapes/system.ts"
import { nodeJson } from "../view.ts"

const group = "Nodes"
const reach = "cluster"

export const rows = {
  list: row({
    name: "listNodes",
    method: "GET",
    path: "/v1/nodes",
    group,
    summary: "Shows every node",
    needs: "read",
    reach,
    query: Paging,
    answers: { 200: { description: "A page, by their ids", schema: NodeList } },
    problems: ["StoreError"]
  }),
  drain: row({
    name: "drainNode",
    method: "POST",
    path: "/v1/nodes/:node/drain",
    group,
    summary: "Asks a node to stop all it runs, in order, and to end",
    needs: "operate",
    reach,
    parts: { node: { schema: Schema.String, example: "vm-14538" } },
    answers: { 202: { description: "It was asked to go", schema: Draining } },
    problems: ["NodeNotFound", "StoreError"]
  })
}

export const nodes = (serve: Serve) => {
  serve(
    rows.list,
    Effect.fnUntraced(function* (c, query) {
      const all = yield* Operator.use((operator) => operator.nodes)
      const { items, ...rest } = pageOf(all, ({ id }) => id, query)
      return c.json({ nodes: items.map(nodeJson), ...rest })
    })
  )
  serve(
    rows.drain,
    Effect.fnUntraced(function* (c) {
      const id = c.req.param("node") ?? ""
      yield* Operator.use((operator) => operator.drainNode(id))
      return c.json({ id, state: "draining" }, 202)
    })
  )
}
