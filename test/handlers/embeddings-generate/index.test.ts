import { describe, expect, test } from "bun:test"
import { ConfigProvider, Effect, Layer, Stream } from "effect"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { encodeVector } from "../../../handlers/embeddings-generate/encoding.ts"
import { embeddingsGenerate } from "../../../handlers/embeddings-generate/index.ts"
import { reserved } from "../../../handlers/embedding/limit.ts"
import { UsageLog } from "../../../handlers/usage/usage.ts"
import { Files } from "../../../runtime/files.ts"
import type { CurrentTask } from "../../../runtime/handler.ts"
import { it } from "../../support/effect.ts"
import { embeddingsServer } from "../../support/embeddings-server.ts"
import { filesIn, settings, temporaryFolder } from "../../support/folder.ts"
import { markdownIn } from "../../support/documents.ts"
import { recordingTask, runHandler } from "../../support/recording.ts"
import { redisSystem } from "../../support/system.ts"

type Input = Readonly<Record<string, unknown>>

const providedBy = (url: string) =>
  Effect.provideService(
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromEnv({ env: { OPENAI_BASE_URL: url } })
  )

const generate = (files: string, input: Input, task?: CurrentTask["Service"]) =>
  Effect.provide(runHandler(embeddingsGenerate, input as never, task), settings({ files })) as Effect.Effect<
    {
      readonly model: string
      readonly dimensions: number
      readonly count: number
      readonly tokens: number
      readonly cached: number
      readonly vectors?: ReadonlyArray<ReadonlyArray<number>> | ReadonlyArray<string>
    },
    unknown
  >

const usageIn = (files: string) =>
  Effect.provide(
    UsageLog.use(({ read }) => Stream.runCollect(read({ from: 0, to: Number.MAX_SAFE_INTEGER }))),
    UsageLog.layer.pipe(Layer.provide(filesIn(files)))
  )

const dot = (a: ReadonlyArray<number>, b: ReadonlyArray<number>) =>
  a.reduce((sum, one, at) => sum + one * b[at]!, 0)

describe("embeddings of texts", () => {
  it.live("say that they are of no model where they are hashes", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      const { vectors, ...about } = yield* generate(files, { texts: ["a worker", "a lease"], model: "hash" })
      expect(about).toEqual({ model: "hash:words-512", dimensions: 512, count: 2, tokens: 4, cached: 0 })
      for (const vector of vectors as ReadonlyArray<ReadonlyArray<number>>)
        expect(dot(vector, vector)).toBeCloseTo(1, 5)
    })
  )

  it.live("may be given as bytes, which are the same numbers", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      const ask = (encoding: string) => generate(files, { texts: ["a worker"], model: "hash", encoding })
      const [bytes] = (yield* ask("base64")).vectors as ReadonlyArray<string>
      const [numbers] = (yield* ask("float")).vectors as ReadonlyArray<ReadonlyArray<number>>
      expect(Array.from(new Float32Array(Uint8Array.fromBase64(bytes!).buffer))).toEqual(
        numbers!.map(Math.fround)
      )
    })
  )

  it.live("that do not fit into an output are refused, and it is said what would", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      const texts = Array.from({ length: 2_000 }, (_, at) => `text ${at}`)
      const refused = yield* Effect.flip(generate(files, { texts, model: "hash" }))
      expect(refused).toMatchObject({ name: "TooManyVectors" })
      expect(String(refused)).toContain("take the encoding base64")
      expect((yield* generate(files, { texts, model: "hash", encoding: "base64" })).count).toBe(2_000)
    })
  )

  for (const [what, input] of [
    ["neither texts nor a document", {}],
    ["both", { texts: ["a"], document: "0".repeat(32) }],
    ["a blank text", { texts: [" "] }],
    ["a model that there is not", { texts: ["a"], model: "gpt" }],
    ["a range of no document", { texts: ["a"], from: 1 }]
  ] as const) {
    it.live(`are not made of ${what}`, () =>
      Effect.gen(function* () {
        expect(yield* Effect.flip(generate("/nowhere", input))).toMatchObject({ _tag: "Misfit" })
      })
    )
  }
})

