/** Schedules: what submits tasks by a calendar or at an interval, and what may be done to one. */
import { Effect } from "effect"
import { Hono } from "hono"
import { ScheduleOperator } from "../../../actors/schedule/operator.ts"
import { readJson } from "../body.ts"
import { parameters } from "../parameters.ts"
import type { ApiContext, Bindings, Respond } from "../run.ts"
import { scheduleDetailJson, scheduleJson, schedulePath, withoutShown } from "../schedule-view.ts"
import { taskPath } from "../view.ts"

const id = (c: ApiContext) => c.req.param("id") ?? ""

export const schedules = (respond: Respond) => {
  const changing = (verb: "pause" | "resume") => (c: ApiContext) =>
    respond(
      c,
      Effect.gen(function* () {
        return c.json(scheduleJson(yield* ScheduleOperator.use((operator) => operator[verb](id(c)))))
      })
    )

  return new Hono<{ Bindings: Bindings }>()
    .get("/", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const query = parameters(c, ["limit"])
          const page = yield* ScheduleOperator.use((operator) => operator.list(query))
          return c.json({ ...page, schedules: page.schedules.map(scheduleJson) })
        })
      )
    )
    .post("/", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const body = yield* readJson(c.req.raw)
          const { existing, schedule } = yield* ScheduleOperator.use((operator) => operator.create(body))
          return c.json(scheduleJson(schedule), existing ? 200 : 201, { location: schedulePath(schedule.id) })
        })
      )
    )
    .get("/:id", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          return c.json(scheduleDetailJson(yield* ScheduleOperator.use((operator) => operator.get(id(c)))))
        })
      )
    )
    .put("/:id", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const body = withoutShown(yield* readJson(c.req.raw))
          const schedule = yield* ScheduleOperator.use((operator) => operator.update(id(c), body))
          return c.json(scheduleJson(schedule))
        })
      )
    )
    .delete("/:id", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          yield* ScheduleOperator.use((operator) => operator.remove(id(c)))
          return c.body(null, 204)
        })
      )
    )
    .post("/:id/pause", changing("pause"))
    .post("/:id/resume", changing("resume"))
    .post("/:id/run", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const run = yield* ScheduleOperator.use((operator) => operator.run(id(c)))
          return run.outcome === "submitted"
            ? c.json({ id: run.task, outcome: run.outcome }, 202, { location: taskPath(run.task) })
            : c.json({ outcome: run.outcome }, 202)
        })
      )
    )
}
