/** Conversations in a whole system, with a provider on this machine. */
import { describe, expect } from "bun:test"
import { Effect, Fiber, Stream } from "effect"
import { Troupe } from "../../../api/client/effect.ts"
import { agentChat } from "../../../handlers/agent-chat/index.ts"
import { askingSystem, stores } from "../../support/asking-system.ts"
import { it } from "../../support/effect.ts"
import { temporaryFolder } from "../../support/folder.ts"
import { openaiServer, type Script } from "../../support/openai.ts"
import { storedDocument } from "../../support/stored-documents.ts"

const talking = <A, E>(
  scripts: readonly [Script, ...ReadonlyArray<Script>],
  talk: (at: {
    readonly chat: ReturnType<typeof chatOf>
    readonly server: Effect.Success<ReturnType<typeof openaiServer>>
    readonly files: string
  }) => Effect.Effect<A, E, Troupe>,
  store: (typeof stores)[number] = "memory"
) =>
  Effect.gen(function* () {
    const files = yield* temporaryFolder
    const server = yield* openaiServer(...scripts)
    return yield* Effect.flatMap(Troupe, (troupe) => talk({ chat: chatOf(troupe), server, files })).pipe(
      Effect.provide(askingSystem({ store, files, url: server.url, handlers: [agentChat] }))
    )
  })

const chatOf = (troupe: Troupe["Service"]) => troupe.agent(agentChat, "user-7")

const roles = (messages: ReadonlyArray<{ readonly role: string; readonly content: string }>) =>
  messages.map(({ content, role }) => [role, content])

for (const store of stores) {
  describe(`a conversation on ${store}`, () => {
    it.live("goes on with what was said before, and streams its answers", () =>
      talking(
        [{ pieces: ["Hello ", "Ada."] }, { pieces: ["Ada, as you said."] }],
        ({ chat, server }) =>
          Effect.gen(function* () {
            const first = yield* chat.tell("ask", { question: "I am Ada." })
            const chunks = yield* first.events().pipe(
              Stream.filter(({ type }) => type === "chunk"),
              Stream.map((event) => (event as unknown as { chunk: string }).chunk),
              Stream.runCollect
            )
            expect(chunks.join("")).toBe("Hello Ada.")

            expect(yield* chat.ask("ask", { question: "Who am I?" })).toMatchObject({
              answer: "Ada, as you said.",
              turn: 2,
              usage: { inputTokens: 50, outputTokens: 7, model: "test-model" }
            })
            expect(roles(server.asked[1]!.messages).slice(1)).toEqual([
              ["user", "I am Ada."],
              ["assistant", "Hello Ada."],
              ["user", "Who am I?"]
            ])
            expect(yield* chat.ask("export", null)).toMatchObject({
              key: "user-7",
              asked: 2,
              turns: [
                { number: 1, question: "I am Ada.", answer: "Hello Ada." },
                { number: 2, question: "Who am I?", answer: "Ada, as you said." }
              ],
              spent: { inputTokens: 100, outputTokens: 14, costMicros: 0 }
            })
          }),
        store
      )
    )

    it.live("keeps no half turn of an answer that was cancelled", () =>
      talking(
        [{ pieces: ["Never "], ending: "stall" }, { pieces: ["Whole."] }],
        ({ chat, server }) =>
          Effect.gen(function* () {
            const task = yield* chat.tell("ask", { question: "First?" })
            yield* task.events().pipe(
              Stream.filter(({ type }) => type === "chunk"),
              Stream.take(1),
              Stream.runDrain
            )
            yield* task.cancel()
            yield* Effect.promise(() => server.left)
            expect(yield* chat.ask("ask", { question: "Second?" })).toMatchObject({ turn: 1 })
            expect(roles(server.asked[1]!.messages).slice(1)).toEqual([["user", "Second?"]])
          }),
        store
      )
    )

    it.live("goes on after a provider that is away, with the turn once", () =>
      talking(
        [{ pieces: ["Half "], ending: "cut" }, { pieces: ["Whole."] }],
        ({ chat }) =>
          Effect.gen(function* () {
            const task = yield* chat.tell("ask", { question: "First?" })
            expect(yield* task.result()).toMatchObject({ answer: "Whole.", turn: 1 })
            expect((yield* chat.ask("export", null)).turns.length).toBe(1)
          }),
        store
      )
    )
  })
}

