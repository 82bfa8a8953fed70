/**
 * Measured values as plain data, and as the text that Prometheus reads. The only file that knows effect's exporter.
 *
 * A series is JSON, so that one process can hand its own to another, which exposes both.
 */
import { Context, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { type Family, families, type FamilyName } from "./families.ts"

export type Labels = Readonly<Record<string, string>>

/** How often each bound was not exceeded, cumulated; a last bound of infinity is `count`. */
export interface Distribution {
  readonly buckets: ReadonlyArray<readonly [bound: number, count: number]>
  readonly count: number
  readonly sum: number
}

/** One metric with one set of labels. A metric that is not in our table is one that a handler made. */
export interface Series {
  readonly name: string
  readonly kind: Family["kind"]
  readonly help: string
  readonly labels: Labels
  readonly value: number | Distribution
}

export const seriesOf = (name: FamilyName, value: number | Distribution, labels: Labels = {}): Series => ({
  name,
  kind: families[name].kind,
  help: families[name].help,
  labels,
  value
})

const kinds = { Counter: "counter", Gauge: "gauge", Histogram: "histogram" } as const

/** What this process has counted so far with effect's `Metric`: we, and whatever runs in it. */
export const counted = (): ReadonlyArray<Series> =>
  Metric.snapshotUnsafe(Context.empty()).flatMap((snapshot): ReadonlyArray<Series> => {
    const { attributes: labels = {}, description: help = "", id: name } = snapshot
    switch (snapshot.type) {
      case "Counter":
        return [{ name, kind: kinds[snapshot.type], help, labels, value: Number(snapshot.state.count) }]
      case "Gauge":
        return [{ name, kind: kinds[snapshot.type], help, labels, value: Number(snapshot.state.value) }]
      case "Histogram": {
        const { buckets, count, sum } = snapshot.state
        return [{ name, kind: kinds[snapshot.type], help, labels, value: { buckets, count, sum } }]
      }
      // Of these two we have none; one of a handler's stays its own.
      case "Summary":
      case "Frequency":
        return []
    }
  })

const stateOf = ({ kind, value }: Series) => {
  if (typeof value === "object") return { ...value, min: 0, max: 0 }
  return kind === "counter" ? { count: value, incremental: true } : { value }
}

const typeOf = { counter: "Counter", gauge: "Gauge", histogram: "Histogram" } as const

export const expositionType = "text/plain; version=0.0.4; charset=utf-8"

/** The same for the same labels, in whatever order they were said. */
const sortedEntries = (labels: Labels) =>
  Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1))

/** The text of all of these; of two with one name and the same labels the latter counts. */
export const exposition = (all: Iterable<Series>): string => {
  const registry: Metric.MetricRegistry = new Map()
  for (const series of all) {
    const { help, kind, labels, name } = series
    const hooks = { get: () => stateOf(series) as never, update: () => {}, modify: () => {} }
    registry.set(`${name}${JSON.stringify(sortedEntries(labels))}`, {
      id: name,
      type: typeOf[kind],
      description: help,
      attributes: labels,
      hooks
    })
  }
  return PrometheusMetrics.formatUnsafe(Context.make(Metric.MetricRegistry, registry))
}
