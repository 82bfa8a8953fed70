/** A question in a whole system: cancelled in the middle of a word, and told to wait by its provider. */
import { describe, expect } from "bun:test"
import { Effect, Stream } from "effect"
import { Troupe } from "../../../api/client/effect.ts"
import { agentQuery } from "../../../handlers/agent-query/index.ts"
import { askingSystem, stores } from "../../support/asking-system.ts"
import { it } from "../../support/effect.ts"
import { temporaryFolder } from "../../support/folder.ts"
import { openaiServer, type Script } from "../../support/openai.ts"
import { storedDocument } from "../../support/stored-documents.ts"

const arranged = Effect.fnUntraced(function* (...scripts: readonly [Script, ...ReadonlyArray<Script>]) {
  const files = yield* temporaryFolder
  yield* storedDocument(files, "Leases", "A lease is fifteen seconds long.")
  const server = yield* openaiServer(...scripts)
  return { ...server, files, handlers: [agentQuery] }
})

const question = "How long is a lease?"

for (const store of stores) {
  describe(`a question on ${store}`, () => {
    it.live("that is cancelled while its answer comes ends the provider's request at once", () =>
      Effect.gen(function* () {
        const { left, ...at } = yield* arranged({ pieces: ["A lease"], ending: "stall" })
        yield* Effect.gen(function* () {
          const troupe = yield* Troupe
          const task = yield* troupe.submit(agentQuery, { question })
          yield* task.events().pipe(
            Stream.filter(({ type }) => type === "chunk"),
            Stream.take(1),
            Stream.runDrain
          )
          yield* task.cancel()
          yield* Effect.promise(() => left)
          expect(yield* task.state).toBe("cancelled")
        }).pipe(Effect.provide(askingSystem({ store, ...at })))
      })
    )

    it.live("whose provider asks to wait comes back then, and another one waits with it", () =>
      Effect.gen(function* () {
        const { asked, ...at } = yield* arranged(
          { status: 429, headers: { "retry-after-ms": "700" } },
          { pieces: ["Fifteen seconds [1]."] }
        )
        yield* Effect.gen(function* () {
          const troupe = yield* Troupe
          const first = yield* troupe.submit(agentQuery, { question }, { retry: { attempts: 1 } })
          yield* first.events().pipe(
            Stream.filter((event) => event.type === "state" && event.state === "retrying"),
            Stream.take(1),
            Stream.runDrain
          )
          const second = yield* troupe.submit(
            agentQuery,
            { question, cache: false },
            { retry: { attempts: 1 } }
          )
          expect(yield* second.result()).toMatchObject({ answer: "Fifteen seconds [1]." })
          expect(yield* first.result()).toMatchObject({ answer: "Fifteen seconds [1]." })
          // Whoever had not waited would have been answered before, and none would have come back to be refused.
          const [refused, ...answered] = at.times
          expect(asked.length).toBe(3)
          for (const time of answered) expect(time - refused!).toBeGreaterThanOrEqual(690)
        }).pipe(Effect.provide(askingSystem({ store, ...at })))
      })
    )
  })
}
