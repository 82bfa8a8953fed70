import { describe, expect, test } from "bun:test"
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { testTroupe } from "../../../api/testing/index.ts"
import { documentProcess } from "../../../handlers/document-process/index.ts"
import { documentsFolder, documentsPart } from "../../../handlers/documents-folder/index.ts"
import { textKeywords } from "../../../handlers/text-keywords/index.ts"
import { makeDocx } from "../../support/docx.ts"
import { makePdf } from "../../support/pdf.ts"

/** A system whose workers may read from the folder `in` of a folder of the test's own. */
const system = async (files: Readonly<Record<string, string | Uint8Array>>) => {
  const root = await mkdtemp(path.join(tmpdir(), "troupe-test-"))
  const folder = path.join(root, "in")
  await mkdir(folder)
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
    await writeFile(path.join(folder, name), content)
  }
  const troupe = await testTroupe({
    handlers: [documentsFolder, documentsPart, documentProcess, textKeywords],
    settings: { files: path.join(root, "files"), folders: [folder] }
  })
  return {
    ...{ troupe, folder, root },
    async [Symbol.asyncDispose]() {
      await troupe[Symbol.asyncDispose]()
      await rm(root, { recursive: true, force: true })
    }
  }
}

const numbered = (count: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, at) => [`n${at}.txt`, `Well ${at} gave ${at} litres.`])
  )

describe("a folder", () => {
  test("has each of its documents processed, and what is refused is reported with its reason", async () => {
    await using under = await system({
      "a.md": "# Wells\n\nThe pump stood still.",
      "b/c.docx": makeDocx([["Of valves."]]),
      "b/d/e.pdf": await makePdf([[["Of tanks."]]]),
      "f.html": "<html><title>Meters</title><p>Of meters.</p></html>",
      "broken.pdf": "no pdf",
      "empty.txt": " ",
      ".hidden": "Not read.",
      ".git/config": "Not read."
    })

    const task = await under.troupe.submit(documentsFolder, { path: under.folder })
    await under.troupe.idle()

    const { results, ...counts } = await task.result()
    expect(counts).toEqual({ files: 6, processed: 4, refused: 2, failed: 0 })
    expect(results.map(({ path, state }) => `${path} ${state}`)).toEqual([
      "a.md processed",
      "b/c.docx processed",
      "b/d/e.pdf processed",
      "broken.pdf refused",
      "empty.txt refused",
      "f.html processed"
    ])
    expect(results[0]).toMatchObject({ title: "Wells", pages: 1, chunks: 1 })
    expect(results[3]).toMatchObject({
      type: "DamagedDocument",
      message: expect.stringContaining("broken.pdf")
    })
    expect(results[4]).toMatchObject({ type: "EmptyDocument" })
  })

  test("has each file in one task, a few parts at a time, with one progress that only rises", async () => {
    await using under = await system(numbered(60))

    const task = await under.troupe.submit(documentsFolder, { path: under.folder })
    await under.troupe.idle()

    expect(await task.result()).toMatchObject({ files: 60, processed: 60 })
    const runs = under.troupe.runs(documentProcess)
    const submitted = new Set(runs.map(({ input }) => input.path))
    expect(submitted.size).toBe(60)
    // Each runs once to read and once after its child.
    expect(runs.length).toBe(120)
    const progress = (await under.troupe.eventsSoFar(task.id)).flatMap((event) =>
      event.type === "progress" ? [event] : []
    )
    const fractions = progress.map(({ fraction }) => fraction)
    expect(fractions.length).toBe(15)
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b))
    expect(progress.at(-1)).toMatchObject({ fraction: 1, message: "60 of 60 files" })
  }, 20_000)

  test("is read by the endings that were asked for, through links to files but not to folders", async () => {
    await using under = await system({ "a.MD": "# A", "b.txt": "B", "c/d.md": "# D" })
    await symlink(path.join(under.folder, "b.txt"), path.join(under.folder, "link.md"))
    await symlink(under.folder, path.join(under.folder, "round"))

    const task = await under.troupe.submit(documentsFolder, { path: ".", endings: [".md"] })
    await under.troupe.idle()

    const { results } = await task.result()
    expect(results.map(({ path }) => path)).toEqual(["a.MD", "c/d.md", "link.md"])
  })

  test("is processed although there is a folder in it that cannot be looked into, which is reported", async () => {
    await using under = await system({ "a.txt": "Of wells." })
    // Their paths are longer than the system takes, which keeps root out as well.
    const name = "d".repeat(250)
    const deep = `for at in $(seq 18); do mkdir ${name} && cd ${name} || exit 1; done`
    await Bun.spawn(["sh", "-c", deep], { cwd: under.folder, stderr: "ignore" }).exited
    await using _ = {
      [Symbol.asyncDispose]: async () =>
        void (await Bun.spawn(["rm", "-rf", name], { cwd: under.folder }).exited)
    }

    const task = await under.troupe.submit(documentsFolder, { path: under.folder })
    await under.troupe.idle()

    const { results, ...counts } = await task.result()
    expect(counts).toEqual({ files: 2, processed: 1, refused: 1, failed: 0 })
    expect(results).toMatchObject([
      { path: "a.txt", state: "processed" },
      {
        path: expect.stringMatching(/^d{250}\/.*…$/),
        state: "refused",
        type: "FolderUnreadable",
        message: expect.stringContaining("ENAMETOOLONG")
      }
    ])
  })

  test("gives its documents what was asked for all of them", async () => {
    const sentence = "The pump of the northern well lifts water into the tank of the town. "
    await using under = await system({ "a.txt": sentence.repeat(20) })

    const task = await under.troupe.submit(documentsFolder, {
      ...{ path: under.folder, language: "de" },
      ...{ chunking: "sentences", chunkTokens: 64, overlapTokens: 0 }
    })
    await under.troupe.idle()

    const { results } = await task.result()
    expect(results[0]).toMatchObject({ state: "processed" })
    expect((results[0] as { chunks: number }).chunks).toBeGreaterThan(4)
  })
})

