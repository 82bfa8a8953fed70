/** `vectors.upsert`, `vectors.search` and `vectors.delete` on a PGlite that all tests share. */
import { beforeAll, describe, expect } from "bun:test"
import { Effect, Redacted } from "effect"
import { Files } from "../../../runtime/files.ts"
import { embeddingsGenerate } from "../../../handlers/embeddings-generate/index.ts"
import { vectorsDelete } from "../../../handlers/vectors-delete/index.ts"
import { vectorsSearch } from "../../../handlers/vectors-search/index.ts"
import { vectorsUpsert } from "../../../handlers/vectors-upsert/index.ts"
import type { Whatever } from "../../../runtime/check.ts"
import type { TaskDefinition } from "../../../runtime/handler.ts"
import { markdownIn } from "../../support/documents.ts"
import { it } from "../../support/effect.ts"
import { filesIn, settings, temporaryFolder } from "../../support/folder.ts"
import { sharedPglite } from "../../support/pglite.ts"
import { recordingTask, runHandler } from "../../support/recording.ts"
import { storedDocument } from "../../support/stored-documents.ts"

const setUpMs = 120_000
beforeAll(
  () => Effect.runPromise(Effect.flatMap(sharedPglite, ({ database }) => database.transaction([]))),
  setUpMs
)

/** What a test is given: a collection that no other has, and the three handlers on it. */
const collection = Effect.gen(function* () {
  const files = yield* temporaryFolder
  const { folder } = yield* sharedPglite
  const name = `c-${crypto.randomUUID().slice(0, 8)}`
  const { recording, task } = recordingTask()
  const place = settings({ files, vectors: Redacted.make({ kind: "pglite", folder }) })
  const run =
    <Output>(handler: TaskDefinition<Whatever, Output>) =>
    (input: Readonly<Record<string, unknown>>) =>
      Effect.provide(runHandler(handler, { collection: name, ...input }, task), place)
  return {
    name,
    files,
    recording,
    /** By the local model. */
    embed: (texts: ReadonlyArray<string>) =>
      Effect.map(
        Effect.provide(runHandler(embeddingsGenerate, { texts, model: "local" }, task), place),
        ({ vectors }) => vectors as ReadonlyArray<ReadonlyArray<number>>
      ),
    upsert: run(vectorsUpsert),
    search: run(vectorsSearch),
    remove: run(vectorsDelete)
  }
})

const ids = (found: unknown) =>
  (found as { readonly matches: ReadonlyArray<{ id: string }> }).matches.map(({ id }) => id)

/** Three sentences each of five subjects, which share hardly a word. */
const subjects: Readonly<Record<string, readonly [string, string, string]>> = {
  cats: [
    "The kitten sleeps on the sofa",
    "My cat purrs when stroked",
    "A feline chased the mouse through the garden"
  ],
  money: [
    "The central bank raised interest rates",
    "Inflation makes savings worth less",
    "She took out a loan to buy her house"
  ],
  food: ["He bakes bread every morning", "This soup needs more salt", "The restaurant serves fresh pasta"],
  weather: [
    "Heavy rain is expected tomorrow",
    "The storm brought strong winds",
    "It is sunny and warm today"
  ],
  football: ["The striker scored two goals", "Our team lost the match", "The referee showed a red card"]
}
const questions: Readonly<Record<string, string>> = {
  cats: "a pet cat",
  money: "finance and the economy",
  food: "cooking a meal",
  weather: "will it rain",
  football: "a soccer game"
}
const sentences = Object.entries(subjects).flatMap(([subject, texts]) =>
  texts.map((text, at) => ({ id: `${subject}-${at}`, text, metadata: { subject, at } }))
)

