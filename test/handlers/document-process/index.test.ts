import { describe, expect } from "bun:test"
import { Deferred, Effect, Fiber, Result } from "effect"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { documentProcess } from "../../../handlers/document-process/index.ts"
import { AttemptOver, EventRefused } from "../../../runtime/handler.ts"
import { it } from "../../support/effect.ts"
import { settings, temporaryFolder } from "../../support/folder.ts"
import { localServer, onLoopback } from "../../support/network.ts"
import { textKeywords } from "../../../handlers/text-keywords/index.ts"
import { makePdf } from "../../support/pdf.ts"
import { recordingTask, runHandler } from "../../support/recording.ts"

const docs = path.resolve(import.meta.dir, "../../../docs")

/** What the handler makes of a file of this name and content. */
const processed = (
  name: string,
  content: string | Uint8Array,
  task = recordingTask().task,
  options: { readonly title?: string } = {}
) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const files = yield* temporaryFolder
    yield* Effect.promise(() => fs.writeFile(path.join(folder, name), content))
    const output = yield* Effect.provide(
      runHandler(documentProcess, { path: name, ...options }, task, [textKeywords]),
      settings({ files, folders: [folder] })
    )
    return { output, files }
  })

const storedIn = (files: string) =>
  Effect.promise(async () => {
    const folder = path.join(files, "objects", "documents")
    const names = await fs.readdir(folder).catch(() => [])
    return Promise.all(names.map((name) => fs.readFile(path.join(folder, name), "utf8")))
  })

describe("processing the guide", () => {
  it.live("gives its title, pages, chunks and keywords, and tells of each page", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      const { recording, task } = recordingTask()

      const output = yield* Effect.provide(
        runHandler(documentProcess, { path: "guide.pdf" }, task, [textKeywords]),
        settings({ files, folders: [docs] })
      )

      expect(output).toMatchObject({ title: "The Troupe guide", type: "application/pdf", language: "en" })
      expect(output.pages).toBeGreaterThanOrEqual(12)
      expect(output.chunks).toBeGreaterThan(output.pages)
      expect(output.keywords).toContain("worker")
      expect(recording.chunks.length).toBe(output.pages)
      expect(recording.chunks[3]).toEqual({ page: 4, characters: expect.any(Number) })
      expect(recording.logs[3]!.message).toMatch(/^page 4: \d+ characters$/)
      const fractions = recording.progress.map(({ fraction }) => fraction)
      expect(fractions).toEqual(fractions.toSorted((a, b) => a - b))
      expect(recording.progress[3]!.message).toBe(`page 4 of ${output.pages}`)
      expect(fractions.at(-1)).toBe(1)
      const [stored] = yield* storedIn(files)
      expect(JSON.parse(stored!)).toMatchObject({ id: output.document, title: "The Troupe guide" })
    })
  )

  it.live("again writes the same document to the same place", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      const run = Effect.provide(
        runHandler(documentProcess, { path: "guide.pdf" }, undefined, [textKeywords]),
        settings({ files, folders: [docs] })
      )
      const first = yield* run
      const before = yield* storedIn(files)

      const second = yield* run

      expect(second).toEqual(first)
      expect(yield* storedIn(files)).toEqual(before)
      expect(before.length).toBe(1)
    })
  )

  it.live("stops between two pages when it is interrupted, and keeps nothing", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      const third = yield* Deferred.make<void>()
      const { recording, task } = recordingTask(({ chunks }) => ({
        emit: (chunk) =>
          Effect.gen(function* () {
            chunks.push(chunk)
            if (chunks.length < 3) return
            yield* Deferred.succeed(third, undefined)
            return yield* Effect.never
          })
      }))
      const run = yield* Effect.forkChild(
        Effect.provide(
          runHandler(documentProcess, { path: "guide.pdf" }, task, [textKeywords]),
          settings({ files, folders: [docs] })
        )
      )
      yield* Deferred.await(third)

      yield* Fiber.interrupt(run)

      expect(recording.chunks.length).toBe(3)
      expect(yield* storedIn(files)).toEqual([])
    })
  )
})

