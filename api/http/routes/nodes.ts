/** Nodes: the machines of a system with their worker processes, and asking one to go. */
import { Effect } from "effect"
import { Hono } from "hono"
import { Operator } from "../../../actors/operate/operator.ts"
import type { Bindings, Respond } from "../run.ts"
import { nodeJson } from "../view.ts"

export const nodes = (respond: Respond) =>
  new Hono<{ Bindings: Bindings }>()
    .get("/", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const nodes = yield* Operator.use((operator) => operator.nodes)
          return c.json({ nodes: nodes.map(nodeJson) })
        })
      )
    )
    .post("/:node/drain", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const id = c.req.param("node")
          yield* Operator.use((operator) => operator.drainNode(id))
          return c.json({ id, state: "draining" }, 202)
        })
      )
    )
