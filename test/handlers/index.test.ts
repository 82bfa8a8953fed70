/** The handlers that come along, as programs have them: `troupe/handlers`. */
import { expect, test } from "bun:test"
import * as path from "node:path"
import { connect } from "troupe"
import { agentChat, textKeywords } from "troupe/handlers"
import * as comeAlong from "../../handlers/index.ts"
import { isTaskDefinition } from "../../runtime/handler.ts"

const root = path.resolve(import.meta.dir, "../..")

/** What one handler makes of its work, for itself alone. */
const parts = ["agent.batch-part", "documents.part"]

test("a program submits to a handler that comes along by its definition, and has its types", async () => {
  await using troupe = await connect({ store: "memory", handlers: [textKeywords], work: true })

  const { keywords } = await troupe.ask(textKeywords, { text: "Leases are renewed by the worker." })

  expect(keywords.map(({ keyword }) => keyword)).toContain("leases")
  // @ts-expect-error: a text is wanted.
  expect(await troupe.ask(textKeywords, { text: 3 }).catch(({ _tag }) => _tag)).toBe("SubmitRefused")
})

test("a program tells an agent that comes along what its messages take", async () => {
  await using troupe = await connect({ store: "memory" })

  const told = await troupe
    .agent(agentChat, "user-7")
    .tell("configure", { instructions: "You are a librarian." })

  expect(await told.state()).toBe("queued")
})

test("every handler has its place among them, but for parts of others", async () => {
  const found: Array<string> = []
  for await (const file of new Bun.Glob("handlers/*/index.ts").scan(root)) {
    const module = (await import(path.join(root, file))) as Record<string, unknown>
    found.push(...Object.values(module).flatMap((value) => (isTaskDefinition(value) ? [value.name] : [])))
  }

  expect(
    Object.values(comeAlong)
      .map(({ name }) => name)
      .toSorted()
  ).toEqual(found.filter((name) => !parts.includes(name)).toSorted())
})
