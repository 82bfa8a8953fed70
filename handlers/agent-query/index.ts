/**
 * Answers a question over processed documents, and says where the answer stands.
 *
 * The best passages are found by their words. With a language model configured it answers from them, token by token;
 * without one the answer is made of the sentences that fit best, and says that it is. Either way the emitted pieces
 * make up the answer when they are put together.
 *
 * Safe to repeat: it writes nothing. A run that is repeated asks the model again, and may answer in other words.
 */
import { Effect, Layer, Schema, Stream } from "effect"
import { Files } from "../../runtime/files.ts"
import { CurrentTask, defineTask } from "../../runtime/handler.ts"
import { DocumentId, Documents } from "../text/documents.ts"
import { Citation } from "./citation.ts"
import { extract } from "./extract.ts"
import { citationsOf, instructions, promptOf } from "./prompt.ts"
import { type Model, Provider, ProviderUnavailable } from "./provider.ts"
import { retrieve, type Retrieved } from "./retrieve.ts"

const questionCharactersMax = 4_000
const documentsMax = 1_000

/** How many passages an answer is made of: enough for a question with parts, few enough to be read by a model. */
const passagesDefault = 6
const passagesMax = 20

const input = Schema.Struct({
  question: Schema.String.check(
    Schema.isPattern(/\S/u, { message: "must not be blank" }),
    Schema.isMaxLength(questionCharactersMax)
  ),
  /** Ids of processed documents. Default: all there are. */
  documents: Schema.optionalKey(
    Schema.Array(DocumentId).check(Schema.isMinLength(1), Schema.isMaxLength(documentsMax))
  ),
  passages: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: passagesMax })))
})

const output = Schema.Struct({
  answer: Schema.String,
  mode: Schema.Literals(["extractive", "provider"]),
  /** The model that answered. */
  model: Schema.optionalKey(Schema.String),
  citations: Schema.Array(Citation),
  usage: Schema.optionalKey(
    Schema.Struct({
      inputTokens: Schema.optionalKey(Schema.Int),
      outputTokens: Schema.optionalKey(Schema.Int)
    })
  )
})
type Output = typeof output.Type

export const agentQuery = defineTask.effect({
  name: "agent.query",
  queue: "agents",
  input,
  output,
  timeout: "5 minutes",
  retry: { attempts: 4, backoff: { base: "2 seconds", cap: "1 minute" } },
  layer: Layer.merge(Documents.layer, Provider.layer).pipe(Layer.provide(Files.layer)),

  run: Effect.fn("agent.query")(function* ({ documents, passages = passagesDefault, question }) {
    const task = yield* CurrentTask
    const { model } = yield* Provider
    const retrieved = yield* retrieve(question, documents, passages)
    yield* Effect.catchTag(
      task.progress(0.2, `${retrieved.passages.length} passages of ${retrieved.documents} documents`),
      // Followers see the answer come anyway.
      "EventRefused",
      () => Effect.void
    )
    return model === undefined || retrieved.passages.length === 0
      ? yield* answerByExtract(retrieved)
      : yield* answerByModel(model, question, retrieved)
  })
})

const answerByExtract = Effect.fnUntraced(function* ({ documents, passages, weights }: Retrieved) {
  const task = yield* CurrentTask
  const citations = extract(passages, weights)
  const pieces =
    citations.length === 0
      ? [`Nothing in the ${documents} documents shares a word with the question, so there is no answer.`]
      : [
          "No language model is configured, so this answer is extractive: it quotes the sentences that fit the question best.",
          ...citations.map(({ page, quote, title }) => `\n\n“${quote}” (${title}, page ${page})`)
        ]
  yield* Effect.forEach(pieces, task.emit, { discard: true })
  return { answer: pieces.join(""), mode: "extractive", citations } satisfies Output
})

const answerByModel = Effect.fnUntraced(function* (model: Model, question: string, { passages }: Retrieved) {
  const task = yield* CurrentTask
  let answer = ""
  let usage: Output["usage"] = {}
  yield* model.ask({ instructions, prompt: promptOf(question, passages) }).pipe(
    Stream.runForEach((said) => {
      if (said.kind === "end") {
        usage = said.usage
        return Effect.void
      }
      answer += said.text
      return task.emit(said.text)
    })
  )
  if (answer.trim() === "") {
    return yield* new ProviderUnavailable({ model: model.name, reason: "the model gave an empty answer" })
  }
  return {
    answer,
    mode: "provider",
    model: model.name,
    citations: citationsOf(answer, passages),
    usage
  } satisfies Output
})
