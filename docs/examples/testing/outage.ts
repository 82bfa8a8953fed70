/** A night without the bank: a task is tried again with growing delays until the other side is back. */
import { expect, test } from "bun:test"
import { defineTask } from "troupe"
import { testTroupe } from "troupe/testing"
import { z } from "zod"

const bank = { isUp: true }

const importStatements = defineTask({
  name: "bank.import",
  input: z.object({ account: z.string() }),
  retry: { attempts: 8, backoff: { base: "15 minutes", factor: 2, cap: "12 hours", jitter: false } },
  run({ account }) {
    if (!bank.isUp) throw new Error("the bank does not answer")
    return { account, statements: 3 }
  }
})

test("an import survives a night without the bank", async () => {
  await using troupe = await testTroupe({ handlers: [importStatements], now: "2030-03-01T20:00:00Z" })
  bank.isUp = false

  const task = await troupe.submit(importStatements, { account: "NL91" })
  await troupe.advance("10 hours")
  expect(await task.state()).toBe("retrying")

  bank.isUp = true
  await troupe.advance("10 hours")
  expect(await task.result()).toEqual({ account: "NL91", statements: 3 })

  const hours = troupe
    .runs(importStatements)
    .map(({ startedAt }) => new Date(startedAt).toISOString().slice(11, 16))
  expect(hours).toEqual(["20:00", "20:15", "20:45", "21:45", "23:45", "03:45", "11:45"])
})

test("an import that never works becomes a dead letter", async () => {
  await using troupe = await testTroupe({ handlers: [importStatements] })
  bank.isUp = false

  await troupe.submit(importStatements, { account: "NL91" })
  await troupe.idle()

  const { dead } = await troupe.dead.list()
  expect(dead).toMatchObject([{ name: "bank.import", error: { message: "the bank does not answer" } }])
  expect(troupe.runs(importStatements)).toHaveLength(8)
})