describe("embeddings of a provider", () => {
  it.live("are asked for once for each text, and cost nothing the second time", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      const server = yield* embeddingsServer()
      const spent: Array<readonly [string, number]> = []
      let attempt = 0
      const aTask = () =>
        recordingTask(() => ({
          attempt: ++attempt,
          spent: (limit, amount) => Effect.sync(() => void spent.push([limit, amount]))
        })).task
      const ask = (...texts: ReadonlyArray<string>) =>
        generate(files, { texts, model: "openai:m" }, aTask()).pipe(providedBy(server.url))

      const first = yield* ask("aaaa", "bb", "aaaa")
      expect(first).toMatchObject({ model: "openai:m", dimensions: 8, count: 3, tokens: 6, cached: 1 })
      const second = yield* ask("bb", "c", "aaaa")
      expect(second).toMatchObject({ count: 3, tokens: 1, cached: 2 })
      expect(second.vectors?.[2]).toEqual(first.vectors?.[0])
      expect(server.asked.map(({ input }) => input)).toEqual([["aaaa", "bb"], ["c"]])

      // It is kept what each task has cost.
      const records = yield* usageIn(files)
      expect(new Map(records.map(({ inputTokens, model }) => [inputTokens, model]))).toEqual(
        new Map([
          [6, "m"],
          [1, "m"]
        ])
      )

      // What was reserved is settled by what was sent.
      expect(spent).toEqual([
        ["embeddings", 6],
        ["embeddings", 1]
      ])
    })
  )

  it.live("go on where they were when a call has failed", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      const server = yield* embeddingsServer((request) => (request === 1 ? { status: 500 } : undefined))
      const texts = Array.from({ length: 400 }, (_, at) => `text ${at}`)
      const ask = generate(files, { texts, model: "openai:m", encoding: "base64" }).pipe(
        providedBy(server.url)
      )
      expect(yield* Effect.flip(ask)).toMatchObject({ _tag: "EmbeddingsUnavailable" })
      expect(yield* ask).toMatchObject({ count: 400, cached: 256 })
      expect(server.asked.map(({ input }) => input.length)).toEqual([256, 144, 144])
    })
  )

  it.live("are paid for once, and said to be, although the provider never takes one text beside them", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      const server = yield* embeddingsServer((_, texts) =>
        texts.includes("bad") ? { status: 400 } : undefined
      )
      const texts = ["aaaa", "bad", "bb", "c"]
      let attempt = 0
      const ask = Effect.suspend(() =>
        generate(files, { texts, model: "openai:m" }, recordingTask(() => ({ attempt: ++attempt })).task)
      ).pipe(providedBy(server.url))

      for (let run = 0; run < 3; run++) {
        expect(yield* Effect.flip(ask)).toMatchObject({ _tag: "TextsRefused" })
      }

      const taken = server.asked.map(({ input }) => input).filter((input) => !input.includes("bad"))
      expect(taken.flat().toSorted()).toEqual(["aaaa", "bb", "c"])
      expect(yield* usageIn(files)).toMatchObject([{ attempt: 1, inputTokens: 7 }])
    })
  )

  it.live("are given, and said to be paid for, although the disk keeps none of them", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      yield* Effect.promise(() => Bun.write(`${files}/objects/embeddings`, "no folder"))
      const server = yield* embeddingsServer()
      const ask = generate(files, { texts: ["aaaa", "bb"], model: "openai:m" }).pipe(providedBy(server.url))
      expect(yield* ask).toMatchObject({ count: 2, tokens: 6, cached: 0 })
      expect(server.asked.length).toBe(1)
      expect(yield* usageIn(files)).toMatchObject([{ inputTokens: 6 }])
    })
  )

  it.live("are made anew where those that are kept have other dimensions than the provider's now", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      let dimensions = 8
      const server = yield* embeddingsServer((_, texts) => {
        const vectorOf = (text: string) => Array.from({ length: dimensions }, (_, at) => text.length + at)
        const data = texts.map((text, index) => ({ index, embedding: vectorOf(text) }))
        return { status: 200, body: { data, usage: { prompt_tokens: texts.length } } }
      })
      const ask = (texts: ReadonlyArray<string>) =>
        generate(files, { texts, model: "openai:m" }).pipe(providedBy(server.url))
      const lengths = (output: { readonly vectors?: ReadonlyArray<string | ReadonlyArray<number>> }) => [
        ...new Set(output.vectors?.map(({ length }) => length))
      ]
      const texts = Array.from({ length: 300 }, (_, at) => `text ${at}`)
      yield* ask(texts.slice(0, 258))

      dimensions = 12
      const anew = yield* ask(texts)

      expect(lengths(anew)).toEqual([12])
      expect(anew).toMatchObject({ dimensions: 12, count: 300, cached: 0, tokens: 300 })
      expect(yield* ask(texts)).toMatchObject({ dimensions: 12, cached: 300, tokens: 0 })

      dimensions = 8
      yield* ask(["later"])
      dimensions = 12
      expect(lengths(yield* ask(["later", ...texts.slice(0, 3)]))).toEqual([12])
    })
  )

  it.live("are not made, nor kept, where the provider gives them other dimensions with each call", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      const server = yield* embeddingsServer((request, texts) => ({
        status: 200,
        body: { data: texts.map(() => ({ embedding: Array.from({ length: 8 + request }, () => 1) })) }
      }))
      const texts = Array.from({ length: 300 }, (_, at) => `text ${at}`)
      const ask = generate(files, { texts, model: "openai:m" }).pipe(providedBy(server.url))
      expect(yield* Effect.flip(ask)).toMatchObject({
        _tag: "EmbeddingsUnavailable",
        reason: "its vectors have 8 components, and 9"
      })
      const kept = yield* Effect.provide(
        Files.use(({ listObjects }) => listObjects("embeddings/")),
        filesIn(files)
      )
      expect(kept.length).toBe(256)
    })
  )

  it.live(
    "of many tasks are few calls, and a provider that is over its limit is left alone by all",
    () =>
      Effect.gen(function* () {
        const files = yield* temporaryFolder
        let since = 0
        const server = yield* embeddingsServer((request) => {
          if (request > 0) return undefined
          since = performance.now()
          return { status: 429, headers: { "retry-after-ms": "400" } }
        })
        const tasks = 24
        const ends = yield* Effect.flatMap(Dispatcher, ({ ask }) =>
          Effect.forEach(
            Array.from({ length: tasks }, (_, at) => at),
            (at) => ask({ name: "embeddings.generate", input: { texts: [`text ${at}`], model: "openai:m" } }),
            { concurrency: "unbounded" }
          )
        ).pipe(Effect.provide(redisSystem([embeddingsGenerate], { files })), providedBy(server.url))
        expect(ends.map(({ state }) => state)).toEqual(ends.map(() => "succeeded"))
        expect(performance.now() - since).toBeGreaterThanOrEqual(400)
        // Those that were refused once, and those that were not, together.
        expect(server.asked.flatMap(({ input }) => input).length).toBeLessThanOrEqual(2 * tasks)
        expect(server.asked.length).toBeLessThanOrEqual(8)
      }),
    30_000
  )

  test("reserve what they may cost, and those of models of this machine nothing", () => {
    const texts = ["x".repeat(400), "y".repeat(40)]
    expect(reserved({ model: "openai", texts })).toBe(110)
    expect(reserved({ model: "openai:m", document: "d", from: 10, to: 20 })).toBe(3_000)
    expect(reserved({ model: "openai:m", document: "d" })).toBe(10_000)
    expect(reserved({ model: "local", texts })).toBe(0)
    expect(reserved({ texts })).toBe(0)
  })
})

