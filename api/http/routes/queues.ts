/** Queues: how they stand, and what may be done to one. */
import { Effect, Schema } from "effect"
import { Hono } from "hono"
import { Operator } from "../../../actors/operate/operator.ts"
import { fitting, readJson, readJsonIfAny } from "../body.ts"
import { dryRun } from "../parameters.ts"
import type { ApiContext, Bindings, Respond } from "../run.ts"
import { inBody } from "../selection.ts"

const readPause = fitting(Schema.Struct({ key: Schema.optionalKey(Schema.String) }))
const readPurge = fitting(Schema.Struct({ reason: Schema.optionalKey(Schema.String) }))

const name = (c: ApiContext) => c.req.param("queue") ?? ""

export const queues = (respond: Respond) => {
  const pause = (paused: boolean) => (c: ApiContext) =>
    respond(
      c,
      Effect.gen(function* () {
        const { key } = yield* readPause(yield* readJsonIfAny(c.req.raw))
        return c.json(yield* inBody(Operator.use((operator) => operator.pause(name(c), paused, key))))
      })
    )

  return new Hono<{ Bindings: Bindings }>()
    .get("/", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          return c.json({ queues: yield* Operator.use((operator) => operator.queues) })
        })
      )
    )
    .get("/:queue", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          return c.json(yield* Operator.use((operator) => operator.queue(name(c))))
        })
      )
    )
    .post("/:queue/pause", pause(true))
    .post("/:queue/resume", pause(false))
    .post("/:queue/purge", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const options = { dryRun: yield* dryRun(c), ...(yield* readPurge(yield* readJsonIfAny(c.req.raw))) }
          c.env?.untimed?.(c.req.raw)
          return c.json(yield* Operator.use((operator) => operator.purge(name(c), options)))
        })
      )
    )
    .post("/:queue/move", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const dry = yield* dryRun(c)
          const move = yield* readJson(c.req.raw)
          c.env?.untimed?.(c.req.raw)
          return c.json(
            yield* inBody(Operator.use((operator) => operator.move(name(c), move, { dryRun: dry })))
          )
        })
      )
    )
    .put("/:queue/limits", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const limits = yield* readJson(c.req.raw)
          return c.json(yield* inBody(Operator.use((operator) => operator.limit(name(c), limits))))
        })
      )
    )
}
