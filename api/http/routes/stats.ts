/** How the whole system stands, and what happened in it lately. */
import { Effect, Schema } from "effect"
import { Operator, statsMinutes } from "../../../actors/operate/operator.ts"
import { minutesMax } from "../../../runtime/operations.ts"
import type { Serve } from "../mount.ts"
import { row } from "../row.ts"
import { StatsShape } from "../shapes/system.ts"
import { statsJson } from "../view.ts"

export const rows = {
  show: row({
    name: "getStats",
    method: "GET",
    path: "/v1/stats",
    group: "Statistics",
    summary: "Says how everything stands, and what happened lately",
    needs: "read",
    reach: "cluster",
    query: Schema.Struct({
      minutes: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: minutesMax })))
    }),
    answers: { 200: { description: "Totals, rates and times", schema: StatsShape } },
    problems: ["StoreError"]
  })
}

export const stats = (serve: Serve) => {
  serve(
    rows.show,
    Effect.fnUntraced(function* (c, { minutes = statsMinutes }) {
      return c.json(statsJson(yield* Operator.use((operator) => operator.stats(minutes))))
    })
  )
}
