/** What is to be done with each row of a table of agents: decided over plain values. */
import type { Fault } from "../../runtime/handler.ts"
import type { TableFault } from "../table/table.ts"

type Cells = Readonly<Record<string, unknown>>

/** An agent that a row asks for: its key, and what its first message says. */
export interface Wanted {
  /** From 1. */
  readonly row: number
  readonly key: string
  readonly input: Cells
}

/** The agents that a table asks for, and the faults of rows that ask for none, or for the same as another. */
export const wantedBy = (
  rows: ReadonlyArray<Cells>
): { readonly wanted: ReadonlyArray<Wanted>; readonly faults: ReadonlyArray<TableFault> } => {
  const wanted: Array<Wanted> = []
  const faults: Array<TableFault> = []
  const first = new Map<string, number>()
  for (const [at, { key, ...cells }] of rows.entries()) {
    const row = at + 1
    if (typeof key !== "string" || key === "") {
      faults.push({ row, field: "key", message: "the key of the agent, a text, is missing" })
      continue
    }
    const earlier = first.get(key)
    if (earlier !== undefined) {
      faults.push({ row, field: "key", message: `row ${earlier} has the key "${key}", too` })
      continue
    }
    first.set(key, row)
    wanted.push({ row, key, input: nested(cells) })
  }
  return { wanted, faults }
}

/** Columns whose names have dots are fields of an object: `budget.inputTokens` is `{ budget: { inputTokens } }`. */
const nested = (cells: Cells): Cells => {
  const input: Record<string, unknown> = {}
  for (const [name, cell] of Object.entries(cells)) {
    const path = name.split(".")
    const last = path.pop()!
    let at = input
    for (const part of path) {
      const inner = Object.hasOwn(at, part) ? at[part] : undefined
      const next = typeof inner === "object" && inner !== null ? (inner as Record<string, unknown>) : {}
      define(at, part, next)
      at = next
    }
    define(at, last, cell)
  }
  return input
}

/** As an own property whatever its name, `__proto__` among them. */
const define = (object: object, name: string, value: unknown) =>
  Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true })

/** What a submit of a row's message would be refused for, as faults of the row. */
export const faultsOf = (row: number, faults: ReadonlyArray<Fault>): ReadonlyArray<TableFault> =>
  faults.map(({ message, path }) => {
    // A message's task is `{ message, input }`, and a task's faults name its own input.
    const field = path
      .replace(/^\/input\/input(?=\/|$)/, "")
      .replace(/^\//, "")
      .replaceAll("/", ".")
    return { row, ...(field === "" ? {} : { field }), message }
  })

/** Faults as one text, as many as fit. */
export const faultsText = (faults: ReadonlyArray<TableFault>, charactersMax: number): string => {
  const lines = faults.map(
    ({ field, message, row }) => `row ${row}${field === undefined ? "" : `, ${field}`}: ${message}`
  )
  let text = ""
  for (const [at, line] of lines.entries()) {
    const next = text === "" ? line : `${text}; ${line}`
    const more = lines.length - at - 1
    if (next.length > charactersMax) return `${text}; and ${more + 1} more`
    text = next
  }
  return text
}
