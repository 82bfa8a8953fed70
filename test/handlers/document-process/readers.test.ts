/** Documents are read in processes of their own: the worker goes on, whatever a file does. */
import { describe, expect } from "bun:test"
import { Deferred, Duration, Effect, Fiber, Layer, References } from "effect"
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import * as DispatcherLayer from "../../../actors/dispatch/dispatcher.ts"
import * as Replies from "../../../actors/dispatch/replies.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import * as Worker from "../../../actors/work/worker.ts"
import { extractorOf, type Unread } from "../../../handlers/document-process/extractors.ts"
import { documentProcess } from "../../../handlers/document-process/index.ts"
import { type Bounds, ReaderBounds, readerBounds } from "../../../handlers/document-process/reader-process.ts"
import { Readers } from "../../../handlers/document-process/readers.ts"
import { textKeywords } from "../../../handlers/text-keywords/index.ts"
import { defineTask } from "../../../runtime/handler.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { makeDocx } from "../../support/docx.ts"
import { it } from "../../support/effect.ts"
import { temporaryFolder } from "../../support/folder.ts"
import { makePdf } from "../../support/pdf.ts"
import { memorySettings } from "../../support/redis.ts"
import { eventually, isAlive } from "../../support/waiting.ts"
import { manyOperators, manySpaces, nestedForms } from "./hostile.ts"

const guide = path.resolve(import.meta.dir, "../../../docs/guide.pdf")
const readingProgram = path.join(import.meta.dir, "programs/reading.ts")

/** The readers of a process. */
const readersOf = (pid: number) =>
  Effect.promise(async () =>
    (await Bun.$`ps -axo pid=,ppid=,args=`.text()).split("\n").flatMap((line) => {
      const [own, parent] = line.trim().split(/\s+/, 2).map(Number)
      return parent === pid && line.includes("document-process/reader.ts") ? [own!] : []
    })
  )

const aReaderOf = (pid: number) =>
  Effect.promise(() => eventually("a reader", async () => (await Effect.runPromise(readersOf(pid)))[0]))

const gone = (pid: number) =>
  Effect.promise(() => eventually(`the end of ${pid}`, () => (isAlive(pid) ? undefined : true)))

/** It has computed for half a second since it was started, so it is at its document by now. */
const busy = (pid: number) =>
  Effect.promise(() =>
    eventually("a reader at work", () => {
      const [, , , , , , , , , , , user] = readFileSync(`/proc/${pid}/stat`, "utf8")
        .split(") ")[1]!
        .split(" ")
      return Number(user) > 50 ? true : undefined
    })
  )

const pdf = (bytes: Uint8Array): Unread => ({ as: "pdf", bytes })
const read = (document: Unread) => Readers.use((readers) => readers.read(document, () => Effect.void))

const small = Effect.promise(async () => pdf(await makePdf([[["One."]], [["Two."]]])))

const promise = <A, E>(
  sentence: string,
  body: () => Effect.Effect<A, E, Readers>,
  bounds: Partial<Bounds> = {}
) =>
  it.live(
    sentence,
    () =>
      Effect.suspend(body).pipe(
        Effect.provide(
          Readers.layer.pipe(Layer.provide(Layer.succeed(ReaderBounds, { ...readerBounds, ...bounds })))
        )
      ),
    60_000
  )

/** The longest time in which nothing else of this process could run while `effect` did, in milliseconds. */
const longestPause = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    let last = performance.now()
    let longest = 0
    const look = () => {
      const now = performance.now()
      longest = Math.max(longest, now - last)
      last = now
    }
    const looking = setInterval(look, 5)
    yield* Effect.ensuring(
      effect,
      Effect.sync(() => clearInterval(looking))
    )
    look()
    return longest
  })

