import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { ManagedRuntime } from "effect"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { documentProcess } from "../../../handlers/document-process/index.ts"
import { embeddingsGenerate } from "../../../handlers/embeddings-generate/index.ts"
import { textKeywords } from "../../../handlers/text-keywords/index.ts"
import { vectorsDelete } from "../../../handlers/vectors-delete/index.ts"
import { vectorsSearch } from "../../../handlers/vectors-search/index.ts"
import { vectorsUpsert } from "../../../handlers/vectors-upsert/index.ts"
import { memorySystem } from "../../support/system.ts"

/** One system for all tests of this file: its database takes a second to start. */
const start = async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "troupe-test-"))
  const handlers = [
    documentProcess,
    textKeywords,
    embeddingsGenerate,
    vectorsUpsert,
    vectorsDelete,
    vectorsSearch
  ]
  const runtime = ManagedRuntime.make(
    memorySystem(handlers, { files: path.join(folder, "files"), folders: [folder], log: "Error" })
  )
  return {
    folder,
    ask: async (name: string, input: unknown) => {
      const ended = await runtime.runPromise(Dispatcher.use(({ ask }) => ask({ name, input })))
      if (ended.state !== "succeeded") throw new Error(JSON.stringify(ended))
      return ended.output as Record<string, never>
    },
    stop: async () => {
      await runtime.dispose()
      await rm(folder, { recursive: true, force: true })
    }
  }
}

let system: Awaited<ReturnType<typeof start>>
beforeAll(async () => {
  system = await start()
}, 30_000)
afterAll(() => system.stop(), 30_000)

// Without a model, so that no test loads one.
const index = { collection: "wells", model: "hash" }

const search = async (text: string, filter?: unknown) =>
  (await system.ask("vectors.search", { collection: "wells", text, top: 100, filter }))[
    "matches"
  ] as unknown as ReadonlyArray<{
    readonly id: string
    readonly metadata: unknown
  }>

const subject = (words: string) =>
  Array.from(
    { length: 30 },
    (_, at) => `Of the ${words} it is said that number ${at} of ${words} is well kept.`
  ).join(" ")
const text = ["northern pumps", "swallow nests", "copper valves"].map(subject).join("\n\n")

describe("a document that is indexed", () => {
  test("is found by its chunks' vectors, which say its document and page", async () => {
    await writeFile(path.join(system.folder, "a.txt"), text)

    const output = await system.ask("document.process", { path: "a.txt", index, chunkTokens: 100 })

    expect(output).toMatchObject({ collection: "wells", model: "hash:words-512" })
    const [best] = await search("swallow nests", { document: output["document"] })
    expect(best).toMatchObject({
      id: expect.stringMatching(new RegExp(`^${String(output["document"])}#\\d+$`)),
      metadata: { document: output["document"], page: 1 }
    })
  }, 60_000)

  test("by meaning is cut where its sentences' vectors say so", async () => {
    await writeFile(path.join(system.folder, "b.txt"), `${text} One more.`)

    const output = await system.ask("document.process", {
      ...{ path: "b.txt", index, chunking: "meaning", chunkTokens: 2_000 }
    })

    expect(output).toMatchObject({ chunks: 3 })
  }, 60_000)

  test("in more tasks than one leaves nothing behind of chunks that it does not have any more", async () => {
    const long = Array.from(
      { length: 400 },
      (_, at) => `Well ${at} has the pump ${at * 7} and the valve ${at * 13}.`
    )
    await writeFile(path.join(system.folder, "c.txt"), long.join(" "))
    const process = (chunkTokens: number) =>
      system.ask("document.process", { path: "c.txt", index, chunkTokens })

    const first = await process(40)
    expect(first["chunks"]).toBeGreaterThan(128)
    const document = first["document"]
    expect((await search("pump", { document, chunk: { gte: 100 } })).length).toBeGreaterThan(20)
    const second = await process(80)
    expect(second["chunks"]).toBeWithin(65, 128)

    expect(second["document"]).toBe(document)
    expect(await search("pump", { document, chunk: { gte: Number(second["chunks"]) } })).toEqual([])
    expect((await search("pump", { document })).length).toBe(Number(second["chunks"]))
  }, 60_000)

  test("is processed although nothing in it has a vector, and says no collection", async () => {
    await writeFile(path.join(system.folder, "d.txt"), "🎉 👩‍👩‍👧‍👦 🇩🇪 ".repeat(20))

    const output = await system.ask("document.process", { path: "d.txt", index })

    expect(output).toMatchObject({ title: expect.stringContaining("🎉"), keywords: [] })
    expect(output).not.toHaveProperty("collection")
    expect(output).not.toHaveProperty("model")
  }, 60_000)

  test("is found by the chunks that have vectors, although whole tasks of its chunks have none", async () => {
    const emoji = "🎉 👩‍👩‍👧‍👦 🇩🇪 ".repeat(250)
    await writeFile(
      path.join(system.folder, "e.txt"),
      `The pump stood still.\n\n${emoji}\n\nThe pump runs again.`
    )

    const output = await system.ask("document.process", { path: "e.txt", index, chunkTokens: 32 })

    expect(output["chunks"]).toBeGreaterThan(192)
    expect(output).toMatchObject({ collection: "wells", model: "hash:words-512" })
    expect((await search("pump", { document: output["document"] })).length).toBe(2)
  }, 60_000)
})
