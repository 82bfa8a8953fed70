/** Queues: how they stand, and what may be done to one. */
import { Effect, Schema } from "effect"
import { reader } from "../../../actors/operate/fields.ts"
import { MoveJson } from "../../../actors/operate/move.ts"
import { Operator } from "../../../actors/operate/operator.ts"
import { LimitsJson } from "../../../actors/operate/queues.ts"
import { QueueName } from "../../../runtime/task.ts"
import { fitting, readJson, readJsonIfAny } from "../body.ts"
import type { Serve } from "../mount.ts"
import { inSilence } from "../pace.ts"
import { DryRun, Reason } from "../parameters.ts"
import { pageOf, Paging } from "../paging.ts"
import { ofBody, row } from "../row.ts"
import type { ApiContext } from "../run.ts"
import { inBody } from "../selection.ts"
import { QueueList, QueueShape } from "../shapes/system.ts"
import { CountShape } from "../shapes/task.ts"

const Pause = Schema.Struct({ key: Schema.optionalKey(Schema.String) })

const group = "Queues"
const parts = { queue: { schema: QueueName, example: "default" } }
const reach = "cluster"

const changing = (verb: "pause" | "resume") =>
  row({
    name: `${verb}Queue`,
    method: "POST",
    path: `/v1/queues/:queue/${verb}`,
    group,
    summary:
      verb === "pause" ? "Lets a queue, or one key of it, hand out nothing" : "Lets it hand out tasks again",
    needs: "operate",
    reach,
    parts,
    body: { schema: Pause, optional: true, example: {} },
    answers: { 200: { description: "The queue", schema: QueueShape } },
    problems: [...ofBody, "StoreError"]
  })

export const rows = {
  list: row({
    name: "listQueues",
    method: "GET",
    path: "/v1/queues",
    group,
    summary: "Shows every queue that has, or lately had, a task",
    needs: "read",
    reach,
    query: Paging,
    answers: { 200: { description: "A page, by their names", schema: QueueList } },
    problems: ["StoreError"]
  }),
  show: row({
    name: "getQueue",
    method: "GET",
    path: "/v1/queues/:queue",
    group,
    summary: "Shows one queue",
    needs: "read",
    reach,
    parts,
    answers: { 200: { description: "The queue", schema: QueueShape } },
    problems: ["StoreError"]
  }),
  pause: changing("pause"),
  resume: changing("resume"),
  purge: row({
    name: "purgeQueue",
    method: "POST",
    path: "/v1/queues/:queue/purge",
    group,
    summary: "Cancels what waits in a queue and what is delayed",
    needs: "operate",
    reach,
    parts,
    query: DryRun,
    body: { schema: Reason, optional: true, example: { reason: "sent by mistake" } },
    answers: { 200: { description: "How many", schema: CountShape } },
    problems: [...ofBody, "StoreError"]
  }),
  move: row({
    name: "moveTasks",
    method: "POST",
    path: "/v1/queues/:queue/move",
    group,
    summary: "Moves what has not started to another queue",
    needs: "operate",
    reach,
    parts,
    query: DryRun,
    body: { schema: MoveJson, example: { to: "other" } },
    answers: { 200: { description: "How many", schema: CountShape } },
    problems: [...ofBody, "StoreError", "StoreFull", "QueueFull"]
  }),
  limit: row({
    name: "limitQueue",
    method: "PUT",
    path: "/v1/queues/:queue/limits",
    group,
    summary: "Sets the bounds of a queue, all of them: one that is left out is off",
    needs: "operate",
    reach,
    parts,
    body: { schema: LimitsJson, example: { maxDepth: 100_000 } },
    answers: { 200: { description: "The queue", schema: QueueShape } },
    problems: [...ofBody, "StoreError"]
  })
}

const readPause = fitting(Pause)
const readPurge = fitting(Reason)

const readQueue = reader(Schema.Struct({ queue: parts.queue.schema }))

/** Which queue is meant. One that cannot be is a fault of the address, whatever the body says. */
const named = (c: ApiContext) =>
  Effect.map(Effect.fromResult(readQueue({ queue: c.req.param("queue") })), ({ queue }) => queue)

export const queues = (serve: Serve) => {
  const pause = (paused: boolean) =>
    Effect.fnUntraced(function* (c: ApiContext) {
      const queue = yield* named(c)
      const { key } = yield* readPause(yield* readJsonIfAny(c.req.raw))
      return c.json(yield* inBody(Operator.use((operator) => operator.pause(queue, paused, key))))
    })

  serve(
    rows.list,
    Effect.fnUntraced(function* (c, query) {
      const all = yield* Operator.use((operator) => operator.queues)
      const { items, ...rest } = pageOf(all, ({ name }) => name, query)
      return c.json({ queues: items, ...rest })
    })
  )
  serve(
    rows.show,
    Effect.fnUntraced(function* (c) {
      const queue = yield* named(c)
      return c.json(yield* Operator.use((operator) => operator.queue(queue)))
    })
  )
  serve(rows.pause, pause(true))
  serve(rows.resume, pause(false))
  serve(
    rows.purge,
    Effect.fnUntraced(function* (c, { dryRun = false }) {
      const queue = yield* named(c)
      const options = { dryRun, ...(yield* readPurge(yield* readJsonIfAny(c.req.raw))) }
      return c.json(yield* inSilence(Operator.use((operator) => operator.purge(queue, options))))
    })
  )
  serve(
    rows.move,
    Effect.fnUntraced(function* (c, { dryRun = false }) {
      const queue = yield* named(c)
      const move = yield* readJson(c.req.raw)
      const moving = Operator.use((operator) => operator.move(queue, move, { dryRun }))
      return c.json(yield* inBody(inSilence(moving)))
    })
  )
  serve(
    rows.limit,
    Effect.fnUntraced(function* (c) {
      const queue = yield* named(c)
      const limits = yield* readJson(c.req.raw)
      return c.json(yield* inBody(Operator.use((operator) => operator.limit(queue, limits))))
    })
  )
}
