/**
 * Lists for people and for scripts: a table with a header on a terminal, else a line of tab-separated fields per item,
 * and with `--json` a line of JSON per item.
 */
import { Effect } from "effect"
import * as Output from "./output.ts"

/** A column: its header, and what it shows of an item. */
export type Column<Item> = readonly [header: string, show: (item: Item) => string | number | undefined]

const rule = (cells: ReadonlyArray<string>, widths: ReadonlyArray<number>) =>
  cells
    .map((cell, at) => (at === cells.length - 1 ? cell : cell.padEnd(widths[at]!)))
    .join("  ")
    .trimEnd()

/** The lines of a table. What others wrote cannot move a terminal's cursor, or begin another field. */
export const lines = <Item>(
  items: ReadonlyArray<Item>,
  columns: ReadonlyArray<Column<Item>>,
  terminal: boolean
): ReadonlyArray<string> => {
  const rows = items.map((item) => columns.map(([, show]) => Output.tame(String(show(item) ?? ""))))
  if (!terminal) return rows.map((cells) => cells.join("\t"))
  if (rows.length === 0) return []
  const headers = columns.map(([header]) => header)
  const widths = headers.map((header, at) =>
    Math.max(header.length, ...rows.map((cells) => cells[at]!.length))
  )
  return [headers, ...rows].map((cells) => rule(cells, widths))
}

/** Prints a list as its reader wants it. */
export const printList = <Item>(
  items: ReadonlyArray<Item>,
  options: {
    readonly json: boolean
    readonly toJson: (item: Item) => unknown
    readonly columns: ReadonlyArray<Column<Item>>
  }
) => {
  const printed = options.json
    ? items.map((item) => JSON.stringify(options.toJson(item)))
    : lines(items, options.columns, Output.stdoutIsTerminal)
  return printed.length === 0 ? Effect.void : Output.write(`${printed.join("\n")}\n`)
}
