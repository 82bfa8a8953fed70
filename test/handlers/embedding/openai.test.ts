import { describe, expect } from "bun:test"
import { ConfigProvider, Effect } from "effect"
import { openaiModel } from "../../../handlers/embedding/openai.ts"
import { RetryAfter } from "../../../runtime/handler.ts"
import { it } from "../../support/effect.ts"
import { embeddingsServer, standInVector } from "../../support/embeddings-server.ts"

const within = (url: string, environment: Record<string, string> = {}) =>
  Effect.provideService(
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromEnv({ env: { OPENAI_BASE_URL: url, ...environment } })
  )

/** An answer with these vectors, each with its number where it has one. */
const listing =
  (...data: ReadonlyArray<{ readonly index?: unknown; readonly embedding: ReadonlyArray<number> }>) =>
  () => ({ status: 200, body: { object: "list", data, usage: { prompt_tokens: 1, total_tokens: 1 } } })

/** Has the texts embedded by a server that answers so. */
const embed = Effect.fnUntraced(function* (
  texts: ReadonlyArray<string>,
  answer: Parameters<typeof embeddingsServer>[0],
  callTimeout?: "100 millis"
) {
  const server = yield* embeddingsServer(answer)
  const model = yield* openaiModel("test-model", callTimeout).pipe(
    within(server.url, { OPENAI_API_KEY: "sk-1-very-secret" })
  )
  return { ...server, embedded: model.embed(texts) }
})

describe("a provider's model", () => {
  it.live("is asked for many vectors in one request, which come in their order and of length 1", () =>
    Effect.gen(function* () {
      const { asked, embedded } = yield* embed(["a", "bbb"], undefined)
      const { tokens, vectors } = yield* embedded
      expect(asked).toEqual([
        { model: "test-model", input: ["a", "bbb"], authorization: "Bearer sk-1-very-secret" }
      ])
      expect(tokens).toBe(4)
      for (const [at, text] of ["a", "bbb"].entries()) {
        const expected = standInVector(text)
        const length = Math.hypot(...expected)
        expect(Array.from(vectors[at]!, (one) => one * length)).toEqual(
          expected.map((one) => expect.closeTo(one, 4) as never)
        )
      }
    })
  )

  it.live("that says its key back has it in no failure", () =>
    Effect.gen(function* () {
      const body = { error: { message: "no such key: sk-1-very-secret" } }
      const { embedded } = yield* embed(["a"], () => ({ status: 401, body }))
      const failure = yield* Effect.flip(embedded)
      expect(failure).toMatchObject({
        name: "ProviderRefused",
        message: expect.stringContaining("[secret OPENAI_API_KEY]")
      })
      expect(String(failure)).not.toContain("sk-1-very-secret")
    })
  )

  it.live("that says nonsense of what a call took is as one that says nothing", () =>
    Effect.gen(function* () {
      for (const prompt_tokens of [-1, 1e300]) {
        const data = [{ index: 0, embedding: [1, 0] }]
        const { embedded } = yield* embed(["a"], () => ({
          status: 200,
          body: { object: "list", data, usage: { prompt_tokens, total_tokens: prompt_tokens } }
        }))
        expect((yield* embedded).tokens).toBe(undefined)
      }
    })
  )

  it.live("that is over its limit says to all who use it when to come back", () =>
    Effect.gen(function* () {
      const { asked, embedded } = yield* embed(["a"], () => ({
        status: 429,
        headers: { "retry-after": "7" }
      }))
      const failure = yield* Effect.flip(embedded)
      expect(failure).toBeInstanceOf(RetryAfter)
      expect(failure).toMatchObject({ afterMs: 7_000, counted: false, limit: "embeddings" })
      expect(asked.length).toBe(1)
    })
  )

  it.live("that is not paid for is not asked again", () =>
    Effect.gen(function* () {
      const body = { error: { message: "You exceeded your current quota", code: "insufficient_quota" } }
      const { embedded } = yield* embed(["a"], () => ({ status: 429, body }))
      expect(yield* Effect.flip(embedded)).toMatchObject({ name: "ProviderRefused" })
    })
  )

  for (const status of [500, 503, 408]) {
    it.live(`that answers ${status} may be asked again`, () =>
      Effect.gen(function* () {
        const { embedded } = yield* embed(["a"], () => ({ status }))
        expect(yield* Effect.flip(embedded)).toMatchObject({ _tag: "EmbeddingsUnavailable" })
      })
    )
  }

  for (const status of [401, 403, 404]) {
    it.live(`that answers ${status} has refused for good`, () =>
      Effect.gen(function* () {
        const { embedded } = yield* embed(["a"], () => ({ status }))
        expect(yield* Effect.flip(embedded)).toMatchObject({ name: "ProviderRefused" })
      })
    )
  }

  it.live("that refuses a call's texts says so, as one of them may be the cause", () =>
    Effect.gen(function* () {
      const { embedded } = yield* embed(["a"], () => ({ status: 400 }))
      expect(yield* Effect.flip(embedded)).toMatchObject({
        _tag: "TextsRefused",
        message: "openai:test-model: the provider answered 400: status 400"
      })
    })
  )

  it.live("that says nothing is given up, and the request is ended", () =>
    Effect.gen(function* () {
      const { embedded, left } = yield* embed(["a"], () => "stall", "100 millis")
      const failure = yield* Effect.flip(embedded)
      expect(failure).toMatchObject({ _tag: "EmbeddingsUnavailable", reason: "no answer within 100ms" })
      yield* Effect.promise(() => left)
    })
  )

  it.live("that cannot be reached may be asked again", () =>
    Effect.gen(function* () {
      const model = yield* openaiModel("m").pipe(within("http://127.0.0.1:1/v1"))
      expect(yield* Effect.flip(model.embed(["a"]))).toMatchObject({ _tag: "EmbeddingsUnavailable" })
    })
  )

  it.live("needs a key, or a server of one's own", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(openaiModel("m").pipe(within("", {})))
      expect(failure).toMatchObject({ name: "ProviderMissing" })
    })
  )
})

