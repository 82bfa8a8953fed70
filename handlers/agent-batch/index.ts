/**
 * Asks the questions of a table, each as a task of `agent.query`, and gives the table back with their answers.
 *
 * The rows are read once and shared out to parts, tasks of `agent.batch-part`, of which two are under way at a time; so no
 * more queries live at once than was said, and every end of a part moves the one progress of the whole. A row that cannot be
 * asked, or whose query fails, says so in its place, and holds up no other.
 *
 * Safe to repeat: a run that follows another finds the rows, the parts and the answers of the one before, and asks none
 * again that has an answer.
 */
import { Effect, Layer, Option, Schema } from "effect"
import { Files } from "../../runtime/files.ts"
import { type Child, CurrentTask, defineTask } from "../../runtime/handler.ts"
import { exactly } from "../input/exactly.ts"
import { refuse } from "../refusal/refuse.ts"
import { keptFor } from "../table/kept.ts"
import { csvOf, hasOneSource, source, type Table, TableFault, Tables } from "../table/table.ts"
import {
  addedColumns,
  type Asked,
  askedBy,
  cellsOf,
  firstsOf,
  Result,
  resultAs,
  resultOf,
  sumsOf
} from "./rows.ts"

/** A table of more rows is refused: cut it into several. */
const rowsMax = 5_000

const atOnceDefault = 16
const atOnceMax = 256

/** So many parts are under way at a time: while the last rows of one are answered, there are others. */
const partsAtOnce = 2

/** A part has at least so many rows, so that a long table with a narrow fan-out has not too many of them. */
const partRowsMin = 10

const Cells = Schema.Record(Schema.String, Schema.Unknown)
type Cells = typeof Cells.Type

const input = Schema.Struct({
  ...source,
  /** The question of every row, with `{{column}}` where a row's own cell stands. Default: the column `question`. */
  template: Schema.optionalKey(Schema.NonEmptyString.check(Schema.isMaxLength(4_000))),
  /** What all queries are given that do not say otherwise: any part of the input of `agent.query`. */
  defaults: Schema.optionalKey(Cells),
  /** How many queries live at once, at most. */
  atOnce: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: atOnceMax }))),
  /** Of the table that comes out. Default `csv`. */
  format: Schema.optionalKey(Schema.Literals(["csv", "json"]))
}).check(hasOneSource)

const output = Schema.Struct({
  /** The id of an upload: the table with its answers. */
  file: Schema.String,
  format: Schema.Literals(["csv", "json"]),
  rows: Schema.Int,
  answered: Schema.Int,
  failed: Schema.Int,
  usage: Schema.Struct({
    inputTokens: Schema.Int,
    outputTokens: Schema.Int,
    costMicros: Schema.optionalKey(Schema.Int)
  })
})

const layer = Layer.provideMerge(Tables.layer, Files.layer)

/** `agent.batch`: asks the questions of a table, and gives it back with their answers. */
export const agentBatch = defineTask.effect({
  name: "agent.batch",
  queue: "agents",
  input: exactly(input),
  output,
  retry: { attempts: 4, backoff: { base: "2 seconds", cap: "1 minute" } },
  layer,

  run: Effect.fn("agent.batch")(function* ({ atOnce = atOnceDefault, format = "csv", ...asked }) {
    const task = yield* CurrentTask
    const kept = yield* keptFor(task.task.id)
    const { rows: count } = yield* task.step(
      "read the table",
      Effect.gen(function* () {
        const tables = yield* Tables
        const table = yield* tables.read(asked, rowsMax)
        yield* notTaken(table.columns, format)
        yield* kept.sweep
        yield* kept.write("table", {
          ...table,
          firsts: firstsOf(allAsked(table, asked.defaults ?? {}, asked.template))
        })
        return { rows: table.rows.length }
      })
    )

    const size = partSize(atOnce)
    const parts: Array<Child> = []
    const starts = Array.from({ length: Math.ceil(count / size) }, (_, at) => at * size)
    for (let at = 0; at < starts.length + partsAtOnce - 1; at++) {
      const from = starts[at]
      if (from !== undefined) {
        const part = {
          batch: task.task.id,
          from,
          to: Math.min(count, from + size),
          atOnce: Math.max(1, Math.floor(atOnce / partsAtOnce)),
          template: asked.template,
          defaults: asked.defaults ?? {}
        }
        // Where one query is to live at once, so is one part.
        if (atOnce === 1 && parts.length > 0) yield* task.all([parts.at(-1)!])
        parts.push(yield* task.submit("agent.batch-part", part))
      }
      const ended = parts[at - partsAtOnce + 1]
      if (ended === undefined) continue
      yield* task.all([ended])
      const done = Math.min(count, (at - partsAtOnce + 2) * size)
      yield* task.step(`${done} rows`, task.progress(done / count, `${done} of ${count} rows`))
    }

    const written = yield* task.step("write the table", writtenOut(kept, starts, format))
    yield* kept.forget
    return { ...written, format, rows: count }
  })
})

