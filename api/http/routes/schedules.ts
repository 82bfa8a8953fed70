/** Schedules: what submits tasks by a calendar or at an interval, and what may be done to one. */
import { Effect } from "effect"
import { NewScheduleJson, ScheduleId } from "../../../actors/schedule/definition.ts"
import { ScheduleOperator, ScheduleQuery } from "../../../actors/schedule/operator.ts"
import { readJson } from "../body.ts"
import type { Serve } from "../mount.ts"
import { ofBody, row } from "../row.ts"
import type { ApiContext } from "../run.ts"
import { scheduleDetailJson, scheduleJson, schedulePath, withoutShown } from "../schedule-view.ts"
import { RunShape, ScheduleDetailShape, SchedulePageShape, ScheduleShape } from "../shapes/schedule.ts"
import { baseOf, taskPath } from "../view.ts"

const group = "Schedules"
const reach = "tenant"
const parts = { id: { schema: ScheduleId, example: "daily" } }

const example = {
  id: "daily",
  name: "text.count",
  input: { text: "every working day" },
  cron: "0 9 * * 1-5",
  timeZone: "Europe/Berlin"
}

const body = { schema: NewScheduleJson.annotate({ identifier: "NewSchedule" }), example }

const changing = (verb: "pause" | "resume") =>
  row({
    name: `${verb}Schedule`,
    method: "POST",
    path: `/v1/schedules/:id/${verb}`,
    group,
    summary: verb === "pause" ? "Lets no slot fire" : "Lets slots fire again",
    needs: "operate",
    reach,
    parts,
    answers: { 200: { description: "The schedule", schema: ScheduleShape } },
    problems: ["ScheduleNotFound", "StoreError"]
  })

export const rows = {
  list: row({
    name: "listSchedules",
    method: "GET",
    path: "/v1/schedules",
    group,
    summary: "Shows schedules, in the order of their ids",
    needs: "read",
    reach,
    query: ScheduleQuery,
    answers: { 200: { description: "A page", schema: SchedulePageShape } },
    problems: ["StoreError"]
  }),
  create: row({
    name: "createSchedule",
    method: "POST",
    path: "/v1/schedules",
    group,
    summary: "Makes a schedule",
    needs: "operate",
    reach,
    body,
    answers: {
      200: { description: "The very same schedule was there", schema: ScheduleShape, headers: ["location"] },
      201: { description: "The schedule", schema: ScheduleShape, headers: ["location"] }
    },
    problems: [
      ...ofBody,
      "UnknownHandler",
      "ScheduleRefused",
      "ScheduleExists",
      "SchedulesFull",
      "StoreError"
    ]
  }),
  show: row({
    name: "getSchedule",
    method: "GET",
    path: "/v1/schedules/:id",
    group,
    summary: "Shows one, with what became of its last slots",
    needs: "read",
    reach,
    parts,
    answers: { 200: { description: "The schedule", schema: ScheduleDetailShape } },
    problems: ["ScheduleNotFound", "StoreError"]
  }),
  update: row({
    name: "updateSchedule",
    method: "PUT",
    path: "/v1/schedules/:id",
    group,
    summary: "Puts another one in its place",
    needs: "operate",
    reach,
    parts,
    body,
    answers: { 200: { description: "The schedule", schema: ScheduleShape } },
    problems: [...ofBody, "UnknownHandler", "ScheduleRefused", "ScheduleNotFound", "StoreError"]
  }),
  remove: row({
    name: "deleteSchedule",
    method: "DELETE",
    path: "/v1/schedules/:id",
    group,
    summary: "Deletes it; tasks that it has submitted go on",
    needs: "operate",
    reach,
    parts,
    answers: { 204: { description: "It is gone" } },
    problems: ["ScheduleNotFound", "StoreError"]
  }),
  pause: changing("pause"),
  resume: changing("resume"),
  run: row({
    name: "runSchedule",
    method: "POST",
    path: "/v1/schedules/:id/run",
    group,
    summary: "Runs it now, beside its slots",
    needs: "operate",
    reach,
    parts,
    answers: {
      202: {
        description: "Its task, or that it waits for the last one",
        schema: RunShape,
        headers: ["location"]
      }
    },
    problems: [
      "UnknownHandler",
      "ScheduleRefused",
      "ScheduleNotFound",
      "ScheduleBusy",
      "StoreError",
      "StoreFull"
    ]
  })
}

const id = (c: ApiContext) => c.req.param("id") ?? ""

export const schedules = (serve: Serve) => {
  const change = (verb: "pause" | "resume") =>
    Effect.fnUntraced(function* (c: ApiContext) {
      return c.json(scheduleJson(yield* ScheduleOperator.use((operator) => operator[verb](id(c)))))
    })

  serve(
    rows.list,
    Effect.fnUntraced(function* (c, query) {
      const page = yield* ScheduleOperator.use((operator) => operator.list(query))
      return c.json({ ...page, schedules: page.schedules.map(scheduleJson) })
    })
  )
  serve(
    rows.create,
    Effect.fnUntraced(function* (c) {
      const body = yield* readJson(c.req.raw)
      const { existing, schedule } = yield* ScheduleOperator.use((operator) => operator.create(body))
      const location = schedulePath(schedule.id, baseOf(c))
      return c.json(scheduleJson(schedule), existing ? 200 : 201, { location })
    })
  )
  serve(
    rows.show,
    Effect.fnUntraced(function* (c) {
      return c.json(scheduleDetailJson(yield* ScheduleOperator.use((operator) => operator.get(id(c)))))
    })
  )
  serve(
    rows.update,
    Effect.fnUntraced(function* (c) {
      const body = withoutShown(yield* readJson(c.req.raw))
      const schedule = yield* ScheduleOperator.use((operator) => operator.update(id(c), body))
      return c.json(scheduleJson(schedule))
    })
  )
  serve(
    rows.remove,
    Effect.fnUntraced(function* (c) {
      yield* ScheduleOperator.use((operator) => operator.remove(id(c)))
      return c.body(null, 204)
    })
  )
  serve(rows.pause, change("pause"))
  serve(rows.resume, change("resume"))
  serve(
    rows.run,
    Effect.fnUntraced(function* (c) {
      const run = yield* ScheduleOperator.use((operator) => operator.run(id(c)))
      return run.outcome === "submitted"
        ? c.json({ id: run.task, outcome: run.outcome }, 202, { location: taskPath(run.task, baseOf(c)) })
        : c.json({ outcome: run.outcome }, 202)
    })
  )
}
