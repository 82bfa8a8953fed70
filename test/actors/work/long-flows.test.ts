/** Flows that last longer than what has ended is kept: a day, where nobody says otherwise. */
import { describe, expect, test } from "bun:test"
import { z } from "zod"
import { defineTask } from "../../../api/client/index.ts"
import { testTroupe, type TroupeUnderTest } from "../../../api/testing/index.ts"

const wake = defineTask({ name: "wake", input: z.string(), run: (word) => word })

/** Day by day: what is past its time is dropped where time stops, and not on the way of a long jump. */
const days = async ({ advance }: TroupeUnderTest, count: number) => {
  for (let day = 0; day < count; day++) await advance("1 day")
}

describe("a task whose children take days", () => {
  test("runs each of them once, one after the other", async () => {
    const drip = defineTask({
      name: "drip",
      async run(_, { all, submit }) {
        const words: Array<string> = []
        for (const word of ["one", "two", "three"])
          words.push((await all([await submit(wake, word, { delay: "2 days" })]))[0])
        return words
      }
    })
    await using troupe = await testTroupe({ handlers: [wake, drip] })
    await troupe.submit(drip, null)

    await days(troupe, 7)

    expect(troupe.runs(wake)).toHaveLength(3)
    expect(troupe.runs(drip).at(-1)).toMatchObject({ output: ["one", "two", "three"] })
  })

  test("is given what those gave that ended days before the last one", async () => {
    const gather = defineTask({
      name: "gather",
      run: (_, { group }) =>
        group([
          { task: wake, input: "now" },
          { task: wake, input: "elsewhere", queue: "other" },
          { task: wake, input: "later", delay: "5 days" }
        ])
    })
    await using troupe = await testTroupe({
      handlers: [wake, gather],
      queues: { default: 4, other: 4 }
    })
    await troupe.submit(gather, null)

    await days(troupe, 6)

    expect(troupe.runs(wake)).toHaveLength(3)
    expect(troupe.runs(gather).at(-1)).toMatchObject({ output: ["now", "elsewhere", "later"] })
  })

  test("finds them when its own queue was paused for days", async () => {
    const gather = defineTask({
      name: "gather",
      queue: "slow",
      run: (_, { group }) => group([{ task: wake, input: "once", queue: "default", delay: "1 hour" }])
    })
    await using troupe = await testTroupe({ handlers: [wake, gather], queues: { default: 4, slow: 4 } })
    const task = await troupe.submit(gather, null)
    await troupe.settle()
    await troupe.queues.pause("slow")
    await days(troupe, 5)
    expect(troupe.runs(wake)).toHaveLength(1)

    await troupe.queues.resume("slow")
    await troupe.advance("1 minute")

    expect(await task.state()).toBe("succeeded")
    expect(troupe.runs(wake)).toHaveLength(1)
  })
})
