/**
 * `bun run chaos`: a campaign from the command line.
 *
 *     bun run chaos                                  20 000 tasks and 60 faults
 *     bun run chaos --seed 7                         the same again
 *     bun run chaos --seed 7 --minutes 30            as many as that time takes
 *     bun run chaos --tasks 1000000 --faults 1000 --batch 200 --minutes 40
 *     bun run chaos planted                          every planted bug is to be found
 *
 * Ends with 0 when no promise was broken; else it prints what was, the seed, the commit, and what happened when.
 */
import { parseArgs } from "node:util"
import { Bundles } from "./bundle.ts"
import { batchDefault, runCampaign } from "./campaign.ts"
import { everything, tasksPerCall } from "./calls.ts"
import type { Fsync } from "./server.ts"

/** What two cores can be asked for beside all the rest, and how close faults come. */
const tasksPerSecond = 140
const secondsPerFault = 2.4

/** How many calls come to nothing, as they should, or because memory is full. */
const refusedShare = 0.2

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string" },
    minutes: { type: "string" },
    tasks: { type: "string" },
    faults: { type: "string" },
    batch: { type: "string" },
    only: { type: "string", multiple: true },
    fsync: { type: "string", default: "always" },
    json: { type: "boolean", default: false }
  }
})

const number = (name: string, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined
  const value = Number(text)
  if (Number.isFinite(value) && value >= 0) return value
  console.error(`--${name} wants a number, not "${text}"`)
  process.exit(2)
}

const commit = () =>
  Bun.spawnSync(["git", "rev-parse", "--short", "HEAD"], { cwd: import.meta.dir })
    .stdout.toString()
    .trim()

const campaign = async () => {
  const seed = number("seed", values.seed) ?? crypto.getRandomValues(new Uint32Array(1))[0]! % 1_000_000
  const minutes = number("minutes", values.minutes)
  const tasks =
    number("tasks", values.tasks) ?? (minutes === undefined ? 20_000 : minutes * 60 * tasksPerSecond)
  const faults =
    number("faults", values.faults) ?? (minutes === undefined ? 60 : (minutes * 60) / secondsPerFault)
  const seconds =
    minutes === undefined ? Math.max(tasks / tasksPerSecond, faults * secondsPerFault) : minutes * 60
  const batch = number("batch", values.batch) ?? batchDefault
  const what = `seed ${seed}, commit ${commit()}, ${tasks} tasks, ${Math.floor(faults)} faults`
  console.log(`${what}, within ${Math.round(seconds)} s`)
  const bundles = new Bundles()
  const report = await runCampaign({
    seed,
    calls: Math.ceil((tasks / tasksPerCall(everything, batch)) * (1 + refusedShare)),
    batch,
    seconds,
    faults: Math.floor(faults),
    program: await bundles.sound(),
    fsync: values.fsync as Fsync,
    ...(values.only === undefined ? {} : { names: values.only }),
    say: (line) => console.log(line)
  })
  bundles.close()
  const { violations, ...counts } = report.verdict
  if (!report.hasShim) console.log("there is no C compiler: no power loss, no full disk, no wrong clock")
  console.log(values.json ? JSON.stringify({ seed, commit: commit(), ...counts }) : Bun.inspect(counts))
  if (violations.length === 0) {
    console.log(`no promise was broken (${what}, ${report.seconds} s)`)
    return 0
  }
  const shown = 20
  for (const [invariant, all] of Map.groupBy(violations, ({ invariant }) => invariant)) {
    for (const { what } of all.slice(0, shown)) console.log(`${invariant.padEnd(5)} ${what}`)
    if (all.length > shown) console.log(`${invariant.padEnd(5)} … and ${all.length - shown} more`)
  }
  console.log(`\n${violations.length} promises were broken: ${what}`)
  console.log(
    `again: bun run chaos --seed ${seed} --tasks ${tasks} --faults ${Math.floor(faults)} --batch ${batch}`
  )
  console.log(report.said)
  return 1
}

if (positionals.length > 0 && positionals[0] !== "planted") {
  console.error(`there is no "${positionals[0]}"; say planted, or nothing`)
  process.exit(2)
}
if (positionals[0] === "planted") {
  const { runPlanted } = await import("../planted/run.ts")
  process.exit(await runPlanted(positionals[1]))
}
process.exit(await campaign())