describe("a collection of texts", () => {
  it.live(
    "is searched by what they mean, with a model that needs no network",
    () =>
      Effect.gen(function* () {
        const { embed, recording, search, upsert } = yield* collection
        const written = yield* upsert({ items: sentences, model: "local" })
        expect(written).toMatchObject({
          written: 15,
          refused: [],
          dimensions: 512,
          model: "local:use-lite-512"
        })
        expect(recording.progress.at(-1)!.fraction).toBe(1)

        // The collection says which model its vectors are of.
        const found = yield* search({ text: questions["cats"], top: 3 })
        expect(found).toMatchObject({ model: "local:use-lite-512" })
        expect(ids(found)[0]).toStartWith("cats")

        const asked = Object.entries(questions)
        const vectors = yield* embed(asked.map(([, question]) => question))
        let right = 0
        for (const [at, [subject]] of asked.entries()) {
          const found = ids(yield* search({ vector: vectors[at], top: 3 }))
          expect(found[0]).toStartWith(subject)
          right += found.filter((id) => id.startsWith(subject)).length
        }
        expect(right).toBeGreaterThanOrEqual(12)

        const narrowed = yield* search({
          vector: vectors[0],
          top: 5,
          filter: { subject: { in: ["food", "weather"] }, at: { lt: 2 } }
        })
        expect(ids(narrowed).length).toBe(4)
        expect(ids(narrowed).every((id) => /^(food|weather)-[01]$/.test(id))).toBe(true)
      }),
    setUpMs
  )

  it.live(
    "takes vectors of one model and one number of dimensions only",
    () =>
      Effect.gen(function* () {
        const { name, search, upsert } = yield* collection
        yield* upsert({ items: sentences.slice(0, 3), model: "hash" })
        const other = yield* Effect.flip(upsert({ items: sentences.slice(3, 6), model: "local" }))
        expect(other).toMatchObject({
          name: "ModelMismatch",
          message: `collection ${name} holds vectors of hash:words-512; those of local:use-lite-512 say nothing beside them`
        })
        expect(yield* Effect.flip(search({ vector: [1, 2, 3] }))).toMatchObject({
          name: "DimensionsMismatch",
          message: `collection ${name} has 512 dimensions, and the vector has 3`
        })
        expect(yield* Effect.flip(upsert({ items: [{ id: "a", vector: [1, 2, 3] }] }))).toMatchObject({
          name: "ItemsRefused"
        })
        // Without a word said of it the collection's own model is taken.
        expect(yield* upsert({ items: sentences.slice(3, 6) })).toMatchObject({
          model: "hash:words-512",
          written: 3
        })
      }),
    setUpMs
  )

  it.live("that is not there is not searched", () =>
    Effect.gen(function* () {
      const { remove, search } = yield* collection
      expect(yield* Effect.flip(search({ vector: [1] }))).toMatchObject({ name: "NoSuchCollection" })
      expect(yield* remove({ ids: ["a"] })).toMatchObject({ deleted: 0 })
    })
  )

  it.live("is the same when it was written twice", () =>
    Effect.gen(function* () {
      const { remove, search, upsert } = yield* collection
      const items = [
        { id: "a", vector: [1, 0], metadata: { n: 1 } },
        { id: "b", vector: [0, 1] }
      ]
      yield* upsert({ items })
      yield* upsert({ items })
      expect(yield* search({ vector: [1, 0.1] })).toEqual({
        matches: [
          { id: "a", score: expect.closeTo(0.995, 3) as number, metadata: { n: 1 } },
          { id: "b", score: expect.closeTo(0.0995, 3) as number, metadata: {} }
        ]
      })
      expect(yield* remove({ ids: ["a"] })).toMatchObject({ deleted: 1 })
      expect(yield* remove({ all: true })).toMatchObject({ deleted: 1 })
      // It may now be another one.
      expect(yield* upsert({ items: [{ id: "a", vector: [1, 2, 3] }] })).toMatchObject({ dimensions: 3 })
      yield* remove({ all: true })
    })
  )
})

