import { describe, expect, test } from "bun:test"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { testTroupe } from "../../../api/testing/index.ts"
import { documentProcess } from "../../../handlers/document-process/index.ts"
import { textKeywords } from "../../../handlers/text-keywords/index.ts"
import { defineTask, Fatal, type TaskDefinition } from "../../../runtime/handler.ts"
import { makePdf } from "../../support/pdf.ts"

/** A system whose workers may read from a folder of the test's own. */
const system = async (handlers: ReadonlyArray<TaskDefinition>) => {
  const folder = await mkdtemp(path.join(tmpdir(), "troupe-test-"))
  const troupe = await testTroupe({
    handlers,
    settings: { files: path.join(folder, "files"), folders: [folder] }
  })
  return {
    troupe,
    folder,
    async [Symbol.asyncDispose]() {
      await troupe[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    }
  }
}

const eventsOf = async (troupe: Awaited<ReturnType<typeof testTroupe>>, id: string) => {
  const events = await troupe.eventsSoFar(id)
  return {
    pages: events.flatMap((event) =>
      event.type === "chunk" ? [(event.chunk as { page: number }).page] : []
    ),
    fractions: events.flatMap((event) => (event.type === "progress" ? [event.fraction] : []))
  }
}

describe("a PDF of 100 pages", () => {
  test("is read once, although its task runs again after its children, with one progress that only rises", async () => {
    await using under = await system([documentProcess, textKeywords])
    const pages = Array.from({ length: 100 }, (_, at) => [
      [`Chapter ${at + 1}`],
      Array.from(
        { length: 20 },
        (_, line) => `Line ${line} of page ${at + 1} tells of the pump, the valve, the meter and the tank.`
      )
    ])
    await writeFile(path.join(under.folder, "long.pdf"), await makePdf(pages, { title: "A long one" }))

    const task = await under.troupe.submit(documentProcess, { path: "long.pdf" })
    await under.troupe.idle()

    const output = await task.result()
    expect(output).toMatchObject({
      ...{ title: "A long one", pages: 100, language: "en" },
      metadata: { pageCount: 100, producer: expect.any(String), created: expect.any(String) }
    })
    expect(output.keywords).toContain("valve")
    expect(under.troupe.runs(documentProcess).length).toBe(2)
    expect(under.troupe.runs(textKeywords).length).toBe(1)
    const { fractions, pages: told } = await eventsOf(under.troupe, task.id)
    expect(told).toEqual(Array.from({ length: 100 }, (_, at) => at + 1))
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b))
    expect(fractions.at(-1)).toBe(1)
  }, 30_000)
})

describe("a task that fails after its document was read", () => {
  test("goes on from there, and does not read it again", async () => {
    let failures = 0
    // Fails the first time that its parent has it.
    const flaky = defineTask({
      name: "text.keywords",
      queue: "documents",
      retry: { attempts: 5 },
      run: () => {
        failures += 1
        if (failures < 3) throw new Error("not now")
        return { keywords: [{ keyword: "wells", score: 0.1 }] }
      }
    })
    await using under = await system([documentProcess, flaky])
    await writeFile(path.join(under.folder, "a.md"), "# Wells\n\nThe pump stood still.")

    const task = await under.troupe.submit(documentProcess, { path: "a.md" })
    await under.troupe.idle()

    expect(await task.result()).toMatchObject({ title: "Wells", keywords: ["wells"] })
    expect(failures).toBe(3)
    expect((await eventsOf(under.troupe, task.id)).pages).toEqual([1])
  })

  test("fails when a child has failed for good, and what was read stays", async () => {
    const broken = defineTask({
      name: "text.keywords",
      queue: "documents",
      retry: { attempts: 1 },
      run: () => {
        throw new Error("never")
      }
    })
    await using under = await system([documentProcess, broken])
    await writeFile(path.join(under.folder, "a.md"), "# Wells\n\nThe pump stood still.")

    const task = await under.troupe.submit(documentProcess, { path: "a.md" })
    await under.troupe.idle()

    expect(await task.result().catch((error: unknown) => error)).toMatchObject({
      message: expect.stringContaining("never")
    })
  })

  test("fails when chunks that have words are refused by the store of vectors", async () => {
    const refusing = defineTask({
      name: "vectors.upsert",
      queue: "vectors",
      run: () => {
        throw new Fatal("none of 1 items was written; the disk is full", { type: "ItemsRefused" })
      }
    })
    await using under = await system([documentProcess, textKeywords, refusing])
    await writeFile(path.join(under.folder, "a.md"), "# Wells\n\nThe pump stood still.")

    const task = await under.troupe.submit(documentProcess, { path: "a.md", index: { model: "hash" } })
    await under.troupe.idle()

    expect(await task.result().catch((error: unknown) => error)).toMatchObject({
      message: expect.stringContaining("the disk is full")
    })
  })
})
