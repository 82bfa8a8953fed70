/**
 * Draws what benches found: of `bench/results/<bench>.jsonl`, as `bun run bench <bench> --json` prints it, a picture
 * `bench/plots/<bench>.svg` with a group of bars for each case and metric.
 *
 *     bun bench/plot.ts            draws all of them
 *
 * A bar is the median of the rounds, the line on it goes from the least to the most. Bars of a group share a scale.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"

interface Figure {
  readonly bench: string
  readonly case: string
  readonly system: string
  readonly metric: string
  readonly median: number
  readonly min: number
  readonly max: number
  readonly unit: string
}

const folder = new URL("results/", import.meta.url).pathname
const plots = new URL("plots/", import.meta.url).pathname

const [width, left, right, barHeight, gap, groupGap] = [860, 200, 150, 18, 4, 34]

const colours = ["#2563eb", "#94a3b8", "#f59e0b", "#10b981", "#a855f7", "#ef4444", "#14b8a6", "#78716c"]

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

const shown = (value: number) =>
  value >= 100 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)))

const text = (x: number, y: number, said: string, more = "") =>
  `<text x="${x}" y="${y}" font-size="12" ${more}>${escaped(said)}</text>`

/** The bars of one case and metric, from `top` on. */
const groupOf = (figures: ReadonlyArray<Figure>, systems: ReadonlyArray<string>, top: number) => {
  const [first] = figures
  const most = Math.max(...figures.map(({ max }) => max))
  const scale = (value: number) => (most === 0 ? 0 : (value / most) * (width - left - right))
  const lines = [text(0, top, `${first!.case}: ${first!.metric}, ${first!.unit}`, 'font-weight="600"')]
  for (const [at, { max, median, min, system }] of figures.entries()) {
    const y = top + 10 + at * (barHeight + gap)
    const middle = y + barHeight / 2
    lines.push(
      text(left - 8, middle + 4, system, 'text-anchor="end"'),
      `<rect x="${left}" y="${y}" width="${scale(median).toFixed(1)}" height="${barHeight}" fill="${colours[systems.indexOf(system) % colours.length]}"/>`,
      `<line x1="${(left + scale(min)).toFixed(1)}" x2="${(left + scale(max)).toFixed(1)}" y1="${middle}" y2="${middle}" stroke="#0f172a"/>`,
      text(left + scale(max) + 8, middle + 4, shown(median))
    )
  }
  return { lines, bottom: top + 10 + figures.length * (barHeight + gap) + groupGap }
}

const draw = (figures: ReadonlyArray<Figure>): string => {
  const systems = [...new Set(figures.map(({ system }) => system))]
  const groups = Map.groupBy(figures, (one) => `${one.case}/${one.metric}`)
  const lines: Array<string> = []
  let top = 20
  for (const group of groups.values()) {
    const drawn = groupOf(group, systems, top)
    lines.push(...drawn.lines)
    top = drawn.bottom
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" font-family="system-ui, sans-serif">`,
    `<rect width="${width}" height="${top}" fill="#ffffff"/>`,
    ...lines,
    "</svg>",
    ""
  ].join("\n")
}

mkdirSync(plots, { recursive: true })
for (const name of readdirSync(folder).filter((file) => file.endsWith(".jsonl"))) {
  const figures = readFileSync(folder + name, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Figure)
    .filter(({ median }) => median !== undefined)
  writeFileSync(plots + name.replace(/\.jsonl$/, ".svg"), draw(figures))
}
