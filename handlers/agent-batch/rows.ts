/** What each row of a table asks, and what became of it: over plain values. */
import { Schema } from "effect"
import type { ChildOutcome } from "../../runtime/handler.ts"
import { Citation } from "../passages/citation.ts"
import { searchDocumentsName } from "../passages/search-documents.ts"

type Cells = Readonly<Record<string, unknown>>

/** The cells of a row that are the input of its query; the others are carried along. */
export const queryFields = [
  "question",
  "documents",
  "passages",
  "instructions",
  "tools",
  "toolCalls",
  "budget",
  "cache"
] as const

/** What one row asks: the input of `agent.query`, or why there is none. */
export type Asked =
  | { readonly input: Cells }
  | { readonly error: { readonly type: string; readonly message: string } }

/**
 * The input of a row's query: its own cells over those of all rows. With a `template` the question is that, with each
 * `{{column}}` replaced by the row's cell.
 */
export const askedBy = (row: Cells, defaults: Cells, template: string | undefined): Asked => {
  const own = Object.fromEntries(
    queryFields.flatMap((field) => (row[field] === undefined ? [] : [[field, cellOf(field, row[field])]]))
  )
  if (template === undefined) return { input: { ...defaults, ...own } }
  const missing = new Set<string>()
  const question = template.replaceAll(/\{\{\s*([^{}]+?)\s*\}\}/g, (_, column: string) => {
    const cell = row[column]
    if (cell === undefined) missing.add(column)
    return typeof cell === "string" ? cell : JSON.stringify(cell ?? "")
  })
  return missing.size === 0
    ? { input: { ...defaults, ...own, question } }
    : {
        error: {
          type: "InputInvalid",
          message: `the template needs ${[...missing].join(", ")}, and the row has none`
        }
      }
}

/** Cells of CSV are texts unless their column says otherwise; the names of these say it well enough. */
const cellOf = (field: (typeof queryFields)[number], cell: unknown): unknown => {
  if (typeof cell !== "string") return cell
  if (field === "documents" || field === "tools") return cell.split(/[\s;,]+/).filter((part) => part !== "")
  if (field === "passages" || field === "toolCalls") return Number(cell)
  return cell
}

/**
 * Of each row the first that asks the same, counted from 1; its own number where there is none. Rows that want no kept answer
 * (`cache: false`), or may call tools whose answers change with the world, are asked each, as `agent.query` would.
 */
export const firstsOf = (asked: ReadonlyArray<Asked>): ReadonlyArray<number> => {
  const first = new Map<string, number>()
  return asked.map((one, at) => {
    const row = at + 1
    if ("error" in one || one.input["cache"] === false || !isOfDocuments(one.input["tools"])) return row
    const text = JSON.stringify(Object.entries(one.input).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    const there = first.get(text)
    if (there === undefined) first.set(text, row)
    return there ?? row
  })
}

const isOfDocuments = (tools: unknown) =>
  tools === undefined || (Array.isArray(tools) && tools.every((name) => name === searchDocumentsName))

const Fault = Schema.Struct({ type: Schema.String, message: Schema.String })

/** The part of a query's output that a table says. */
const Answer = Schema.Struct({
  answer: Schema.String,
  model: Schema.optionalKey(Schema.String),
  citations: Schema.Array(Citation),
  usage: Schema.optionalKey(
    Schema.Struct({
      inputTokens: Schema.Int,
      outputTokens: Schema.Int,
      costMicros: Schema.optionalKey(Schema.Int)
    })
  ),
  cached: Schema.optionalKey(Schema.Boolean),
  stopped: Schema.optionalKey(Schema.Struct({ by: Schema.String, message: Schema.String }))
})

/** What became of a row. */
export const Result = Schema.Struct({
  /** From 1. */
  row: Schema.Int,
  task: Schema.optionalKey(Schema.String),
  answered: Schema.optionalKey(Answer),
  error: Schema.optionalKey(Fault)
})
export type Result = typeof Result.Type

const readAnswer = Schema.decodeUnknownSync(Answer)

export const resultOf = (row: number, task: string, outcome: ChildOutcome): Result =>
  outcome.state === "succeeded"
    ? { row, task, answered: readAnswer(outcome.output) }
    : { row, task, error: { type: outcome.error.type, message: outcome.error.message } }

/** What became of a row that asks the same as another one: it was answered with that, and cost nothing. */
export const resultAs = (row: number, { answered, ...first }: Result): Result => {
  if (answered === undefined) return { ...first, row }
  const { usage, ...rest } = answered
  const none = {
    inputTokens: 0,
    outputTokens: 0,
    ...(usage?.costMicros === undefined ? {} : { costMicros: 0 })
  }
  return {
    ...first,
    row,
    answered: { ...rest, ...(usage === undefined ? {} : { usage: none, cached: true }) }
  }
}

/** What a row of the table that comes out says beside its own columns. */
export const addedColumns: Readonly<Record<"csv" | "json", ReadonlyArray<string>>> = {
  csv: [
    ...["answer", "error", "error_message", "stopped", "citations", "model"],
    ...["input_tokens", "output_tokens", "cost_micros", "cached", "task"]
  ],
  json: ["row", "task", "answered", "error"]
}

/** A row of the table that comes out. */
export const cellsOf = ({ answered, error, task }: Result): Cells => ({
  answer: answered?.answer,
  error: error?.type,
  error_message: error?.message,
  stopped: answered?.stopped?.by,
  citations: answered?.citations.map(({ page, title }) => `${title}, page ${page}`).join("; "),
  model: answered?.model,
  input_tokens: answered?.usage?.inputTokens,
  output_tokens: answered?.usage?.outputTokens,
  cost_micros: answered?.usage?.costMicros,
  cached: answered?.cached,
  task
})

export interface Sums {
  readonly answered: number
  readonly failed: number
  readonly usage: {
    readonly inputTokens: number
    readonly outputTokens: number
    readonly costMicros?: number
  }
}

export const sumsOf = (results: ReadonlyArray<Result>): Sums => {
  const usages = results.flatMap(({ answered }) => (answered?.usage === undefined ? [] : [answered.usage]))
  const sum = (of: (usage: (typeof usages)[number]) => number) =>
    usages.reduce((total, usage) => total + of(usage), 0)
  const answered = results.filter(({ answered }) => answered !== undefined).length
  return {
    answered,
    failed: results.length - answered,
    usage: {
      inputTokens: sum(({ inputTokens }) => inputTokens),
      outputTokens: sum(({ outputTokens }) => outputTokens),
      ...(usages.some(({ costMicros }) => costMicros !== undefined)
        ? { costMicros: sum(({ costMicros = 0 }) => costMicros) }
        : {})
    }
  }
}
