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

/** `elsewhere` are names that it shares with modules whose pages tell of them. */
export const pageOf = (
  module: string,
  here: ReadonlyArray<Exported>,
  elsewhere: ReadonlyArray<readonly [name: string, module: string]>
): string => {
  const sections = (["value", "class", "type"] as const).flatMap((kind) => {
    const some = sorted(here.filter((one) => one.kind === kind))
    return some.length === 0 ? [] : [`## ${headings[kind]}`, ...some.map(entryOf)]
  })
  const shared = Map.groupBy(elsewhere, ([, where]) => where)
  return `${[
    `# ${module}`,
    `\`import { … } from "${module}"\`. Made from the comments in the sources by \`bun run reference\`; [library.md](../library.md) tells how they go together.`,
    ...sections,
    ...[...shared].flatMap(([where, names]) => [
      `## As in ${where}`,
      `[${where}](${where.replaceAll("/", "-")}.md) tells of them: ${[...new Set(names.map(([name]) => name))]
        .sort()
        .map((name) => `\`${name}\``)
        .join(", ")}.`
    ])
  ].join("\n\n")}\n`
}
