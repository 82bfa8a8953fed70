/** Dead letters: what failed and why, and putting it back to work or dropping it, one or many. */
import { Effect } from "effect"
import { Hono } from "hono"
import { Operator } from "../../../actors/operate/operator.ts"
import { dryRun, parameters } from "../parameters.ts"
import type { Bindings, Respond } from "../run.ts"
import { inBody, selection } from "../selection.ts"
import { taskJson } from "../view.ts"

export const dead = (respond: Respond) =>
  new Hono<{ Bindings: Bindings }>()
    .get("/", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const query = parameters(c, ["limit"])
          const { dead, ...rest } = yield* Operator.use((operator) => operator.dead(query))
          return c.json({ dead: dead.map(taskJson), ...rest })
        })
      )
    )
    .post("/retry", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const dry = yield* dryRun(c)
          const { input, ...filter } = yield* selection(c)
          const options = input === undefined ? {} : { input: { value: input } }
          c.env?.untimed?.(c.req.raw)
          const retried = Operator.use((operator) => operator.retryDead(filter, { ...options, dryRun: dry }))
          return c.json(yield* inBody(retried))
        })
      )
    )
    .post("/purge", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const dry = yield* dryRun(c)
          const filter = yield* selection(c)
          c.env?.untimed?.(c.req.raw)
          return c.json(
            yield* inBody(Operator.use((operator) => operator.purgeDead(filter, { dryRun: dry })))
          )
        })
      )
    )
