/** A worker that is killed in the middle of an answer, and another one that goes on. */
import { describe, expect } from "bun:test"
import { Effect, Stream } from "effect"
import { Troupe } from "../../../api/client/effect.ts"
import { agentChat } from "../../../handlers/agent-chat/index.ts"
import { askingWorker } from "../../support/asking-system.ts"
import { it } from "../../support/effect.ts"
import { temporaryFolder } from "../../support/folder.ts"
import { openaiServer } from "../../support/openai.ts"
import { aNamespace, redisUrl } from "../../support/redis.ts"
import { storedDocument } from "../../support/stored-documents.ts"

describe("a worker that is killed in the middle of an answer", () => {
  it.live(
    "loses no turn and doubles none, and nothing that was remembered is paid for again",
    () =>
      Effect.gen(function* () {
        const files = yield* temporaryFolder
        yield* storedDocument(files, "Leases", "A lease is fifteen seconds long.")
        const server = yield* openaiServer(
          { pieces: ["Good day."] },
          { calls: [{ tool: "search_documents", input: { query: "lease" } }] },
          { pieces: ["Fifteen sec"], ending: "stall" },
          { pieces: ["Fifteen seconds [1]."] }
        )
        const namespace = aNamespace()
        const held = askingWorker({ namespace, files, url: server.url })
        const client = Troupe.layer({ handlers: [agentChat], redisUrl, namespace, settings: { log: "None" } })

        yield* Effect.gen(function* () {
          const chat = (yield* Troupe).agent(agentChat, "user-7")
          const first = yield* held
          yield* chat.ask("configure", { tools: ["search_documents"] })
          yield* chat.ask("ask", { question: "Hello?" })
          const task = yield* chat.tell("ask", { question: "How long is a lease?" })
          yield* task.events().pipe(
            Stream.filter((event) => event.type === "chunk" && event.chunk === "Fifteen sec"),
            Stream.take(1),
            Stream.runDrain
          )

          first.kill("SIGKILL")
          yield* held

          expect(yield* task.result()).toMatchObject({
            answer: "Fifteen seconds [1].",
            turn: 2,
            toolCalls: 1
          })
          expect(
            (yield* chat.ask("export", null)).turns.map(({ answer, number }) => [number, answer])
          ).toEqual([
            [1, "Good day."],
            [2, "Fifteen seconds [1]."]
          ])
          // The call that led to the search is remembered; the answer that broke off is asked for again.
          expect(server.asked.length).toBe(4)
        }).pipe(Effect.provide(client), Effect.scoped)
      }),
    20_000
  )
})
