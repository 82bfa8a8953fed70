/**
 * What is summed up of tasks and of what models were asked: rows of counts, each of which a tenant and a handler has.
 * Decisions over plain values: the same facts give the same rows, in whatever order they come.
 */
import { Schema } from "effect"
import type { Counted } from "../../runtime/census.ts"
import type { UsageRecord } from "../usage/usage.ts"
import { hourMs, quarterMs, type Span } from "./periods.ts"

const Count = Schema.Int

/** Of the tasks that were submitted then: how many there were, and what has become of them. */
export const TaskCounts = {
  submitted: Count,
  succeeded: Count,
  failed: Count,
  cancelled: Count,
  expired: Count,
  /** Those that have not ended. */
  open: Count,
  /** Runs that have begun. */
  runs: Count,
  /** From submit to end, of all that have ended together. */
  tookMs: Count
} as const

export const UsageCounts = {
  /** Of models. */
  calls: Count,
  inputTokens: Count,
  outputTokens: Count,
  /** Millionths of the currency of the prices. */
  costMicros: Count,
  /** Calls of models that have no price, which cost nothing here. */
  unpriced: Count
} as const

export const TaskRow = Schema.Struct({ tenant: Schema.String, handler: Schema.String, ...TaskCounts })
export type TaskRow = typeof TaskRow.Type
export const UsageRow = Schema.Struct({
  tenant: Schema.String,
  handler: Schema.String,
  model: Schema.String,
  ...UsageCounts
})
export type UsageRow = typeof UsageRow.Type

/** The figures of a span of time. */
export const Figures = Schema.Struct({ tasks: Schema.Array(TaskRow), usage: Schema.Array(UsageRow) })
export type Figures = typeof Figures.Type

/** The figures of an hour, a quarter at a time, since days do not begin at the hours of UTC everywhere. */
export const Quarters = Schema.Array(Figures).check(Schema.isMinLength(4), Schema.isMaxLength(4))

type Counts = Record<string, number>

const noTasks = {
  submitted: 0,
  succeeded: 0,
  failed: 0,
  cancelled: 0,
  expired: 0,
  open: 0,
  runs: 0,
  tookMs: 0
}
const noUsage = { calls: 0, inputTokens: 0, outputTokens: 0, costMicros: 0, unpriced: 0 }

/** Rows that grow, by what tells them apart. */
class Rows<Row> {
  readonly #rows = new Map<string, Counts & Record<string, unknown>>()
  readonly #zero: Counts

  constructor(zero: Counts) {
    this.#zero = zero
  }

  add(names: Readonly<Record<string, string>>, counts: Readonly<Record<string, number>>): void {
    const key = Object.values(names).join("\u0000")
    const row =
      this.#rows.get(key) ?? ({ ...names, ...this.#zero } as unknown as Counts & Record<string, unknown>)
    for (const [name, count] of Object.entries(counts)) row[name] = (row[name] ?? 0) + count
    this.#rows.set(key, row)
  }

  /** In the order of their names, so that the same figures are the same bytes. */
  get all(): ReadonlyArray<Row> {
    return [...this.#rows].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row as Row)
  }
}

/** Sums up the facts of an hour. */
export class HourOfFigures {
  readonly #quarters = Array.from({ length: 4 }, () => ({
    tasks: new Rows<TaskRow>(noTasks),
    usage: new Rows<UsageRow>(noUsage)
  }))
  readonly #hour: number
  #open = 0

  constructor(hour: number) {
    this.#hour = hour
  }

  /** A task that was submitted within the hour. */
  task({ attempt, finishedAt, handler, state, submittedAt, tenant }: Counted): void {
    const ended = ["succeeded", "failed", "cancelled", "expired"].includes(state)
    if (!ended) this.#open += 1
    this.#at(submittedAt).tasks.add(
      { tenant, handler },
      {
        submitted: 1,
        [ended ? state : "open"]: 1,
        runs: attempt,
        ...(ended && finishedAt !== undefined ? { tookMs: Math.max(0, finishedAt - submittedAt) } : {})
      }
    )
  }

  /** A call of a model within the hour. */
  call({ at, costMicros, handler, inputTokens, model, outputTokens, tenant }: UsageRecord): void {
    this.#at(at).usage.add(
      { tenant, handler, model },
      {
        calls: 1,
        inputTokens,
        outputTokens,
        costMicros: costMicros ?? 0,
        unpriced: costMicros === undefined ? 1 : 0
      }
    )
  }

  #at(at: number) {
    return this.#quarters[Math.floor((at - this.#hour) / quarterMs)]!
  }

  /** How many of its tasks have not ended. */
  get open(): number {
    return this.#open
  }

  get isEmpty(): boolean {
    return this.#quarters.every(({ tasks, usage }) => tasks.all.length === 0 && usage.all.length === 0)
  }

  get quarters(): ReadonlyArray<Figures> {
    return this.#quarters.map(({ tasks, usage }) => ({ tasks: tasks.all, usage: usage.all }))
  }
}

/** The quarters of an hour that lie within a span. */
export const quartersWithin = (
  hour: number,
  quarters: ReadonlyArray<Figures>,
  { from, to }: Span
): ReadonlyArray<Figures> =>
  quarters.filter(
    (_, at) => hour + at * quarterMs >= from && hour + at * quarterMs < Math.min(to, hour + hourMs)
  )

/** Several figures as one. `keep` says whose are left in. */
export const sum = (all: ReadonlyArray<Figures>, keep: (tenant: string) => boolean = () => true): Figures => {
  const tasks = new Rows<TaskRow>(noTasks)
  const usage = new Rows<UsageRow>(noUsage)
  for (const figures of all) {
    for (const { handler, tenant, ...counts } of figures.tasks)
      if (keep(tenant)) tasks.add({ tenant, handler }, counts)
    for (const { handler, model, tenant, ...counts } of figures.usage) {
      if (keep(tenant)) usage.add({ tenant, handler, model }, counts)
    }
  }
  return { tasks: tasks.all, usage: usage.all }
}

/** All counts of some figures together. */
export const total = ({ tasks, usage }: Figures) => {
  const counts = { ...noTasks, ...noUsage }
  for (const row of tasks)
    for (const name of Object.keys(noTasks) as Array<keyof typeof noTasks>) counts[name] += row[name]
  for (const row of usage)
    for (const name of Object.keys(noUsage) as Array<keyof typeof noUsage>) counts[name] += row[name]
  return counts
}
