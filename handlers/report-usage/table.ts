/** What a report says, as rows: a day, a tenant and what it is broken down by. Decisions over plain values. */
import type { Figures, TaskRow, UsageRow } from "../analytics/figures.ts"

/** What the rows of a tenant are broken down by. */
export type By = "tenant" | "handler" | "model"

export interface DayOfFigures {
  readonly date: string
  readonly figures: Figures
}

/** What one row counts. Of a model's rows nobody can say which tasks they were, so these are absent there. */
export interface Line {
  readonly date: string
  readonly tenant: string
  /** The handler or the model. */
  readonly of?: string
  readonly tasks?: Pick<
    TaskRow,
    "submitted" | "succeeded" | "failed" | "cancelled" | "expired" | "open" | "tookMs"
  >
  readonly usage: Pick<UsageRow, "calls" | "inputTokens" | "outputTokens" | "costMicros" | "unpriced">
}

const noTasks = { submitted: 0, succeeded: 0, failed: 0, cancelled: 0, expired: 0, open: 0, tookMs: 0 }
const noUsage = { calls: 0, inputTokens: 0, outputTokens: 0, costMicros: 0, unpriced: 0 }

const added = <Counts extends Readonly<Record<string, number>>>(
  zero: Counts,
  rows: ReadonlyArray<Counts>
): Counts =>
  Object.fromEntries(
    Object.keys(zero).map((name) => [name, rows.reduce((sum, row) => sum + row[name]!, 0)])
  ) as Counts

/** The lines of some days, in the order of days, tenants and names. Days without anything have none. */
export const linesOf = (days: ReadonlyArray<DayOfFigures>, by: By): ReadonlyArray<Line> =>
  days.flatMap(({ date, figures }) => {
    const nameOf = (row: TaskRow | UsageRow) =>
      by === "tenant" ? "" : by === "handler" ? row.handler : "model" in row ? row.model : ""
    const tasks = by === "model" ? [] : figures.tasks
    const key = (row: TaskRow | UsageRow) => JSON.stringify([row.tenant, nameOf(row)])
    const rows = Map.groupBy<string, TaskRow | UsageRow>([...tasks, ...figures.usage], key)
    return [...rows.keys()].toSorted().map((one): Line => {
      const [tenant, of] = JSON.parse(one) as [string, string]
      const all = rows.get(one)!
      return {
        date,
        tenant,
        ...(by === "tenant" ? {} : { of }),
        ...(by === "model"
          ? {}
          : {
              tasks: added(
                noTasks,
                all.filter((row): row is TaskRow => !("model" in row))
              )
            }),
        usage: added(
          noUsage,
          all.filter((row): row is UsageRow => "model" in row)
        )
      }
    })
  })

/** One line for each tenant and name, of all days together; the most costly first, then that with the most tokens, tasks. */
export const totalsOf = (lines: ReadonlyArray<Omit<Line, "date">>): ReadonlyArray<Omit<Line, "date">> =>
  [...Map.groupBy(lines, ({ of = "", tenant }) => JSON.stringify([tenant, of])).values()]
    .map((all) => {
      const { of, tasks, tenant } = all[0]!
      return {
        tenant,
        ...(of === undefined ? {} : { of }),
        ...(tasks === undefined
          ? {}
          : {
              tasks: added(
                noTasks,
                all.map((line) => line.tasks!)
              )
            }),
        usage: added(
          noUsage,
          all.map(({ usage }) => usage)
        )
      }
    })
    .toSorted(
      (a, b) =>
        b.usage.costMicros - a.usage.costMicros ||
        tokensOf(b) - tokensOf(a) ||
        (b.tasks?.submitted ?? 0) - (a.tasks?.submitted ?? 0) ||
        (a.tenant < b.tenant ? -1 : 1)
    )

/** Several lines as one. */
export const allOf = (lines: ReadonlyArray<Omit<Line, "date">>): Pick<Line, "tasks" | "usage"> => {
  const tasks = lines.flatMap((line) => line.tasks ?? [])
  return {
    ...(tasks.length === 0 ? {} : { tasks: added(noTasks, tasks) }),
    usage: added(
      noUsage,
      lines.map(({ usage }) => usage)
    )
  }
}

export const tokensOf = ({ usage }: Pick<Line, "usage">): number => usage.inputTokens + usage.outputTokens

/** What a chart may show of a tenant's day. */
export interface Amount {
  readonly date: string
  readonly tenant: string
  readonly costMicros: number
  readonly tokens: number
  readonly tasks: number
}

