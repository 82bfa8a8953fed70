/** How well questions find their place: the guide, asked as its readers would ask. */
import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { agentQuery } from "../../../handlers/agent-query/index.ts"
import { guideIn } from "../../support/documents.ts"
import { it } from "../../support/effect.ts"
import { settings, temporaryFolder } from "../../support/folder.ts"
import { runHandler } from "../../support/recording.ts"

/** A question, and words that stand in a right answer. */
const questions: ReadonlyArray<readonly [question: string, answer: RegExp]> = [
  ["How long is a lease by default?", /lease is 15 seconds by default/],
  [
    "What happens to the tasks of a worker that died?",
    /uses up none of their attempts|running on another worker/
  ],
  ["Which event tells a reader that a new attempt begins?", /tells readers to start over/],
  ["Can a browser resume a stream after it lost its connection?", /Last-Event-ID/],
  ["Which eviction policy must Redis have?", /noeviction/],
  ["How much is lost in a power cut?", /up to (about )?a second of writes/],
  ["What is a fencing token?", /number of the attempt is the fencing token/],
  ["What is the idempotency key for?", /idempotency key/],
  ["What does a node do on SIGTERM?", /stops in order/],
  ["How often are redirects followed?", /Redirects are followed five times at most/],
  ["How is a question answered without a language model?", /it quotes the sentences that fit best/],
  ["How many tokens does a chunk have?", /400 tokens/],
  ["Where do I put large data?", /Into a file/],
  ["What is full jitter?", /random, between zero and the computed delay/],
  ["How can I run something every night?", /troupe schedules create/]
]

describe("a question over the guide finds its answer", () => {
  for (const [question, answer] of questions) {
    it.live(question, () =>
      Effect.gen(function* () {
        const files = yield* temporaryFolder
        yield* guideIn(files)
        const output = yield* Effect.provide(runHandler(agentQuery, { question }), settings({ files }))
        expect(output.answer).toMatch(answer)
        expect(output.citations.some(({ quote }) => answer.test(quote))).toBe(true)
      })
    )
  }
})
