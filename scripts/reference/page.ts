/** A page of the reference: what a module exports, as Markdown. */
import type { Exported } from "./exports.ts"

const headings = { value: "Functions and values", class: "Classes", type: "Types" } as const

const entryOf = ({ comment, file, name, text }: Exported): string =>
  [`### ${name}`, comment, `\`\`\`ts\n${text.replaceAll(/\bFx\./g, "")}\n\`\`\``, `<sub>${file}</sub>`].join(
    "\n\n"
  )

/** Each name once, in alphabetical order. */
const sorted = (all: ReadonlyArray<Exported>) => {
  const seen = new Set<string>()
  return all
    .toSorted((one, other) => (one.name.toLowerCase() < other.name.toLowerCase() ? -1 : 1))
    .filter(({ kind, name, text }) => {
      const key = `${kind} ${name} ${text}`
      return !seen.has(key) && seen.add(key)
    })
}

/** What a page tells of. */
export interface Told {
  /** What the module exports. */
  readonly here: ReadonlyArray<Exported>
  /** What that is made of, which no module exports. */
  readonly named: ReadonlyArray<Exported>
  /** Names that it shares with modules whose pages tell of them. */
  readonly elsewhere: ReadonlyArray<readonly [name: string, module: string]>
}

export const pageOf = (module: string, { elsewhere, here, named }: Told): string => {
  const sections = (["value", "class", "type"] as const).flatMap((kind) => {
    const some = sorted(here.filter((one) => one.kind === kind))
    return some.length === 0 ? [] : [`## ${headings[kind]}`, ...some.map(entryOf)]
  })
  const shared = Map.groupBy(elsewhere, ([, where]) => where)
  return `${[
    `# ${module}`,
    `\`import { … } from "${module}"\`. Made from the comments in the sources by \`bun run reference\`; [library.md](../library.md) tells how they go together.`,
    ...sections,
    ...(named.length === 0
      ? []
      : [
          "## What these name",
          "It is not exported: it is what the above takes, gives or is made of.",
          ...sorted(named).map(entryOf)
        ]),
    ...[...shared].flatMap(([where, names]) => [
      `## As in ${where}`,
      `[${where}](${where.replaceAll("/", "-")}.md) tells of them: ${[...new Set(names.map(([name]) => name))]
        .sort()
        .map((name) => `\`${name}\``)
        .join(", ")}.`
    ])
  ].join("\n\n")}\n`
}
