/**
 * `bun run simulate [--seeds N --from S | --seed S] [--mode safety|liveness] [--jobs N] [--trace]`
 *
 * Runs the simulations of many seeds, and stops at the first that breaks a promise: it prints the seed, the commit, what
 * is broken, what of its plan it takes, and the trace. Without a mode odd seeds look for safety, and even ones for
 * liveness. Ends with 0 when nothing was broken.
 */
import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"
import { chanceOf } from "../support/chance.ts"
import { type Mode, planOf } from "./plan.ts"
import { shrink } from "./shrink.ts"
import { type Outcome, simulate } from "./simulation.ts"

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    mode: { type: "string" },
    jobs: { type: "string" },
    trace: { type: "boolean", default: false }
  }
})

const refuse = (why: string): never => {
  console.error(`bun run simulate: ${why}`)
  process.exit(2)
}

const whole = (name: string, text: string, least: number) => {
  const number = Number(text)
  return Number.isSafeInteger(number) && number >= least
    ? number
    : refuse(`--${name} is "${text}", and is to be a whole number from ${least} on`)
}

const modes: ReadonlyArray<string> = ["safety", "liveness"] satisfies ReadonlyArray<Mode>
const mode =
  values.mode === undefined || modes.includes(values.mode)
    ? (values.mode as Mode | undefined)
    : refuse(`--mode is "${values.mode}", and is to be one of ${modes.join(", ")}`)
const from = whole("from", values.seed ?? values.from, 0)
const count = values.seed === undefined ? whole("seeds", values.seeds, 1) : 1
const jobs = Math.min(
  count,
  values.jobs === undefined ? availableParallelism() : whole("jobs", values.jobs, 1)
)

const planFor = (seed: number) =>
  planOf(chanceOf(seed), seed, mode ?? (seed % 2 === 1 ? "safety" : "liveness"))

const commit = () => Bun.spawnSync(["git", "rev-parse", "HEAD"]).stdout.toString().trim()

/** How many lines of a trace are printed; the last ones say most. */
const traceMax = 400

const report = (found: Outcome) => {
  const smallest = shrink(found, {})
  const { plan, trace, violations } = simulate(smallest.plan, { traces: true })
  const { blows, clients, seed, weather, wishes, workers } = plan
  console.log(
    [
      ...trace.slice(-traceMax),
      "",
      `seed ${seed} (${plan.mode}) at commit ${commit()} breaks:`,
      ...found.violations.map(({ invariant, what }) => `  ${invariant}  ${what}`),
      "The trace above is of less, which breaks:",
      ...violations.map(({ invariant, what }) => `  ${invariant}  ${what}`),
      `with ${workers} workers, ${clients} clients, and`,
      `  weather ${JSON.stringify(weather)}`,
      ...blows.map((blow) => `  blow ${JSON.stringify(blow)}`),
      ...wishes.flatMap((all) => all.map((wish) => `  wish ${JSON.stringify(wish)}`)),
      `See it again with: bun run simulate --seed ${seed} --mode ${plan.mode}`
    ].join("\n")
  )
}

/** Simulates one share of the seeds in this process. */
const share = () => {
  let [steps, simulatedMs, acknowledged] = [0, 0, 0]
  let hash = ""
  for (let seed = from; seed < from + count; seed++) {
    const outcome = simulate(planFor(seed), { traces: values.trace })
    if (outcome.violations.length > 0) {
      report(outcome)
      process.exit(1)
    }
    if (values.trace) console.log(outcome.trace.join("\n"))
    steps += outcome.steps
    simulatedMs += outcome.simulatedMs
    acknowledged += outcome.history.filter(
      ({ op, ...event }) => op === "submit" && "phase" in event && event.phase === "ok"
    ).length
    hash = outcome.hash
  }
  console.log(
    JSON.stringify({ seeds: count, steps, simulatedMs: Math.round(simulatedMs), acknowledged, hash })
  )
}

interface Said {
  readonly seeds: number
  readonly steps: number
  readonly simulatedMs: number
  readonly acknowledged: number
}

/** Shares the seeds among processes. */
const all = async () => {
  const began = performance.now()
  const size = Math.ceil(count / jobs)
  const children = Array.from({ length: jobs }, (_, at) => {
    const seeds = Math.min(size, count - at * size)
    return Bun.spawn(
      [
        process.execPath,
        import.meta.path,
        ...["--jobs", "1", "--from", String(from + at * size), "--seeds", String(seeds)],
        ...(mode === undefined ? [] : ["--mode", mode])
      ],
      { stdout: "pipe", stderr: "inherit" }
    )
  })
  const shares = await Promise.all(
    children.map(async (child) => {
      const text = await new Response(child.stdout).text()
      if ((await child.exited) !== 0) {
        console.log(text)
        for (const other of children) other.kill()
        process.exit(1)
      }
      return JSON.parse(text.trim().split("\n").at(-1)!) as Said
    })
  )
  const sum = (of: (said: Said) => number) => shares.reduce((sum, said) => sum + of(said), 0)
  console.log(
    `${count} seeds from ${from} on, ${sum(({ acknowledged }) => acknowledged)} acknowledged submits, ` +
      `${sum(({ steps }) => steps)} steps, ${Math.round(sum(({ simulatedMs }) => simulatedMs) / 60_000)} simulated minutes ` +
      `in ${((performance.now() - began) / 1_000).toFixed(1)} s: no promise was broken`
  )
}

if (jobs === 1) share()
else await all()
