/** Queries of Prometheus, read by its own grammar: what they ask for, and whether they can be read at all. */
import { parser } from "@prometheus-io/lezer-promql"

export interface Asked {
  /** As it is written, with the suffix of a histogram's part. */
  readonly metric: string
  /** Of its selector. */
  readonly labels: ReadonlyArray<string>
}

export interface ReadQuery {
  readonly asked: ReadonlyArray<Asked>
  /** What it groups by, and joins on. */
  readonly grouped: ReadonlyArray<string>
}

/** Throws an error that says where it cannot be read. */
export const readQuery = (query: string): ReadQuery => {
  const asked: Array<{ metric: string; labels: Array<string> }> = []
  const grouped: Array<string> = []
  parser.parse(query).iterate({
    enter: (node) => {
      const text = query.slice(node.from, node.to)
      if (node.type.isError) throw new Error(`cannot be read at ${node.from}: ${query}`)
      switch (node.name) {
        case "VectorSelector": {
          const name = node.node.getChild("Identifier")
          asked.push({ metric: name === null ? "" : query.slice(name.from, name.to), labels: [] })
          return
        }
        case "LabelName":
          if (node.node.parent?.name === "GroupingLabels") grouped.push(text)
          else asked.at(-1)?.labels.push(text)
      }
    }
  })
  return { asked, grouped }
}