describe("a provider's vectors", () => {
  it.live("are those of the texts whose numbers they have, in whatever order they come", () =>
    Effect.gen(function* () {
      const answer = listing({ index: 1, embedding: [0, 2] }, { index: 0, embedding: [2, 0] })
      const { embedded } = yield* embed(["a", "b"], answer)
      expect((yield* embedded).vectors.map((vector) => [...vector])).toEqual([
        [1, 0],
        [0, 1]
      ])
    })
  )

  it.live("are in the order of the texts where they have no numbers", () =>
    Effect.gen(function* () {
      const { embedded } = yield* embed(["a", "b"], listing({ embedding: [2, 0] }, { embedding: [0, 2] }))
      expect((yield* embedded).vectors.map((vector) => [...vector])).toEqual([
        [1, 0],
        [0, 1]
      ])
    })
  )

  for (const [what, answer] of [
    ["are fewer than the texts", listing({ index: 0, embedding: [1, 0] })],
    ["are more than the texts", listing(...[0, 1, 2].map((index) => ({ index, embedding: [1, 0] })))],
    ["have the same number twice", listing({ index: 0, embedding: [1, 0] }, { index: 0, embedding: [0, 1] })],
    ["have the number of no text", listing({ index: 1, embedding: [1, 0] }, { index: 2, embedding: [0, 1] })],
    ["have numbers in part", listing({ index: 1, embedding: [1, 0] }, { embedding: [0, 1] })],
    ["are of two lengths", listing({ index: 0, embedding: [1, 0] }, { index: 1, embedding: [0, 1, 0] })],
    ["have no components", listing({ index: 0, embedding: [] }, { index: 1, embedding: [] })],
    [
      "have components that no 32-bit float can be",
      listing({ index: 0, embedding: [1, 0] }, { index: 1, embedding: [1e39, 0] })
    ]
  ] as const) {
    it.live(`that ${what} are not taken, and may be asked for again`, () =>
      Effect.gen(function* () {
        const { embedded } = yield* embed(["a", "b"], answer)
        expect(yield* Effect.flip(embedded)).toMatchObject({ _tag: "EmbeddingsUnavailable" })
      })
    )
  }

  it.live("that are all zeros are the fault of their texts", () =>
    Effect.gen(function* () {
      const answer = listing({ index: 0, embedding: [1, 0] }, { index: 1, embedding: [0, 0] })
      const { embedded } = yield* embed(["a", "b"], answer)
      expect(yield* Effect.flip(embedded)).toMatchObject({ _tag: "TextsRefused" })
    })
  )
})
