/**
 * Rows that callers hand over as JSON or CSV: in the input itself, in an upload, or in a file below `TROUPE_FOLDERS`.
 *
 * A row is an object of cells by the names of their columns. In CSV the first line names the columns, and a name may say
 * what its cells are: `budget:json`, `passages:number`, `tools:list`, where texts of a list are parted by `;`. An empty
 * cell is none.
 */
import type { ParseResult } from "papaparse"
import { Context, Effect, Layer, Schema } from "effect"
import { readFile, stat } from "node:fs/promises"
import { Files, FilesError } from "../../runtime/files.ts"
import type { Fatal } from "../../runtime/handler.ts"
import { Folders, notAllowed } from "../folders/below.ts"
import { optionalPackage } from "../packages/optional.ts"
import { refuse } from "../refusal/refuse.ts"

/** The largest table. */
const tableBytesMax = 32 * 1024 * 1024

/** Of CSV, lines without a cell among them, as spreadsheets leave many behind. */
const linesMax = 100_000

/** A line that names more columns is none of names. */
const columnsMax = 4_096
const namesCharactersMax = 1024 * 1024

const Cells = Schema.Record(Schema.String, Schema.Unknown)
type Cells = typeof Cells.Type

/** Where the rows are: a part of a handler's input. Exactly one of the four is there; see `hasOneSource`. */
export const source = {
  /** The rows themselves. */
  rows: Schema.optionalKey(Schema.Array(Cells)),
  /** The text of a table in CSV. */
  csv: Schema.optionalKey(Schema.NonEmptyString),
  /** The id of an upload. */
  file: Schema.optionalKey(Schema.NonEmptyString),
  /** A file below a folder of `TROUPE_FOLDERS`. */
  path: Schema.optionalKey(Schema.NonEmptyString)
}

export interface Source {
  readonly rows?: ReadonlyArray<Cells>
  readonly csv?: string
  readonly file?: string
  readonly path?: string
}

export const hasOneSource = Schema.makeFilter(({ csv, file, path, rows }: Source) => {
  const given = [rows, csv, file, path].filter((one) => one !== undefined).length
  return given === 1 ? undefined : "give exactly one of rows, csv, file and path"
})

/** A fault of a table: in which row, from 1 without the line of names, and in which of its cells. */
export const TableFault = Schema.Struct({
  row: Schema.Int,
  field: Schema.optionalKey(Schema.String),
  message: Schema.String
})
export type TableFault = typeof TableFault.Type

export interface Table {
  /** The names of the columns, in the order in which they first came. */
  readonly columns: ReadonlyArray<string>
  readonly rows: ReadonlyArray<Cells>
  /** What could not be read; such a row is there as far as it could. */
  readonly faults: ReadonlyArray<TableFault>
}

export class Tables extends Context.Service<
  Tables,
  {
    /**
     * Reads a table. `Fatal` is of type `FileNotFound`, `PathNotAllowed`, `TableTooLarge`, `DamagedTable`, `EmptyTable` or
     * `PackageMissing`.
     */
    readonly read: (source: Source, rowsMax: number) => Effect.Effect<Table, Fatal | FilesError>
  }
>()("troupe/handlers/Tables") {
  /** Asks for `Files` and `Settings`. */
  static readonly layer = Layer.effect(
    Tables,
    Effect.gen(function* () {
      const files = yield* Files
      const folders = yield* Folders

      const bytesOf = Effect.fnUntraced(function* ({ file, path = "" }: Source) {
        if (file !== undefined) {
          const upload = Effect.tap(files.info(file), ({ bytes }) => smallEnough(file, bytes))
          return yield* Effect.andThen(upload, files.read(file)).pipe(
            Effect.catchTag("FileNotFound", () =>
              refuse("FileNotFound", `there is no upload ${file}; it may have been removed`)
            )
          )
        }
        const found = yield* folders.find(path)
        const attempt = <A>(run: () => Promise<A>) =>
          Effect.tryPromise({ try: run, catch: FilesError.during("Tables.read") })
        const stated = yield* attempt(() => stat(found))
        // Nobody waits for the other end of a pipe.
        if (!stated.isFile()) return yield* notAllowed(`${path} is not a file`)
        yield* smallEnough(path, stated.size)
        return yield* attempt(() => readFile(found))
      })

      const textOf = Effect.fnUntraced(function* (source: Source) {
        if (source.csv !== undefined) return source.csv
        const bytes = yield* bytesOf(source)
        return yield* Effect.try({
          try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
          catch: () => "the table is not text in UTF-8"
        }).pipe(Effect.catch((reason) => refuse("DamagedTable", reason)))
      })

      const read = Effect.fn("Tables.read")(function* (source: Source, rowsMax: number) {
        const table =
          source.rows === undefined ? yield* parsed(yield* textOf(source), rowsMax) : ofRows(source.rows)
        if (table.rows.length === 0) return yield* refuse("EmptyTable", "the table has no row")
        yield* fewEnough(table.rows, rowsMax)
        return table
      })

      return Tables.of({ read })
    })
  ).pipe(Layer.provide(Folders.layer))
}

const smallEnough = (name: string, bytes: number) =>
  bytes <= tableBytesMax
    ? Effect.void
    : refuse("TableTooLarge", `${name} has ${bytes} bytes, and at most ${tableBytesMax} are taken`)

/** What a table has many of is asked for before anything is made of each: a few letters of a file may be a row. */
const fewEnough = ({ length }: ReadonlyArray<unknown>, rowsMax: number) =>
  length <= rowsMax
    ? Effect.void
    : refuse(
        "TableTooLarge",
        `the table has more than ${rowsMax} rows, and at most ${rowsMax} are taken: cut it into several`
      )

