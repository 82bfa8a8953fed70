/** Dead letters: what failed and why, and putting it back to work or dropping it, one or many. */
import { Effect, Schema } from "effect"
import { Operator } from "../../../actors/operate/operator.ts"
import { DeadFilter, DeadQuery, DeadSelection } from "../../../actors/operate/query.ts"
import { sealedPage } from "../cursors.ts"
import type { Serve } from "../mount.ts"
import { inSilence } from "../pace.ts"
import { DryRun } from "../parameters.ts"
import { ofBody, row } from "../row.ts"
import { inBody, selection } from "../selection.ts"
import { CountShape, DeadPage } from "../shapes/task.ts"
import { baseOf, taskJson } from "../view.ts"

const group = "Dead letters"
const reach = "tenant"

/** The filter may be said in the address, too. */
const query = Schema.Struct({ ...DeadFilter.fields, ...DryRun.fields })

export const rows = {
  list: row({
    name: "listDead",
    method: "GET",
    path: "/v1/dead",
    group,
    summary: "Lists failed tasks, those that failed last first",
    needs: "read",
    reach,
    query: DeadQuery,
    answers: {
      200: { description: "A page, and what the newest of all that are meant failed with", schema: DeadPage }
    },
    problems: ["StoreError"]
  }),
  retry: row({
    name: "retryDead",
    method: "POST",
    path: "/v1/dead/retry",
    group,
    summary: "Puts all that are meant back to work",
    needs: "operate",
    reach,
    query,
    body: {
      schema: Schema.Struct({ ...DeadSelection.fields, input: Schema.optionalKey(Schema.Unknown) }),
      optional: true,
      example: { name: "document.process" }
    },
    answers: { 200: { description: "How many", schema: CountShape } },
    problems: [...ofBody, "SubmitRefused", "UnknownHandler", "StoreError"]
  }),
  purge: row({
    name: "purgeDead",
    method: "POST",
    path: "/v1/dead/purge",
    group,
    summary: "Drops all that are meant",
    needs: "operate",
    reach,
    query,
    body: { schema: DeadSelection, optional: true, example: { name: "document.process" } },
    answers: { 200: { description: "How many", schema: CountShape } },
    problems: [...ofBody, "StoreError"]
  })
}

export const dead = (serve: Serve) => {
  serve(
    rows.list,
    Effect.fnUntraced(function* (c, query) {
      const { dead, ...rest } = yield* sealedPage(query, (query) =>
        inSilence(Operator.use((operator) => operator.dead(query)))
      )
      return c.json({ dead: dead.map((task) => taskJson(task, baseOf(c))), ...rest })
    })
  )
  serve(
    rows.retry,
    Effect.fnUntraced(function* (c, { dryRun = false, ...said }) {
      const { input, ...filter } = yield* selection(c, said)
      const options = input === undefined ? {} : { input: { value: input } }
      const retrying = Operator.use((operator) => operator.retryDead(filter, { ...options, dryRun }))
      return c.json(yield* inBody(inSilence(retrying)))
    })
  )
  serve(
    rows.purge,
    Effect.fnUntraced(function* (c, { dryRun = false, ...said }) {
      const filter = yield* selection(c, said)
      const purging = Operator.use((operator) => operator.purgeDead(filter, { dryRun }))
      return c.json(yield* inBody(inSilence(purging)))
    })
  )
}
