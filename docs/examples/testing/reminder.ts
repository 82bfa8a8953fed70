/** A reminder a day after a cart was left, unless somebody comes back in time. */
import { expect, test } from "bun:test"
import { defineTask } from "troupe"
import { testTroupe } from "troupe/testing"
import { z } from "zod"

const sent: Array<string> = []

const remind = defineTask({
  name: "cart.remind",
  input: z.object({ to: z.string() }),
  async run({ to }) {
    sent.push(to)
  }
})

test("a reminder is sent a day later, and not before", async () => {
  await using troupe = await testTroupe({ handlers: [remind] })
  sent.length = 0

  const task = await troupe.submit(remind, { to: "ada" }, { delay: "1 day" })
  await troupe.advance("23 hours")
  expect(await task.state()).toBe("scheduled")
  expect(sent).toEqual([])

  await troupe.advance("1 hour")
  expect(await task.state()).toBe("succeeded")
  expect(sent).toEqual(["ada"])
})

test("nobody is reminded who came back in time", async () => {
  await using troupe = await testTroupe({ handlers: [remind] })
  sent.length = 0

  const task = await troupe.submit(remind, { to: "grace" }, { delay: "1 day" })
  await troupe.advance("12 hours")
  await task.cancel({ reason: "the cart was paid" })
  await troupe.advance("30 days")

  expect(sent).toEqual([])
  expect(troupe.runs(remind)).toEqual([])
})