/** A table as CSV, whose cells no spreadsheet takes for formulas. */
export const csvOf = Effect.fnUntraced(function* (
  columns: ReadonlyArray<string>,
  rows: ReadonlyArray<Cells>
) {
  const { default: papa } = yield* papaparse
  return papa.unparse(
    {
      fields: [...columns],
      data: rows.map((row) => columns.map((column) => textOfCell(row[column])))
    },
    { escapeFormulae: true, newline: "\r\n" }
  )
})

// ---------------------------------------------------------------------------------------------------------
// Parts
// ---------------------------------------------------------------------------------------------------------

const papaparse = optionalPackage("papaparse", () => import("papaparse"))

const textOfCell = (value: unknown): string =>
  value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value)

const columnsOf = (rows: ReadonlyArray<Cells>) => [...new Set(rows.flatMap((row) => Object.keys(row)))]

const ofRows = (rows: ReadonlyArray<Cells>): Table => ({ columns: columnsOf(rows), rows, faults: [] })

/** JSON where the text begins as JSON does, else CSV. No more than about `rowsMax` rows are read. */
const parsed = (text: string, rowsMax: number): Effect.Effect<Table, Fatal> => {
  const bare = text.replace(/^\uFEFF/, "")
  return /^\s*[[{]/.test(bare) ? parsedJson(bare, rowsMax) : parsedCsv(bare)
}

/** An array of objects, or an object a line. */
const parsedJson = (text: string, rowsMax: number): Effect.Effect<Table, Fatal> => {
  const read = (json: string, what: string) =>
    Effect.try({
      try: () => JSON.parse(json) as unknown,
      catch: (cause) => (cause instanceof Error ? cause.message : String(cause))
    }).pipe(Effect.catch((reason) => refuse("DamagedTable", `${what} is no JSON: ${reason}`)))
  const lines = () =>
    text
      .matchAll(/[^\n]+/g)
      .map(([line]) => line)
      .filter((line) => line.trim() !== "")
      .take(rowsMax + 1)
      .toArray()
  const values = /^\s*\[/.test(text)
    ? Effect.tap(
        Effect.map(read(text, "the table"), (value) => value as ReadonlyArray<unknown>),
        (rows) => fewEnough(rows, rowsMax)
      )
    : Effect.suspend(() => {
        const rows = lines()
        return Effect.andThen(
          fewEnough(rows, rowsMax),
          Effect.forEach(rows, (line, at) => read(line, `line ${at + 1}`))
        )
      })
  return Effect.map(values, (all) => {
    const isRow = (value: unknown): value is Cells =>
      typeof value === "object" && value !== null && !Array.isArray(value)
    const rows = all.map((value) => (isRow(value) ? value : {}))
    const faults = all.flatMap((value, at) =>
      isRow(value) ? [] : [{ row: at + 1, message: "a row is an object of cells by their names" }]
    )
    return { columns: columnsOf(rows), rows, faults }
  })
}

const kinds = ["text", "number", "boolean", "list", "json"] as const
type Kind = (typeof kinds)[number]

interface Column {
  readonly written: string
  readonly name: string
  readonly kind: Kind
}

const columnOf = (written: string): Column => {
  const at = written.lastIndexOf(":")
  const kind = kinds.find((kind) => kind === written.slice(at + 1).trim())
  return at < 1 || kind === undefined
    ? { written, name: written, kind: "text" }
    : { written, name: written.slice(0, at).trim(), kind }
}

const parsedCsv = Effect.fnUntraced(function* (text: string) {
  const { default: papa } = yield* papaparse
  const beginning = text.slice(0, namesCharactersMax)
  const names: ParseResult<ReadonlyArray<string>> = papa.parse(beginning, { preview: 1, fastMode: false })
  const isCut = beginning.length < text.length && !names.meta.truncated
  if (isCut || (names.data[0]?.length ?? 0) > columnsMax) {
    return yield* refuse(
      "TableTooLarge",
      `the table has more than ${columnsMax} columns, or very long names of them`
    )
  }
  const { data, errors, meta }: ParseResult<Record<string, unknown>> = papa.parse(text, {
    header: true,
    skipEmptyLines: "greedy",
    transformHeader: (name) => name.trim(),
    preview: linesMax,
    // To find the one out, and to go fast, it would cut all of the text into lines first.
    delimiter: names.meta.delimiter,
    fastMode: false
  })
  if (meta.truncated) {
    return yield* refuse("TableTooLarge", `the table has more than ${linesMax} lines: cut it into several`)
  }
  const columns = (meta.fields ?? []).map(columnOf)
  const faults: Array<TableFault> = errors.map(({ message, row = 0 }) => ({ row: row + 1, message }))
  const rows = data.map((line, at) => {
    const cells: Record<string, unknown> = {}
    for (const column of columns) {
      const cell = line[column.written]
      if (typeof cell !== "string" || cell === "") continue
      const value = cellOf(cell, column.kind)
      if (value === undefined) {
        faults.push({ row: at + 1, field: column.name, message: `"${cell}" is no ${column.kind}` })
      } else cells[column.name] = value
    }
    return cells
  })
  return { columns: columns.map(({ name }) => name), rows, faults } satisfies Table
})

/** `undefined` for a cell that is none of its kind. */
const cellOf = (cell: string, kind: Kind): unknown => {
  switch (kind) {
    case "text":
      return cell
    case "number":
      return Number.isFinite(Number(cell)) ? Number(cell) : undefined
    case "boolean":
      return /^(true|yes|1)$/i.test(cell) ? true : /^(false|no|0)$/i.test(cell) ? false : undefined
    case "list":
      return cell
        .split(";")
        .map((part) => part.trim())
        .filter((part) => part !== "")
    case "json":
      try {
        return JSON.parse(cell) as unknown
      } catch {
        return undefined
      }
  }
}