describe("a conversation", () => {
  it.live("answers one question after the other, in the order of their sending", () =>
    talking([{ pieces: ["One."] }, { pieces: ["Two."] }, { pieces: ["Three."] }], ({ chat, server }) =>
      Effect.gen(function* () {
        const asks = ["1", "2", "3"].map((question) => chat.ask("ask", { question }))
        const fibers = yield* Effect.forEach(asks, (ask) => Effect.forkChild(ask, { startImmediately: true }))
        const replies = yield* Effect.forEach(fibers, Fiber.join)
        expect(replies.map(({ turn }) => turn).toSorted((a, b) => a! - b!)).toEqual([1, 2, 3])
        expect(server.asked.map(({ messages }) => messages.length)).toEqual([2, 4, 6])
      })
    )
  )

  it.live("forgets its turns at a reset, and keeps what it was told to be", () =>
    talking([{ pieces: ["Aye."] }], ({ chat, server }) =>
      Effect.gen(function* () {
        yield* chat.ask("configure", { instructions: "You are a pirate." })
        yield* chat.ask("ask", { question: "Well?" })
        expect(yield* chat.ask("reset", null)).toEqual({ turns: 1 })
        expect(yield* chat.ask("ask", { question: "And now?" })).toMatchObject({ turn: 1 })
        expect(roles(server.asked[1]!.messages)).toEqual([
          ["system", "You are a pirate."],
          ["user", "And now?"]
        ])
      })
    )
  )

  it.live("leaves out the oldest turns that its budget of tokens does not hold", () =>
    talking([{ pieces: ["x".repeat(300)] }], ({ chat, server }) =>
      Effect.gen(function* () {
        yield* chat.ask("configure", { historyTokens: 140 })
        for (const question of ["1", "2", "3"]) yield* chat.ask("ask", { question })
        expect(
          server.asked.map(({ messages }) =>
            messages.filter(({ role }) => role === "user").map(({ content }) => content)
          )
        ).toEqual([["1"], ["1", "2"], ["2", "3"]])
        expect((yield* chat.ask("export", null)).turns.length).toBe(3)
      })
    )
  )

  it.live("is summed up by the model where it says so, and the summary is told from then on", () =>
    talking(
      [
        { pieces: ["x".repeat(300)] },
        { pieces: ["y".repeat(300)] },
        { pieces: ["Ada likes tea."], usage: { input: 30, output: 5 } },
        { pieces: ["Tea."] }
      ],
      ({ chat, server }) =>
        Effect.gen(function* () {
          yield* chat.ask("configure", { historyTokens: 140, overflow: "summarise" })
          yield* chat.ask("ask", { question: "I like tea." })
          yield* chat.ask("ask", { question: "2" })
          yield* chat.ask("ask", { question: "3?" })
          yield* chat.ask("ask", { question: "4?" })
          const [, , summing, third] = server.asked
          expect(JSON.parse(summing!.messages[1]!.content)).toEqual({
            turns: [
              { question: "I like tea.", answer: "x".repeat(300) },
              { question: "2", answer: "y".repeat(300) }
            ]
          })
          expect(third!.messages[0]!.content).toContain("Ada likes tea.")
          expect(roles(third!.messages).slice(1)).toEqual([["user", "3?"]])
          expect(server.asked[4]!.messages[0]!.content).toContain("Ada likes tea.")
          const { spent, summary, turns } = yield* chat.ask("export", null)
          expect(summary).toBe("Ada likes tea.")
          expect(turns.length).toBe(4)
          // Four answers, and the summary.
          expect(spent).toMatchObject({ inputTokens: 230, outputTokens: 33 })
        })
    )
  )

  it.live(
    "asks again for a summary, or an answer, that was empty",
    () =>
      talking(
        [
          { pieces: ["x".repeat(300)] },
          { pieces: ["y".repeat(300)] },
          { pieces: [" "] },
          { pieces: ["Ada likes tea."] },
          { pieces: [] },
          { pieces: ["Tea."] }
        ],
        ({ chat, server }) =>
          Effect.gen(function* () {
            yield* chat.ask("configure", { historyTokens: 140, overflow: "summarise" })
            for (const question of ["I like tea.", "2"]) yield* chat.ask("ask", { question })
            expect(yield* chat.ask("ask", { question: "3?" })).toMatchObject({ answer: "Tea.", turn: 3 })
            expect(server.asked.length).toBe(6)
          })
      ),
    20_000
  )

  it.live("searches documents where it may, and says where its answer stands", () =>
    talking(
      [
        { calls: [{ tool: "search_documents", input: { query: "lease" } }] },
        { pieces: ["Fifteen seconds [1]."] }
      ],
      ({ chat, files }) =>
        Effect.gen(function* () {
          yield* storedDocument(files, "Leases", "A lease is fifteen seconds long.")
          yield* chat.ask("configure", { tools: ["search_documents"] })
          expect(yield* chat.ask("ask", { question: "How long?" })).toMatchObject({
            answer: "Fifteen seconds [1].",
            toolCalls: 1,
            citations: [{ title: "Leases", quote: "A lease is fifteen seconds long." }]
          })
          const { markdown } = yield* chat.ask("export", { format: "markdown" })
          expect(markdown).toContain("> How long?\n\nFifteen seconds [1].\n\n- Leases, page 1")
        })
    )
  )

  it.live("answers with a refusal what cannot be answered, and goes on", () =>
    talking([{ status: 400 }, { pieces: ["Yes."] }], ({ chat }) =>
      Effect.gen(function* () {
        expect(yield* chat.ask("ask", { question: "Bad?" })).toMatchObject({
          refused: { type: "ProviderRefused" }
        })
        expect(yield* chat.ask("ask", { question: "Dear?", budget: { inputTokens: 1 } })).toMatchObject({
          refused: { type: "BudgetExceeded" }
        })
        expect(yield* chat.ask("ask", { question: "Good?" })).toMatchObject({ answer: "Yes.", turn: 1 })
      })
    )
  )

  it.live("waits as its provider asks it to, and answers then", () =>
    talking(
      [{ status: 429, headers: { "retry-after-ms": "50" } }, { pieces: ["Now."] }],
      ({ chat, server }) =>
        Effect.gen(function* () {
          expect(yield* chat.ask("ask", { question: "When?" })).toMatchObject({ answer: "Now.", turn: 1 })
          expect(server.times[1]! - server.times[0]!).toBeGreaterThanOrEqual(45)
        })
    )
  )

  it.live("says so where there is no model", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      const reply = Effect.flatMap(Troupe, (troupe) => chatOf(troupe).ask("ask", { question: "Who?" }))
      expect(
        yield* Effect.provide(reply, askingSystem({ store: "memory", files, handlers: [agentChat] }))
      ).toMatchObject({ refused: { type: "NoModel" } })
    })
  )
})