describe("a folder that the operator has named by a link", () => {
  test("is read like any", async () => {
    const root = await mkdtemp(path.join(tmpdir(), "troupe-test-"))
    await mkdir(path.join(root, "real"))
    await writeFile(path.join(root, "real/a.txt"), "Of wells.")
    const link = path.join(root, "link")
    await symlink(path.join(root, "real"), link)
    await using troupe = await testTroupe({
      handlers: [documentsFolder, documentsPart, documentProcess, textKeywords],
      settings: { files: path.join(root, "files"), folders: [link] }
    })

    const task = await troupe.submit(documentsFolder, { path: link })
    await troupe.idle()

    expect(await task.result()).toMatchObject({ processed: 1 })
    await rm(root, { recursive: true, force: true })
  })
})

describe("a folder is refused", () => {
  const refusal = async (files: Readonly<Record<string, string>>, input: (folder: string) => string) => {
    await using under = await system(files)
    const task = await under.troupe.submit(documentsFolder, { path: input(under.folder) })
    await under.troupe.idle()
    return await task.result().then(
      () => "",
      (failed: { readonly error: { readonly type: string } }) => failed.error.type
    )
  }

  test("when it is not below one that may be read from", async () => {
    expect(await refusal({ "a.txt": "A" }, () => "/etc")).toBe("PathNotAllowed")
    expect(await refusal({ "a.txt": "A" }, (folder) => `${folder}/..`)).toBe("PathNotAllowed")
  })

  test("when it is not there, is a file, or has no files", async () => {
    expect(await refusal({ "a.txt": "A" }, (folder) => `${folder}/none`)).toBe("FileNotFound")
    expect(await refusal({ "a.txt": "A" }, (folder) => `${folder}/a.txt`)).toBe("PathNotAllowed")
    expect(await refusal({}, (folder) => folder)).toBe("NoFiles")
  })
})
