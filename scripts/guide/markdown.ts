/**
 * Reads the small Markdown that the guide is written in.
 *
 * A chapter is one file: its title (`#`), then sections (`##`), paragraphs of one line, lists, numbered lists, tables
 * and code between fences. In a text only `code` is marked. Anything else is an error, so that nothing is set as it
 * was not meant.
 */

/** A run of letters in one type. */
export interface Run {
  readonly text: string
  readonly code: boolean
}

export type Block =
  | { readonly kind: "section"; readonly title: string }
  | { readonly kind: "paragraph"; readonly runs: ReadonlyArray<Run> }
  | {
      readonly kind: "list"
      readonly items: ReadonlyArray<{ readonly mark: string; readonly runs: ReadonlyArray<Run> }>
    }
  | { readonly kind: "code"; readonly lines: ReadonlyArray<string> }
  | { readonly kind: "table"; readonly rows: ReadonlyArray<ReadonlyArray<ReadonlyArray<Run>>> }

export interface Chapter {
  readonly title: string
  readonly blocks: ReadonlyArray<Block>
}

/** Throws on what the guide does not use. */
export const readChapter = (text: string): Chapter => {
  const [heading = "", ...rest] = text.split("\n")
  if (!heading.startsWith("# ")) throw new Error(`a chapter begins with its title, not with "${heading}"`)
  return { title: heading.slice(2), blocks: blocksOf(rest) }
}

const blocksOf = (lines: ReadonlyArray<string>): Array<Block> => {
  const blocks: Array<Block> = []
  let at = 0
  /** The lines from here on that fit, which are then behind us. */
  const take = (fits: (line: string) => boolean) => {
    const from = at
    while (at < lines.length && fits(lines[at]!)) at += 1
    return lines.slice(from, at)
  }
  while (at < lines.length) {
    const line = lines[at]!
    if (line === "") at += 1
    else if (line.startsWith("## ")) blocks.push({ kind: "section", title: lines[at++]!.slice(3) })
    else if (line === "```") {
      at += 1
      blocks.push({ kind: "code", lines: take((each) => each !== "```") })
      at += 1
    } else if (line.startsWith("|")) {
      const [head, , ...body] = take((each) => each.startsWith("|"))
      blocks.push({ kind: "table", rows: [head!, ...body].map(cellsOf) })
    } else if (item.test(line))
      blocks.push({ kind: "list", items: take((each) => item.test(each)).map(itemOf) })
    else if (/^[#>~*]/.test(line)) throw new Error(`the guide does not use "${line}"`)
    else blocks.push({ kind: "paragraph", runs: runsOf(take((each) => each !== "")[0]!) })
  }
  return blocks
}

const item = /^(-|\d+\.) /

const itemOf = (line: string) => {
  const [, mark = ""] = item.exec(line) ?? []
  return { mark: mark === "-" ? "•" : mark, runs: runsOf(line.slice(mark.length + 1)) }
}

const cellsOf = (row: string) =>
  row
    .split("|")
    .slice(1, -1)
    .map((cell) => runsOf(cell.trim()))

const runsOf = (text: string): Array<Run> =>
  text
    .split("`")
    .map((part, at) => ({ text: part, code: at % 2 === 1 }))
    .filter((run) => run.text !== "")