describe("what is read in a process of its own", () => {
  promise("is what would be read in place, of each kind, also of a document that goes over in pieces", () =>
    Effect.gen(function* () {
      const long = "<p>Die Pumpe ſtand ſtill, 日本語 und der Zähler schwieg.</p>".repeat(60_000)
      const documents: ReadonlyArray<Unread> = [
        pdf(new Uint8Array(yield* Effect.promise(() => fs.readFile(guide)))),
        { as: "docx", bytes: makeDocx([["# Pumps", "One."], ["Two."]], { title: "Pumps", author: "Ada" }) },
        { as: "html", bytes: new TextEncoder().encode(`<title>Lang</title><body>${long}`) }
      ]
      for (const document of documents) {
        const there = yield* read(document)
        expect(there).toEqual(yield* extractorOf(document, () => Effect.void))
      }
    })
  )

  promise("is refused for the same reasons, by the same names", () =>
    Effect.gen(function* () {
      const secret = yield* Effect.promise(() => makePdf([[["Secret."]]], { password: "open" }))
      expect(yield* Effect.flip(read(pdf(secret)))).toMatchObject({ name: "EncryptedDocument" })
      expect(yield* Effect.flip(read({ as: "docx", bytes: makeDocx([]).slice(0, 50) }))).toMatchObject({
        name: "DamagedDocument"
      })
    })
  )
})

describe("a reader", () => {
  promise("is used again for the next document", () =>
    Effect.gen(function* () {
      const document = yield* small
      yield* read(document)
      const first = yield* readersOf(process.pid)
      yield* read(document)
      expect(yield* readersOf(process.pid)).toEqual(first)
      expect(first.length).toBe(1)
    })
  )

  promise("is not used again when its document could not be read", () =>
    Effect.gen(function* () {
      yield* Effect.flip(read(pdf(new TextEncoder().encode("%PDF-1.7\n"))))
      expect(yield* readersOf(process.pid)).toEqual([])
    })
  )

  promise(
    "ends when it has had nothing to do for a while",
    () =>
      Effect.gen(function* () {
        yield* read(yield* small)
        const reader = yield* aReaderOf(process.pid)
        yield* gone(reader)
      }),
    { idleKeptMs: 300 }
  )

  promise(
    "that is killed from outside fails its document in a way that is tried again, and the next is read",
    () =>
      Effect.gen(function* () {
        const document = yield* small
        const killed = yield* Effect.flip(
          Readers.use((readers) =>
            readers.read(document, () =>
              Effect.map(aReaderOf(process.pid), (reader) => void process.kill(reader, "SIGKILL"))
            )
          )
        )
        expect(killed).toMatchObject({
          _tag: "ReaderFailed",
          message: "the process that reads the document ended with SIGKILL"
        })
        expect((yield* read(document)).pages).toEqual(["One.", "Two."])
      })
  )

  promise("reads on when a signal comes that is meant for its worker", () =>
    Effect.gen(function* () {
      const { pages } = yield* Readers.use((readers) =>
        Effect.flatMap(small, (document) =>
          readers.read(document, () =>
            Effect.map(aReaderOf(process.pid), (reader) => {
              for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.kill(reader, signal)
            })
          )
        )
      )
      expect(pages).toEqual(["One.", "Two."])
    })
  )

  promise(
    "is killed when its document takes too long in all, though none of its pages does",
    () =>
      Effect.gen(function* () {
        expect(yield* Effect.flip(read(pdf(nestedForms())))).toMatchObject({
          name: "DocumentTooComplex",
          message: "it takes longer than 0.5 s to read"
        })
        expect(yield* readersOf(process.pid)).toEqual([])
      }),
    { documentMs: 500 }
  )

  promise(
    "reads one document at a time, and of more than there may be readers for the others wait",
    () =>
      Effect.gen(function* () {
        const document = yield* small
        const begun: Array<number> = []
        const goOn = yield* Deferred.make<void>()
        const both = yield* Deferred.make<void>()
        const reads = yield* Effect.forkChild(
          Effect.forEach(
            [1, 2, 3, 4],
            (n) =>
              Readers.use((readers) =>
                readers.read(document, ({ page }) => {
                  if (page > 1) return Effect.void
                  begun.push(n)
                  return Effect.andThen(
                    begun.length === 2 ? Deferred.succeed(both, undefined) : Effect.void,
                    Deferred.await(goOn)
                  )
                })
              ),
            { concurrency: "unbounded" }
          )
        )
        yield* Deferred.await(both)

        const readers = yield* readersOf(process.pid)
        expect(readers.length).toBe(2)
        expect(begun.length).toBe(2)
        yield* Deferred.succeed(goOn, undefined)
        expect((yield* Fiber.join(reads)).length).toBe(4)
      }),
    { readersMax: 2 }
  )

  it.live(
    "leaves nothing behind after many documents, some of which cannot be read",
    () =>
      Effect.gen(function* () {
        const descriptors = () => readdirSync("/proc/self/fd").length
        const document = yield* small
        const all = (count: number) =>
          Effect.scoped(
            Effect.provide(
              Effect.forEach(
                Array.from({ length: count }, (_, at) => at),
                (at) =>
                  Effect.exit(read(at % 5 === 4 ? pdf(new TextEncoder().encode("%PDF-1.7\n")) : document)),
                { concurrency: 3, discard: true }
              ),
              Readers.layer
            )
          )
        yield* all(5)
        const before = descriptors()

        yield* all(30)

        expect(yield* readersOf(process.pid)).toEqual([])
        yield* Effect.promise(() =>
          eventually("the descriptors of before", () => (descriptors() <= before ? true : undefined))
        )
      }),
    60_000
  )
})

