/**
 * Reads the text format of Prometheus as strictly as its own tools do, and refuses what they complain of: a sample before
 * its type, a family in two places, a series twice, names and units against the conventions, buckets that do not add up.
 */

export interface Sample {
  /** With its suffix, as `…_bucket`. */
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface ReadFamily {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: ReadonlyArray<Sample>
}

const labelsPattern = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/

const readLabels = (text: string): Record<string, string> => {
  const labels: Record<string, string> = {}
  for (let rest = text; rest !== "";) {
    const [all, name, value] = labelsPattern.exec(rest) ?? []
    if (all === undefined) throw new Error(`no labels: ${text}`)
    if (name! in labels) throw new Error(`the label ${name} is there twice: ${text}`)
    if (name!.startsWith("__")) throw new Error(`the label ${name} is reserved`)
    labels[name!] = value!.replaceAll(/\\(["\\n])/g, (_, letter) => (letter === "n" ? "\n" : letter))
    rest = rest.slice(all.length)
  }
  return labels
}

const readValue = (text: string): number => {
  if (text === "+Inf") return Infinity
  if (!/^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$|^NaN$/i.test(text)) throw new Error(`no number: ${text}`)
  return Number(text)
}

const samplePattern = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/

const readSample = (line: string): Sample => {
  const [all, name, labels = "", value] = samplePattern.exec(line) ?? []
  if (all === undefined) throw new Error(`no sample: ${line}`)
  return { name: name!, labels: readLabels(labels), value: readValue(value!) }
}

const suffixes: Readonly<Record<string, ReadonlyArray<string>>> = {
  counter: [""],
  gauge: [""],
  histogram: ["_bucket", "_sum", "_count"]
}

const sortedEntries = (labels: Readonly<Record<string, string>>) =>
  Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1))

/** Everything but the bound, as one text. */
const seriesKey = ({ labels }: Sample) => {
  const { le: _, ...rest } = labels
  return JSON.stringify(sortedEntries(rest))
}

const checkHistogram = ({ name, samples }: ReadFamily) => {
  for (const [key, some] of Map.groupBy(samples, seriesKey)) {
    const buckets = some.filter((sample) => sample.name.endsWith("_bucket"))
    const bounds = buckets.map(({ labels }) => readValue(labels["le"] ?? ""))
    const counts = buckets.map(({ value }) => value)
    const count = some.find((sample) => sample.name.endsWith("_count"))?.value
    const complain = (what: string) => {
      throw new Error(`${name}${key}: ${what}`)
    }
    if (some.filter((sample) => sample.name.endsWith("_sum")).length !== 1) complain("no sum")
    if (bounds.at(-1) !== Infinity || counts.at(-1) !== count) complain("its last bucket is not its count")
    if (bounds.some((bound, at) => at > 0 && bound <= bounds[at - 1]!)) complain("bounds do not grow")
    if (counts.some((value, at) => at > 0 && value < counts[at - 1]!)) complain("buckets are not cumulated")
  }
}

const units = /_(seconds|bytes|total|info|up|keys|fds)(_total)?$/

const checkConventions = ({ help, name, type }: ReadFamily) => {
  if (help === "" || !/[.?]$/.test(help)) throw new Error(`${name} has no help that is a sentence`)
  if ((type === "counter") !== name.endsWith("_total")) throw new Error(`${name} is a ${type}`)
  if (/_(ms|millis|milliseconds|minutes|kb|mb|percent)(_|$)/.test(name))
    throw new Error(`${name}: no base unit`)
  if (type === "histogram" && !units.test(name)) throw new Error(`${name} has no unit`)
}

/** The families of an exposition. Throws an error that says what is wrong with it. */
export const readExposition = (text: string): ReadonlyMap<string, ReadFamily> => {
  if (!text.endsWith("\n")) throw new Error("the last line has no end")
  const families = new Map<string, { name: string; type: string; help: string; samples: Array<Sample> }>()
  const seen = new Set<string>()
  let current = { name: "", type: "", help: "", samples: [] as Array<Sample> }
  for (const line of text.slice(0, -1).split("\n")) {
    const [, keyword, name, rest = ""] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? []
    if (keyword === "HELP") {
      if (families.has(name!)) throw new Error(`${name} is there twice`)
      current = { name: name!, type: "", help: rest, samples: [] }
      families.set(name!, current)
    } else if (keyword === "TYPE") {
      if (current.name !== name || current.type !== "") throw new Error(`${name} has its type elsewhere`)
      if (!(rest in suffixes)) throw new Error(`${name}: no type ${rest}`)
      current.type = rest
    } else {
      const sample = readSample(line)
      const family = current
      if (!suffixes[family.type]?.some((suffix) => sample.name === family.name + suffix))
        throw new Error(`not in its family: ${line}`)
      const key = `${sample.name}${JSON.stringify(sortedEntries(sample.labels))}`
      if (seen.has(key)) throw new Error(`there twice: ${line}`)
      seen.add(key)
      family.samples.push(sample)
    }
  }
  for (const family of families.values()) {
    if (family.samples.length === 0) throw new Error(`${family.name} has no sample`)
    checkConventions(family)
    if (family.type === "histogram") checkHistogram(family)
  }
  return families
}

/** The one value of a series; `undefined` when it is not there. */
export const valueOf = (
  families: ReadonlyMap<string, ReadFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {}
): number | undefined => {
  const family = [name, name.replace(/_(count|sum|bucket)$/, "")]
    .map((one) => families.get(one))
    .find(Boolean)
  return family?.samples.find(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
  )?.value
}