export const amountOf = (line: Line): Amount => ({
  date: line.date,
  tenant: line.tenant,
  costMicros: line.usage.costMicros,
  tokens: tokensOf(line),
  tasks: line.tasks?.submitted ?? 0
})

/** What the chart shows: of what there is, what says most. */
export type Measure = "cost" | "tokens" | "tasks"

export const measureOf = (amounts: ReadonlyArray<Amount>): Measure =>
  amounts.some(({ costMicros }) => costMicros > 0)
    ? "cost"
    : amounts.some(({ tokens }) => tokens > 0)
      ? "tokens"
      : "tasks"

export const measured = (measure: Measure, { costMicros, tasks, tokens }: Amount): number =>
  measure === "cost" ? costMicros / 1_000_000 : measure === "tokens" ? tokens : tasks

/** A bar of the chart: a day, and how much of it is whose, in the order of `names`. */
export interface Bar {
  readonly date: string
  readonly parts: ReadonlyArray<number>
}

/** How many tenants have a colour of their own; the others share one. */
export const seriesMax = 5

export const chartOf = (amounts: ReadonlyArray<Amount>, dates: ReadonlyArray<string>, measure: Measure) => {
  const sums = new Map<string, number>()
  for (const one of amounts) sums.set(one.tenant, (sums.get(one.tenant) ?? 0) + measured(measure, one))
  const ranked = [...sums].toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).map(([tenant]) => tenant)
  const own = ranked.slice(0, seriesMax)
  const names = ranked.length > seriesMax ? [...own, "others"] : own
  const byDate = Map.groupBy(amounts, ({ date }) => date)
  const bars = dates.map((date): Bar => {
    const parts = names.map(() => 0)
    for (const one of byDate.get(date) ?? []) {
      const at = own.indexOf(one.tenant)
      parts[at === -1 ? names.length - 1 : at]! += measured(measure, one)
    }
    return { date, parts }
  })
  return { names, bars }
}
export type Chart = ReturnType<typeof chartOf>

/** The end of an axis for amounts up to `largest`, and the marks on it: 1, 2 or 5 times a power of ten apart. */
export const axisOf = (largest: number): ReadonlyArray<number> => {
  if (!(largest > 0)) return [0, 1]
  const rough = largest / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((times) => times * power).find((one) => one >= rough * 0.999)!
  const count = Math.ceil(largest / step - 0.001)
  return Array.from({ length: count + 1 }, (_, at) => Number((at * step).toPrecision(12)))
}

/** What a CSV has in a row. A program that shows tables must not take a model's name for a formula. */
const harmless = (text: string): string => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text)

export const csvOf = (lines: ReadonlyArray<Line>, by: By): ReadonlyArray<Readonly<Record<string, string>>> =>
  lines.map(({ date, of, tasks, tenant, usage }) => ({
    date,
    tenant: harmless(tenant),
    ...(by === "tenant" ? {} : { [by]: harmless(of ?? "") }),
    ...Object.fromEntries(
      taskColumns.map((name) => [
        name,
        tasks === undefined ? "" : String(name === "tasks" ? tasks.submitted : tasks[name])
      ])
    ),
    calls: String(usage.calls),
    input_tokens: String(usage.inputTokens),
    output_tokens: String(usage.outputTokens),
    cost: money(usage.costMicros),
    unpriced_calls: String(usage.unpriced)
  }))

const taskColumns = ["tasks", "succeeded", "failed", "cancelled", "expired", "open"] as const

export const columnsOf = (by: By): ReadonlyArray<string> => [
  ...["date", "tenant", ...(by === "tenant" ? [] : [by]), ...taskColumns],
  ...["calls", "input_tokens", "output_tokens", "cost", "unpriced_calls"]
]

/** Exactly, in units of the currency. */
export const money = (micros: number): string => {
  const sign = micros < 0 ? "-" : ""
  const whole = Math.abs(micros)
  return `${sign}${Math.floor(whole / 1_000_000)}.${String(whole % 1_000_000).padStart(6, "0")}`
}

/** The figures of the tenants that may be shown. */
export const shownOf = ({ tasks, usage }: Figures, isShown: (tenant: string) => boolean): Figures => ({
  tasks: tasks.filter(({ tenant }) => isShown(tenant)),
  usage: usage.filter(({ tenant }) => isShown(tenant))
})