describe("a program with a reader", () => {
  const program = (file: string, env: Readonly<Record<string, string>> = {}) =>
    Effect.acquireRelease(
      Effect.sync(() =>
        Bun.spawn([process.execPath, readingProgram, file], {
          env: { ...process.env, ...env },
          stdout: "pipe",
          stderr: "inherit"
        })
      ),
      (child) => Effect.promise(async () => (child.kill("SIGKILL"), void (await child.exited)))
    )

  const formsFile = Effect.map(temporaryFolder, (folder) => {
    const file = path.join(folder, "forms.pdf")
    writeFileSync(file, nestedForms())
    return file
  })

  it.live("ends by itself although its reader is idle, and takes it along", () =>
    Effect.gen(function* () {
      const child = yield* program(guide)
      const reader = yield* aReaderOf(child.pid)

      expect(yield* Effect.promise(() => child.exited)).toBe(0)

      expect(yield* Effect.promise(() => new Response(child.stdout).text())).toBe("read\n")
      yield* gone(reader)
    })
  )

  it.live("gives it nothing of its environment and its folder", () =>
    Effect.gen(function* () {
      const child = yield* program(yield* formsFile, { REDIS_URL: "redis://:hidden@a", OPENAI_API_KEY: "b" })

      const reader = yield* aReaderOf(child.pid)

      const names = readFileSync(`/proc/${reader}/environ`, "utf8")
        .split("\0")
        .map((variable) => variable.split("=")[0]!)
      expect(names).toContain("PATH")
      expect(names).not.toContain("REDIS_URL")
      expect(names).not.toContain("OPENAI_API_KEY")
      expect(readlinkSync(`/proc/${reader}/cwd`)).toEndWith("/handlers/document-process")
    })
  )

  it.live("that is killed takes its reader along, which is deep in a document", () =>
    Effect.gen(function* () {
      const child = yield* program(yield* formsFile)
      const reader = yield* aReaderOf(child.pid)
      yield* busy(reader)

      child.kill("SIGKILL")

      yield* gone(reader)
    })
  )
})

