/** What a bench found, as tables for people or as lines of JSON for programs. */
import type { Bar, Measured, Metric, Results, Series } from "./frame.ts"

interface Figure {
  readonly median: number
  readonly min: number
  readonly max: number
}

const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted[sorted.length >> 1]!
  return sorted.length % 2 === 1 ? upper : (sorted[(sorted.length >> 1) - 1]! + upper) / 2
}

const figureOf = (values: ReadonlyArray<number>): Figure => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values)
})

/** How many times better the first system is: the median of the rounds' ratios, in each of which both ran. */
const ratioOf = (metric: Metric, first: ReadonlyArray<number>, other: ReadonlyArray<number>): number =>
  median(
    first.map((value, round) => (metric.better === "more" ? value / other[round]! : other[round]! / value))
  )

/** Where one of them is 0 a ratio says nothing. */
const saysSomething = (ratio: number) => Number.isFinite(ratio) && ratio !== 0

const find = (results: Results, of: Pick<Measured, "case" | "metric">, system: string): Series | undefined =>
  results.series.find(
    (one) => one.case === of.case && one.metric.name === of.metric.name && one.system === system
  )

const firstOf = ({ bench }: Results) => bench.systems[0]!.name
const othersOf = ({ bench }: Results) => bench.systems.slice(1).map(({ name }) => name)

/** Each case and metric once, in the order in which they were measured. */
const rowsOf = (results: Results) => results.series.filter(({ system }) => system === firstOf(results))

// ---------------------------------------------------------------------------------------------------------
// JSON
// ---------------------------------------------------------------------------------------------------------

/** At most six digits: more say nothing. */
const rounded = (value: number) => Number(value.toPrecision(6))

/** A line for each figure, then one for each ratio. */
export const toJson = (results: Results): ReadonlyArray<string> => {
  const bench = results.bench.name
  const figures = results.series.map(({ case: name, metric, system, values }) => {
    const { max, median, min } = figureOf(values)
    return {
      bench,
      case: name,
      system,
      metric: metric.name,
      median: rounded(median),
      min: rounded(min),
      max: rounded(max),
      unit: metric.unit
    }
  })
  const ratios = rowsOf(results).flatMap((first) =>
    othersOf(results).flatMap((vs) => {
      const other = find(results, first, vs)
      // It has not what the case measures.
      if (other === undefined) return []
      const ratio = rounded(ratioOf(first.metric, first.values, other.values))
      if (!saysSomething(ratio)) return []
      return [{ bench, case: first.case, metric: first.metric.name, system: first.system, vs, ratio }]
    })
  )
  return [...figures, ...ratios].map((line) => JSON.stringify(line))
}

// ---------------------------------------------------------------------------------------------------------
// Tables
// ---------------------------------------------------------------------------------------------------------

/** Three digits that count, and a comma at every third place. */
const show = (value: number): string =>
  Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(3)

const showFigure = ({ max, median, min }: Figure) => `${show(median)} (${show(min)} – ${show(max)})`
const showRatio = (ratio: number) => (saysSomething(ratio) ? `${show(ratio)} ×` : "–")

/** Columns as wide as their widest cell; the first two to the left, numbers to the right. */
const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]!.length)))
  const line = (row: ReadonlyArray<string>) =>
    row
      .map((cell, at) => (at < 2 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
      .join("  ")
      .trimEnd()
  return [line(head), widths.map((width) => "─".repeat(width)).join("  "), ...rows.map(line)].join("\n")
}

const casesTable = (results: Results, name: string): string => {
  const first = firstOf(results)
  const others = othersOf(results)
  return table(
    [name, "unit", first, ...others, ...others.map((other) => `${first} / ${other}`)],
    rowsOf(results)
      .filter((row) => row.case === name)
      .map((row) => {
        const compared = others.map((other) => find(results, row, other)?.values)
        return [
          row.metric.name,
          row.metric.unit,
          ...[row.values, ...compared].map((values) => (values ? showFigure(figureOf(values)) : "–")),
          ...compared.map((values) => (values ? showRatio(ratioOf(row.metric, row.values, values)) : "–"))
        ]
      })
  )
}

const judge = (results: Results, bar: Bar): ReadonlyArray<string> => {
  const { values } = find(results, bar, firstOf(results))!
  const value =
    bar.vs === undefined ? median(values) : ratioOf(bar.metric, values, find(results, bar, bar.vs)!.values)
  const unit = bar.vs === undefined ? bar.metric.unit : "×"
  const [holds, wanted] =
    "atLeast" in bar.wanted
      ? [value >= bar.wanted.atLeast, `at least ${bar.wanted.atLeast}`]
      : [value <= bar.wanted.atMost, `at most ${bar.wanted.atMost}`]
  return [bar.says, `${wanted} ${unit}`, `${show(value)} ${unit}`, holds ? "yes" : "NO"]
}

export const toTables = (results: Results): string => {
  const { bench, quick, redisVersion, rounds } = results
  const cases = [...new Set(rowsOf(results).map((row) => row.case))]
  return [
    [
      `${bench.name}: ${bench.says}`,
      ...bench.about(quick),
      `Median of ${rounds === 1 ? "one round" : `${rounds} rounds`} (least – most). A ratio is the median of the rounds' own, and above 1 where ${firstOf(results)} is better.`,
      `Redis ${redisVersion}, private, over TCP on this machine, append-only file off. Bun ${Bun.version}.`,
      ...(quick ? ["Quick: good for a look, not for a claim."] : [])
    ].join("\n"),
    ...cases.map((name) => casesTable(results, name)),
    table(
      ["bar", "wanted", "measured", "holds"],
      bench.bars.map((bar) => judge(results, bar))
    )
  ].join("\n\n")
}
