/** A worker that is killed in the middle of a batch, and another one that goes on. */
import { describe, expect } from "bun:test"
import { Effect, Stream } from "effect"
import { Troupe } from "../../../api/client/effect.ts"
import { agentBatch, agentBatchPart } from "../../../handlers/agent-batch/index.ts"
import { agentQuery } from "../../../handlers/agent-query/index.ts"
import { askingWorker } from "../../support/asking-system.ts"
import { it } from "../../support/effect.ts"
import { temporaryFolder } from "../../support/folder.ts"
import { openaiServer } from "../../support/openai.ts"
import { aNamespace, redisUrl } from "../../support/redis.ts"
import { storedDocument } from "../../support/stored-documents.ts"

describe("a worker that is killed in the middle of a batch", () => {
  it.live(
    "leaves a batch that is finished by another, and no row that was answered is asked again",
    () =>
      Effect.gen(function* () {
        const files = yield* temporaryFolder
        yield* storedDocument(files, "Leases", "A lease is fifteen seconds long.")
        const server = yield* openaiServer({ pieces: ["Yes."] })
        const namespace = aNamespace()
        const handlers = [agentBatch, agentBatchPart, agentQuery]
        const client = Troupe.layer({ handlers, redisUrl, namespace, settings: { log: "None" } })

        yield* Effect.gen(function* () {
          const held = askingWorker({ namespace, files, url: server.url })
          const first = yield* held
          const rows = Array.from({ length: 40 }, (_, at) => ({ question: `How long is lease ${at}?` }))
          const task = yield* (yield* Troupe).submit(agentBatch, { rows, atOnce: 8 })
          // In the midst of the second part of four.
          yield* task.events().pipe(
            Stream.filter((event) => event.type === "progress"),
            Stream.take(1),
            Stream.runDrain
          )

          first.kill("SIGKILL")
          const before = server.asked.length
          yield* held

          expect(yield* task.result()).toMatchObject({ rows: 40, answered: 40, failed: 0 })
          expect(before).toBeLessThan(40)
          // Beside those that were asked and not stored when it died: eight at most.
          expect(server.asked.length).toBeLessThanOrEqual(48)
        }).pipe(Effect.provide(client), Effect.scoped)
      }),
    30_000
  )
})
