/** A question whose passages are found by words and by vectors, with the handlers of vectors as they are. */
import { beforeAll, describe, expect } from "bun:test"
import { Effect, Redacted } from "effect"
import { Troupe } from "../../../api/client/effect.ts"
import { agentQuery } from "../../../handlers/agent-query/index.ts"
import { vectorsSearch } from "../../../handlers/vectors-search/index.ts"
import { vectorsUpsert } from "../../../handlers/vectors-upsert/index.ts"
import { askingSystem } from "../../support/asking-system.ts"
import { it } from "../../support/effect.ts"
import { temporaryFolder } from "../../support/folder.ts"
import { openaiServer } from "../../support/openai.ts"
import { sharedPglite } from "../../support/pglite.ts"
import { storedDocument } from "../../support/stored-documents.ts"

const setUpMs = 120_000
beforeAll(
  () => Effect.runPromise(Effect.flatMap(sharedPglite, ({ database }) => database.transaction([]))),
  setUpMs
)

describe("a question that names a collection", () => {
  it.live(
    "finds what shares no word with it, beside what does, in the documents that it names",
    () =>
      Effect.gen(function* () {
        const files = yield* temporaryFolder
        const { folder } = yield* sharedPglite
        const renewal = yield* storedDocument(files, "Renewal", "Subleaseholders renew quarterly.")
        const others = yield* storedDocument(files, "Others", "Subleaseholders pay.", "Wells give water.")
        const long = yield* storedDocument(files, "Length", "A lease is fifteen seconds long.")
        const server = yield* openaiServer({ pieces: ["So it is [1][2]."] })
        const collection = `c-${crypto.randomUUID().slice(0, 8)}`
        const system = askingSystem({
          store: "memory",
          files,
          url: server.url,
          handlers: [agentQuery, vectorsSearch, vectorsUpsert],
          settings: {
            embeddings: { kind: "hash" },
            vectors: Redacted.make({ kind: "pglite", folder })
          }
        })
        yield* Effect.gen(function* () {
          const troupe = yield* Troupe
          for (const document of [renewal, others, long]) {
            yield* troupe.ask(vectorsUpsert, { collection, document })
          }
          const question = "How long is a lease?"
          const ask = (over: object) =>
            troupe.ask(agentQuery, { question, documents: [renewal, long], ...over })

          const byWords = yield* ask({})
          expect(byWords.citations.map(({ title }) => title)).toEqual(["Length"])
          const byBoth = yield* ask({ collection })
          expect(byBoth.citations.map(({ title }) => title).toSorted()).toEqual(["Length", "Renewal"])
        }).pipe(Effect.provide(system))
      }),
    30_000
  )
})