/** Some rows of a table; for `agent.batch` alone. */
export const agentBatchPart = defineTask.effect({
  name: "agent.batch-part",
  queue: "agents",
  input: Schema.Struct({
    batch: Schema.NonEmptyString,
    from: Schema.Int,
    to: Schema.Int,
    atOnce: Schema.Int,
    template: Schema.optional(Schema.String),
    defaults: Cells
  }),
  output: Schema.Struct({ rows: Schema.Int }),
  retry: { attempts: 4, backoff: { base: "2 seconds", cap: "1 minute" } },
  layer,

  run: Effect.fn("agent.batch-part")(function* ({ atOnce, batch, defaults, from, template, to }) {
    const task = yield* CurrentTask
    const kept = yield* keptFor(batch)
    // A part that is run again after its record was dropped finds what it had.
    const there = yield* Effect.option(kept.read(`part-${from}`))
    if (Option.isSome(there)) return { rows: to - from }
    const { faults, firsts, rows } = yield* readTable(kept)
    const broken = new Map(faults.map((fault) => [fault.row, fault]))
    const results: Array<Result> = []
    for (let first = from; first < to; first += atOnce) {
      const children: Array<{ readonly row: number; readonly child: Child }> = []
      for (let at = first; at < Math.min(to, first + atOnce); at++) {
        const row = at + 1
        // It is answered with what an earlier row is.
        if ((firsts?.[at] ?? row) !== row) continue
        const asked = brokenOr(broken.get(row), () => askedBy(rows[at]!, defaults, template))
        if ("error" in asked) {
          results.push({ row, error: asked.error })
          continue
        }
        const submitted = yield* Effect.result(task.submit("agent.query", asked.input))
        if (submitted._tag === "Success") children.push({ row, child: submitted.success })
        else if (submitted.failure._tag === "ChildRefused") {
          results.push({ row, error: { type: "InputInvalid", message: submitted.failure.reason } })
        } else return yield* submitted.failure
      }
      const outcomes = yield* task.all(
        children.map(({ child }) => child),
        { onFailure: "collect" }
      )
      results.push(
        ...outcomes.map((outcome, at) => resultOf(children[at]!.row, children[at]!.child.id, outcome))
      )
    }
    yield* kept.write(`part-${from}`, results)
    return { rows: to - from }
  })
})

// ---------------------------------------------------------------------------------------------------------
// Parts
// ---------------------------------------------------------------------------------------------------------

type Kept = Effect.Success<ReturnType<typeof keptFor>>

/** An answer in place of a cell would lose it; and which of the two it is, nobody could say. */
const notTaken = (columns: ReadonlyArray<string>, format: "csv" | "json") => {
  const taken = columns.filter((column) => addedColumns[format].includes(column))
  return taken.length === 0
    ? Effect.void
    : refuse(
        "ColumnTaken",
        `the table has the columns ${taken.join(", ")}, where its answers go: call them something else`
      )
}

/** A whole number of rounds of its own fan-out. */
const partSize = (atOnce: number) => {
  const each = Math.max(1, Math.floor(atOnce / partsAtOnce))
  return each * Math.ceil(partRowsMin / each)
}

/** What all rows of a table ask. */
const allAsked = ({ faults, rows }: Table, defaults: Cells, template: string | undefined) => {
  const broken = new Map(faults.map((fault) => [fault.row, fault]))
  return rows.map((row, at) => brokenOr(broken.get(at + 1), () => askedBy(row, defaults, template)))
}

const brokenOr = (fault: TableFault | undefined, otherwise: () => Asked): Asked =>
  fault === undefined
    ? otherwise()
    : {
        error: {
          type: "InputInvalid",
          message: fault.field === undefined ? fault.message : `${fault.field}: ${fault.message}`
        }
      }

const StoredTable = Schema.Struct({
  columns: Schema.Array(Schema.String),
  rows: Schema.Array(Cells),
  faults: Schema.Array(TableFault),
  /** Of each row the first that asks the same. A batch of an older version has none. */
  firsts: Schema.optionalKey(Schema.Array(Schema.Int))
})

const readTable = (
  kept: Kept
): Effect.Effect<typeof StoredTable.Type, Effect.Error<ReturnType<Kept["read"]>>> =>
  Effect.flatMap(kept.read("table"), (json) => Effect.orDie(Schema.decodeUnknownEffect(StoredTable)(json)))

const readResults = Schema.decodeUnknownEffect(Schema.Array(Result))

/** The table with its answers, as an upload, in the order of its rows. */
const writtenOut = Effect.fnUntraced(function* (
  kept: Kept,
  starts: ReadonlyArray<number>,
  format: "csv" | "json"
) {
  const files = yield* Files
  const { columns, firsts, rows } = yield* readTable(kept)
  const parts = yield* Effect.forEach(starts, (from) =>
    Effect.flatMap(kept.read(`part-${from}`), (json) => Effect.orDie(readResults(json)))
  )
  const own = new Map(parts.flat().map((result) => [result.row, result]))
  const results = rows.flatMap((_, at) => {
    const first = own.get(firsts?.[at] ?? at + 1)
    return first === undefined ? [] : first.row === at + 1 ? [first] : [resultAs(at + 1, first)]
  })
  const text =
    format === "json"
      ? JSON.stringify(results.map(({ row, ...result }) => ({ row, ...rows[row - 1], ...result })))
      : yield* csvOf(
          [...new Set([...columns, ...addedColumns.csv])],
          results.map((result) => ({ ...rows[result.row - 1], ...cellsOf(result) }))
        )
  const { id } = yield* files.upload(new Blob([text]).stream(), {
    type: format === "json" ? "application/json" : "text/csv; charset=utf-8",
    bytesMax: Number.MAX_SAFE_INTEGER
  })
  return { file: id, ...sumsOf(results) }
})
