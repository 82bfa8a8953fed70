/** How the whole system stands, and what happened in it lately. */
import { Effect } from "effect"
import { Hono } from "hono"
import { Operator, statsMinutes } from "../../../actors/operate/operator.ts"
import { minutesMax } from "../../../runtime/operations.ts"
import { minutes } from "../parameters.ts"
import type { Bindings, Respond } from "../run.ts"
import { statsJson } from "../view.ts"

export const stats = (respond: Respond) =>
  new Hono<{ Bindings: Bindings }>().get("/", (c) =>
    respond(
      c,
      Effect.gen(function* () {
        const last = yield* minutes(c, statsMinutes, minutesMax)
        return c.json(statsJson(yield* Operator.use((operator) => operator.stats(last))))
      })
    )
  )
