/**
 * `bun run fuzz [--inputs N] [--seed S]`
 *
 * Tries so many malformed inputs, 100 000 if nobody says how many, on every route, decoder, option and setting, and on
 * the command line. Ends with 0 when each was refused, nothing was stored, and nothing hung.
 */
import { parseArgs } from "node:util"
import { fuzzCommands } from "./commands.ts"
import { fuzz } from "./fuzz.ts"

const { values } = parseArgs({
  options: { inputs: { type: "string", default: "100000" }, seed: { type: "string" } }
})
const [inputs, seed] = [Number(values.inputs), Number(values.seed ?? Date.now() % 1_000_000)]
if (!Number.isSafeInteger(inputs) || inputs < 1 || !Number.isSafeInteger(seed)) {
  console.error("bun run fuzz: --inputs and --seed are whole numbers, --inputs at least 1")
  process.exit(2)
}

/** How many of all inputs are command lines: each of them is a whole program. */
const commandsShare = 0.02

const began = performance.now()
const commands = await fuzzCommands(Math.ceil(inputs * commandsShare), seed)
const { failures, targets, ...tried } = await fuzz(inputs, seed, (name, runs) => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${name} × ${runs}`)
})
if (process.stderr.isTTY) process.stderr.write("\r\x1b[K")
for (const failure of [...commands.failures, ...failures]) console.log(failure)
const wrong = commands.failures.length + failures.length
console.log(
  `${tried.inputs + commands.inputs} malformed inputs to ${targets + 1} targets in ${((performance.now() - began) / 1_000).toFixed(1)} s: ` +
    (wrong === 0
      ? "all of them were refused, and nothing was stored"
      : `${wrong} targets failed (seed ${seed})`)
)
process.exit(wrong === 0 ? 0 : 1)
