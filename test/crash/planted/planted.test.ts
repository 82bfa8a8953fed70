/**
 * A sample of the planted bugs, each found by a campaign of real processes; the same campaign without a bug breaks nothing.
 * All of them are found by `bun run chaos planted`.
 */
import { afterAll, expect, test } from "bun:test"
import { atMost } from "../scene.ts"
import { plants, runSmall } from "./run.ts"

const testMaxMs = 170_000

const sample = ["an event of a run that is over is accepted", "the result of a cancelled task counts"]

/** Each of them keeps several processes busy. */
const inTurn = atMost(1)

const small = await runSmall()
afterAll(() => small.close())

for (const bug of sample) {
  test.concurrent(
    `finds that ${bug}`,
    () =>
      inTurn(async () => {
        const plant = plants.find((one) => one.bug === bug)!
        expect(await small.hunt(plant)).toMatchObject({ found: true })
      }),
    testMaxMs
  )
}

test.concurrent(
  "finds nothing where nothing is planted, whatever happens to the processes",
  () =>
    inTurn(async () => {
      const { violations } = await small.verdictOn({
        changes: [],
        campaign: { faults: 6, seconds: 8, calls: 200, schedules: true, patienceMs: 60_000 }
      })
      expect(violations).toEqual([])
    }),
  testMaxMs
)

test("there are at least twenty bugs to be found, each with a name of its own", () => {
  expect(plants.length).toBeGreaterThanOrEqual(20)
  expect(new Set(plants.map(({ bug }) => bug)).size).toBe(plants.length)
})

test("each line in which a bug is planted is there", async () => {
  const missing = await Promise.all(
    plants.flatMap(({ changes }) =>
      changes.map(async ({ file, line }) =>
        (await Bun.file(`${import.meta.dir}/../../../${file}`).text()).includes(line)
          ? []
          : [`${file}: ${line}`]
      )
    )
  )
  expect(missing.flat()).toEqual([])
})