describe("a document of another kind", () => {
  it.live("may be an HTML page from a server", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      const page =
        "<html lang=de><title>Die Seite</title><body><p>Aufgaben warten in der Schlange.</p></body></html>"
      const { port } = yield* localServer(
        () => new Response(page, { headers: { "content-type": "text/html" } })
      )

      const output = yield* runHandler(
        documentProcess,
        { url: `http://docs.test:${port}/seite` },
        undefined,
        [textKeywords]
      ).pipe(Effect.provide(settings({ files })), onLoopback())

      expect(output).toMatchObject({
        title: "Die Seite",
        type: "text/html",
        language: "de",
        pages: 1,
        chunks: 1
      })
    })
  )

  it.live("may be Markdown, called by its first heading", () =>
    Effect.gen(function* () {
      const { output } = yield* processed("notes.md", "# Notes\n\nLeases are renewed.")
      expect(output).toMatchObject({ title: "Notes", type: "text/markdown", characters: 26 })
    })
  )

  it.live("may be plain text, called by its first line", () =>
    Effect.gen(function* () {
      const { recording, task } = recordingTask()
      const { output } = yield* processed("a.txt", `${"A very long first line ".repeat(20)}\n\nmore`, task)
      expect(output.type).toBe("text/plain")
      expect(output.title).toEndWith(" very long…")
      expect(output.title.length).toBeLessThanOrEqual(200)
      expect(recording.chunks).toEqual([{ page: 1, characters: output.characters }])
    })
  )

  it.live("is called by no half of a character where its first line is cut", () =>
    Effect.gen(function* () {
      const { output } = yield* processed(
        "a.txt",
        `${"北京是中国的首都".repeat(30).slice(0, 198)}😀 and more`
      )
      expect(output.title).toEndWith("北京是中国的…")
      expect(output.title.length).toBe(199)
    })
  )

  it.live("is called by no half of a character where a caller gives one", () =>
    Effect.gen(function* () {
      const { output } = yield* processed("a.txt", "Text.", undefined, { title: "half \ud83d" })
      expect(output.title).toBe("half \ufffd")
    })
  )

  it.live("may say its language as programs do, or say something that is none", () =>
    Effect.gen(function* () {
      const page = (lang: string) =>
        `<html lang="${lang}"><body><p>The pump stood still for two days.</p></body></html>`
      const american = yield* processed("a.html", page("en_US"))
      const none = yield* processed("b.html", page("&#xd800; unknown"))
      expect(american.output.language).toBe("en-US")
      expect(none.output.language).toBe("en")
    })
  )
})

describe("a document that can never be read fails at once and says why", () => {
  const cases: ReadonlyArray<
    readonly [what: string, name: string, content: () => Promise<string | Uint8Array>, type: string]
  > = [
    ["damaged", "a.pdf", async () => (await makePdf([[["Text."]]])).slice(0, 300), "DamagedDocument"],
    ["not what it is called", "a.pdf", async () => "hello", "DamagedDocument"],
    ["encrypted", "a.pdf", () => makePdf([[["Secret."]]], { password: "open" }), "EncryptedDocument"],
    ["a PDF without text", "a.pdf", () => makePdf([[], []]), "EmptyDocument"],
    ["an empty file", "a.txt", async () => "", "EmptyDocument"],
    ["white space", "a.md", async () => " \n\n ", "EmptyDocument"],
    [
      "a page without text",
      "a.html",
      async () => "<html><body><script>x()</script></body></html>",
      "EmptyDocument"
    ],
    ["an archive", "a.zip", async () => new Uint8Array([0x50, 0x4b, 3, 4, 0, 0]), "UnsupportedType"],
    [
      "a page that is too large",
      "a.html",
      async () => `<html><body>${"x".repeat(9_000_000)}`,
      "DocumentTooLarge"
    ],
    ["a text that is too large", "a.txt", async () => "word ".repeat(2_100_000), "DocumentTooLarge"]
  ]
  for (const [what, name, content, type] of cases) {
    it.live(what, () =>
      Effect.gen(function* () {
        const refused = yield* Effect.flip(processed(name, yield* Effect.promise(content)))
        expect(refused).toMatchObject({ name: type, message: expect.stringContaining(`${name}: `) })
      })
    )
  }
})

describe("an input", () => {
  const refused = (input: unknown) => {
    const checked = documentProcess.readInput(input)
    return checked instanceof Promise || Result.isSuccess(checked) ? [] : checked.failure.faults
  }

  it.live("names exactly one place", () =>
    Effect.sync(() => {
      for (const input of [
        {},
        { title: "x" },
        { file: "a", url: "https://example.com/" },
        { path: "a", file: "b" }
      ]) {
        expect(refused(input), JSON.stringify(input)).toMatchObject([
          { message: expect.stringContaining("exactly one of file, url and path") }
        ])
      }
      expect(refused({ file: "a" })).toEqual([])
    })
  )

  it.live("has its faults told with their path", () =>
    Effect.sync(() => {
      expect(refused({ url: "ftp://example.com" })[0]).toMatchObject({ path: "/url" })
      expect(refused({ file: "" })[0]).toMatchObject({ path: "/file" })
      expect(refused({ file: "a", language: "not a tag!" })[0]).toMatchObject({ path: "/language" })
      expect(refused({ file: "a", title: "x".repeat(201) })[0]).toMatchObject({ path: "/title" })
      expect(refused("text").length).toBe(1)
    })
  )
})

describe("what followers are told", () => {
  it.live("may be refused without harm to the work", () =>
    Effect.gen(function* () {
      const full = Effect.fail(new EventRefused({ reason: "too many wait" }))
      const { task } = recordingTask(() => ({ emit: () => full, log: () => full, progress: () => full }))
      const { output } = yield* processed("a.txt", "Some text.", task)
      expect(output.chunks).toBe(1)
    })
  )

  it.live("ends the work once the run is no longer the current one", () =>
    Effect.gen(function* () {
      const over = Effect.fail(new AttemptOver({ task: "t", attempt: 1 }))
      const { task } = recordingTask(() => ({ emit: () => over }))
      const failed = yield* Effect.flip(processed("a.txt", "Some text.", task))
      expect(failed).toMatchObject({ _tag: "AttemptOver" })
    })
  )
})