describe("embeddings of a document", () => {
  it.live("are kept, and not given", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      const server = yield* embeddingsServer()
      const text = Array.from(
        { length: 60 },
        (_, at) => `Paragraph ${at}. ${"A lease is renewed. ".repeat(20)}`
      )
      const { chunks, document } = yield* markdownIn(files, text.join("\n\n"))
      expect(chunks).toBeGreaterThan(5)
      const ask = (range: object) =>
        generate(files, { document, model: "openai:m", ...range }).pipe(providedBy(server.url))

      const part = yield* ask({ from: 1, to: 3 })
      expect(part).toMatchObject({ count: 2, cached: 0 })
      expect(part.vectors).toBe(undefined)
      expect(yield* ask({})).toMatchObject({ count: chunks, cached: 2 })
      expect(yield* ask({})).toMatchObject({ count: chunks, cached: chunks, tokens: 0 })
      expect(yield* Effect.flip(ask({ from: 2, to: chunks + 1 }))).toMatchObject({ name: "NoSuchChunks" })
      expect(yield* Effect.flip(generate(files, { document: "0".repeat(32) }))).toMatchObject({
        name: "UnknownDocument"
      })
    })
  )
})

test("a number is written so that reading it gives the same float", () => {
  const floats = new Float32Array([0.1, -1 / 3, 1e-20, 123_456.789])
  expect(new Float32Array(encodeVector(floats, "float") as ReadonlyArray<number>)).toEqual(floats)
})
