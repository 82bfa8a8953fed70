/** Malformed input is refused wherever it comes in; `bun run fuzz` tries far more of it. */
import { expect, test } from "bun:test"
import { fuzzCommands } from "./commands.ts"
import { fuzz } from "./fuzz.ts"

/** The same every time: a test that fails has to fail again. `bun run fuzz` takes others. */
const seed = 20_300_101

test("no malformed request, frame, envelope, id, option or setting is a fault of ours, hangs, or is stored", async () => {
  const { failures, inputs } = await fuzz(2_000, seed)
  expect(failures).toEqual([])
  expect(inputs).toBeGreaterThanOrEqual(2_000)
}, 60_000)

test("no malformed command line ends as a fault of ours, or hangs", async () => {
  expect((await fuzzCommands(60, seed)).failures).toEqual([])
}, 60_000)
