/** How `npm test` spreads its files over processes, and what it notes of them. */
import { describe, expect, test } from "bun:test"
import { testRuns, worthNoting } from "../../scripts/test-runs.ts"

const many = Array.from({ length: 200 }, (_, at) => `test/a/${String(at).padStart(3, "0")}.test.ts`)

describe("test files are spread so that", () => {
  test("each is run once, whatever is noted of files that are gone", () => {
    const files = [...many.toReversed(), "test/b/long.test.ts"]

    const runs = testRuns(files, { "test/b/long.test.ts": 60, "test/gone.test.ts": 90 }, 3)

    expect(runs.flat().toSorted()).toEqual(files.toSorted())
  })

  test("long ones start first, the longest before the others, each by itself", () => {
    const noted = { [many[9]!]: 30, [many[70]!]: 100, [many[150]!]: 60 }

    const runs = testRuns(many, noted, 3)

    expect(runs.slice(0, 3)).toEqual([[many[70]!], [many[150]!], [many[9]!]])
    expect(runs[3]!.length).toBeGreaterThan(1)
  })

  test("neighbours stay together, in runs that become smaller, and none that is not worth its start", () => {
    const runs = testRuns(many, {}, 3)

    expect(runs.flat()).toEqual(many)
    const sizes = runs.map((run) => run.length)
    expect(sizes).toEqual(sizes.toSorted((one, other) => other - one))
    expect(sizes[0]).toBeLessThan(many.length / 3)
    expect(sizes.at(-2)).toBeGreaterThan(10)
  })

  test("the lanes end at about the same time, though one that was noted as short is long", () => {
    const lanes = [0, 0, 0]
    for (const run of testRuns(many, {}, lanes.length)) {
      const seconds = run.reduce((sum, file) => sum + (file === many[3] ? 20 : 0.7), 0)
      lanes.sort((one, other) => one - other)
      lanes[0]! += seconds
    }

    expect(Math.max(...lanes) - Math.min(...lanes)).toBeLessThan(15)
  })
})

test("what is noted are the files of all reports that take seconds, in the order of their paths", () => {
  const report = (file: string, seconds: number) =>
    [
      `<testsuites name="bun test" tests="2" time="99.1">`,
      `  <testsuite name="${file}" file="${file}" tests="2" skipped="0" time="${seconds}" hostname="vm">`,
      `    <testsuite name="a part" file="${file}" line="5" tests="1" time="50.2" hostname="vm">`
    ].join("\n")

  const noted = worthNoting([
    report("test/b.test.ts", 12.6),
    report("test/quick.test.ts", 0.4),
    "",
    report("test/a.test.ts", 7.1)
  ])

  expect(Object.entries(noted)).toEqual([
    ["test/a.test.ts", 7],
    ["test/b.test.ts", 13]
  ])
})
