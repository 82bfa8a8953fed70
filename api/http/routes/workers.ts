/** Workers: who they are and what they run, and asking one to go. */
import { Effect } from "effect"
import { Hono } from "hono"
import { Operator } from "../../../actors/operate/operator.ts"
import type { Bindings, Respond } from "../run.ts"
import { workerJson } from "../view.ts"

export const workers = (respond: Respond) =>
  new Hono<{ Bindings: Bindings }>()
    .get("/", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const workers = yield* Operator.use((operator) => operator.workers)
          return c.json({ workers: workers.map(workerJson) })
        })
      )
    )
    .post("/:worker/drain", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const id = c.req.param("worker")
          yield* Operator.use((operator) => operator.drain(id))
          return c.json({ id, state: "draining" }, 202)
        })
      )
    )