describe("a worker that is given hostile documents", () => {
  const answering = defineTask({ name: "answering", run: () => "here" })

  const promise = <A, E>(
    sentence: string,
    documents: Readonly<Record<string, () => Uint8Array>>,
    bounds: Partial<Bounds>,
    body: () => Effect.Effect<A, E, Dispatcher>
  ) =>
    it.live(
      sentence,
      () =>
        Effect.gen(function* () {
          const folder = yield* temporaryFolder
          const files = yield* temporaryFolder
          for (const [name, bytes] of Object.entries(documents))
            yield* Effect.promise(() => fs.writeFile(path.join(folder, name), bytes()))
          const system = Layer.mergeAll(DispatcherLayer.layer, Worker.layer()).pipe(
            Layer.provideMerge(Replies.layer),
            Layer.provideMerge(Memory.layer),
            Layer.provideMerge(
              Layer.mergeAll(
                Layer.provideMerge(
                  Shutdown.layer,
                  memorySettings({ files, folders: [folder], drain: Duration.millis(100) })
                ),
                Layer.succeed(References.MinimumLogLevel, "Error"),
                Layer.succeed(ReaderBounds, { ...readerBounds, ...bounds }),
                Handlers.layer({ given: [documentProcess, textKeywords, answering] })
              )
            )
          )
          yield* Effect.provide(Effect.suspend(body), system)
        }),
      60_000
    )

  const submit = (name: string, input: unknown) =>
    Effect.map(
      Dispatcher.use((dispatcher) => dispatcher.submit({ name, input })),
      ({ id }) => id
    )

  const hostile = {
    "forms.pdf": () => nestedForms(),
    "operators.pdf": () => manyOperators(40),
    "spaces.pdf": () => manySpaces(300)
  }

  promise(
    "fails their tasks at once, and answers others meanwhile",
    hostile,
    { pageMs: 1_000, memoryMax: 250 },
    () =>
      Effect.gen(function* () {
        const ids = yield* Effect.forEach(Object.keys(hostile), (name) =>
          submit("document.process", { path: name })
        )
        const results = Effect.forEach(ids, (id) =>
          Dispatcher.use((dispatcher) => dispatcher.result(id, "40 seconds"))
        )
        const fiber = yield* Effect.forkChild(results)
        let answers = 0

        const pause = yield* longestPause(
          Effect.gen(function* () {
            while (fiber.pollUnsafe() === undefined) {
              const id = yield* submit("answering", null)
              yield* Dispatcher.use((dispatcher) => dispatcher.result(id, "40 seconds"))
              answers += 1
            }
          })
        )

        const ended = yield* Fiber.join(fiber)
        expect(ended).toMatchObject(
          ids.map(() => ({ state: "failed", error: { type: "DocumentTooComplex" } }))
        )
        const messages = ended.map((result) => (result.state === "failed" ? result.error.message : ""))
        expect(messages[0]).toBe("forms.pdf: its beginning takes longer than 1 s to read")
        // Where the machine is busy, it may reach its time before it has taken so much.
        expect(messages[2]).toMatch(
          /^spaces\.pdf: its beginning takes (more than 250 MiB of memory|longer than 1 s) to read$/
        )
        for (const id of ids)
          expect((yield* Dispatcher.use((dispatcher) => dispatcher.task(id))).attempts.length).toBe(1)
        expect(answers).toBeGreaterThan(20)
        // A machine under load stops everybody for a while; a document in place would for seconds.
        expect(pause).toBeLessThan(500)
        expect(yield* readersOf(process.pid)).toEqual([])
      })
  )

  promise("kills the reader of a task that is cancelled", { "forms.pdf": () => nestedForms() }, {}, () =>
    Effect.gen(function* () {
      const id = yield* submit("document.process", { path: "forms.pdf" })
      const reader = yield* aReaderOf(process.pid)
      yield* busy(reader)

      yield* Dispatcher.use((dispatcher) => dispatcher.cancel(id, "enough"))

      yield* gone(reader)
    })
  )
})
