/** The metrics of the system and of this process, and of the others of its node, as Prometheus reads them. */
import { Effect, Schema } from "effect"
import { Figures } from "../../../actors/operate/figures.ts"
import { exposition, expositionType } from "../../../runtime/telemetry/exposition.ts"
import { Gathered, ofProcess } from "../../../runtime/telemetry/gathered.ts"
import { ownSeries } from "../../../runtime/telemetry/process.ts"
import type { Serve } from "../mount.ts"
import { row } from "../row.ts"

export const rows = {
  metrics: row({
    name: "metrics",
    method: "GET",
    path: "/metrics",
    group: "Health",
    summary: "The metrics of the system, of this process and of its node, in the text format of Prometheus",
    needs: "read",
    reach: "cluster",
    outlastsStore: true,
    answers: { 200: { description: "The metrics", type: "text/plain", schema: Schema.String } },
    problems: []
  })
}

export const metrics = (serve: Serve) =>
  serve(
    rows.metrics,
    Effect.fnUntraced(function* (c) {
      const cluster = yield* Figures.use(({ read }) => read)
      const gathered = yield* Gathered
      const text = exposition([...cluster, ...gathered.all(), ...ofProcess("api", ownSeries())])
      return c.body(text, 200, { "content-type": expositionType })
    })
  )