describe("a document in a collection", () => {
  it.live("is its chunks, named by it, and has none that went", () =>
    Effect.gen(function* () {
      const { files, name, remove, search, upsert } = yield* collection
      const paragraphs = Array.from(
        { length: 30 },
        (_, at) => `Paragraph ${at}. ${"A lease is renewed by its worker. ".repeat(12)}`
      )
      const { chunks, document } = yield* markdownIn(files, paragraphs.join("\n\n"))
      expect(chunks).toBeGreaterThan(3)
      expect(yield* upsert({ document, model: "hash", metadata: { source: "test" } })).toMatchObject({
        collection: name,
        written: chunks
      })
      const found = yield* search({
        text: "who renews a lease?",
        top: 1_000,
        filter: { document, source: "test" }
      })
      expect(ids(found).toSorted()).toEqual(
        Array.from({ length: chunks }, (_, at) => `${document}#${at}`).toSorted()
      )
      const [{ metadata }] = (found as { readonly matches: ReadonlyArray<{ readonly metadata: object }> })
        .matches as [{ readonly metadata: object }]
      expect(metadata).toMatchObject({ document, page: 1, type: "text/markdown" })

      // Cut into fewer, as another version of the program may do.
      yield* Files.use((service) =>
        Effect.gen(function* () {
          const object = `documents/${document}.json`
          const stored = JSON.parse(new TextDecoder().decode(yield* service.readObject(object))) as {
            chunks: Array<unknown>
          }
          stored.chunks = stored.chunks.slice(0, 2)
          yield* service.writeObject(object, new TextEncoder().encode(JSON.stringify(stored)))
        })
      ).pipe(Effect.provide(filesIn(files)))
      expect(yield* upsert({ document })).toMatchObject({ written: 2 })
      expect(ids(yield* search({ text: "lease", top: 1_000 })).toSorted()).toEqual([
        `${document}#0`,
        `${document}#1`
      ])
      expect(yield* remove({ document })).toMatchObject({ deleted: 2 })
    })
  )
})

describe("a document whose title no database holds", () => {
  it.live("is written with what can be held of it", () =>
    Effect.gen(function* () {
      const { files, search, upsert } = yield* collection
      const document = yield* storedDocument(files, "A\0 lease\ud800", "A lease is fifteen seconds long.")

      expect(yield* upsert({ document, model: "hash" })).toMatchObject({ written: 1, refused: [] })

      expect(yield* search({ text: "lease" })).toMatchObject({
        matches: [{ metadata: { title: "A lease\ufffd" } }]
      })
    })
  )
})

describe("an input", () => {
  for (const [what, handler, input, fault] of [
    [
      "an item with neither vector nor text",
      "upsert",
      { items: [{ id: "a" }] },
      "exactly one of vector and text"
    ],
    [
      "two items with one id",
      "upsert",
      {
        items: [
          { id: "a", vector: [1] },
          { id: "a", vector: [1] }
        ]
      },
      "the id a is there twice"
    ],
    ...["x\0y", "x\ud800y"].flatMap(
      (bad) =>
        [
          [
            `metadata with ${JSON.stringify(bad)}`,
            "upsert",
            { items: [{ id: "a", vector: [1], metadata: { kind: bad } }] },
            "/items/0/metadata/kind"
          ],
          [
            `a filter with ${JSON.stringify(bad)}`,
            "search",
            { vector: [1], filter: { kind: { in: [bad] } } },
            "/filter/kind/in/0"
          ]
        ] as const
    ),
    ["a field that it does not have", "remove", { ids: ["a"], al: true }, "did you mean all?"],
    [
      "a collection that cannot be",
      "upsert",
      { collection: "A b", items: [{ id: "a", vector: [1] }] },
      "a collection is named by"
    ],
    ["a filter that says nothing", "search", { vector: [1], filter: {} }, "must name a field"],
    ["a range of a text", "search", { vector: [1], filter: { year: { gte: "2020" } } }, "filter/year"],
    [
      "an operator that there is not",
      "search",
      { vector: [1], filter: { year: { near: 2020 } } },
      "give one of eq, in, gt, gte, lt, lte"
    ],
    ["a field that SQL would mind", "search", { vector: [1], filter: { "a'b": 1 } }, "a field is named by"],
    [
      "two ways to delete",
      "remove",
      { ids: ["a"], all: true },
      "exactly one of ids, document, filter and all"
    ]
  ] as const) {
    it.live(`is refused with ${what}, and says why`, () =>
      Effect.gen(function* () {
        const { [handler]: run } = yield* collection
        const refused = yield* Effect.flip<unknown, unknown, never>(run(input))
        expect(String(refused)).toContain(fault)
      })
    )
  }
})
