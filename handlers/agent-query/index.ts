/**
 * Answers a question over processed documents, and says where the answer stands.
 *
 * The best passages are found by their words. With a language model configured it answers from them, token by token, and
 * may call the tools that the question names; without one the answer is made of the sentences that fit best, and says
 * that it is. Either way the emitted texts make up the answer when they are put together.
 *
 * Safe to repeat: what was asked and what tools were called is remembered, so a run that is repeated goes on where the
 * last one was; an answer that broke off in the middle is asked for again, and may come in other words.
 */
import { Effect, Layer, Option, Schema } from "effect"
import { Files } from "../../runtime/files.ts"
import { CurrentTask, defineTask } from "../../runtime/handler.ts"
import { toolName } from "../../runtime/tool.ts"
import { exactly } from "../input/exactly.ts"
import { Answers, requestOf } from "../model/answers.ts"
import { Budget, stops } from "../model/budget.ts"
import { UsageJson } from "../model/call.ts"
import { converse, type Tool } from "../model/converse.ts"
import { modelLimit } from "../model/failure.ts"
import { type Model, Provider } from "../model/provider.ts"
import { Citation } from "../passages/citation.ts"
import { citationsOf, type Quotation, quotationOf } from "../passages/quotation.ts"
import { documentsFor, retrieve, type Retrieved } from "../passages/retrieve.ts"
import { searchDocuments, searchDocumentsName } from "../passages/search-documents.ts"
import { DocumentId, Documents } from "../text/documents.ts"
import { toolsNamed } from "../tools/callable.ts"
import { Tools } from "../tools/tools.ts"
import { UsageLog } from "../usage/usage.ts"
import { extract } from "./extract.ts"
import { instructionsOf, promptOf } from "./prompt.ts"

const questionCharactersMax = 4_000
const instructionsCharactersMax = 4_000
const documentsMax = 1_000

/** How many passages an answer is made of: enough for a question with parts, few enough to be read by a model. */
const passagesDefault = 6
const passagesMax = 20

/** So many of the nearest vectors are looked at. */
const nearestMax = 40

const toolsMax = 16
const toolCallsDefault = 8
const toolCallsMax = 32

/** How long an answer is given again to the same question over the same documents. */
const cacheDefaultMs = 3_600_000
const cacheMaxMs = 30 * 24 * 3_600_000

/** How many runs ask models at once, in all processes together: more than workers run unless there are many. */
const askingMax = 256

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const input = Schema.Struct({
  question: Schema.String.check(
    Schema.isPattern(/\S/u, { message: "must not be blank" }),
    Schema.isMaxLength(questionCharactersMax)
  ),
  /** Ids of processed documents. Default: all there are. */
  documents: Schema.optionalKey(
    Schema.Array(DocumentId).check(Schema.isMinLength(1), Schema.isMaxLength(documentsMax))
  ),
  passages: Schema.optionalKey(between(1, passagesMax)),
  /** A collection that the documents were indexed in: passages are then found by words and by vectors. */
  collection: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^[a-z0-9][a-z0-9_-]{0,62}$/u, {
        message: "1 to 63 of a-z 0-9 _ -, the first no sign"
      })
    )
  ),
  /** What the model is told beside how to answer: the manner, the form. */
  instructions: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(instructionsCharactersMax))),
  /** Names of tools that the model may call. Default: none. */
  tools: Schema.optionalKey(
    Schema.Array(
      Schema.String.check(
        Schema.isPattern(toolName, { message: "1 to 64 of A-Z a-z 0-9 _ -, a letter first" })
      )
    ).check(Schema.isMaxLength(toolsMax))
  ),
  toolCalls: Schema.optionalKey(between(1, toolCallsMax)),
  budget: Schema.optionalKey(Budget),
  /** For how long the answer is given again to the same question; `false` asks the model, and keeps nothing. */
  cache: Schema.optionalKey(
    Schema.Union([Schema.Literal(false), Schema.Struct({ ttlMs: between(1, cacheMaxMs) })])
  )
})
type Input = typeof input.Type

const output = Schema.Struct({
  answer: Schema.String,
  mode: Schema.Literals(["extractive", "provider"]),
  /** The model that answered. */
  model: Schema.optionalKey(Schema.String),
  citations: Schema.Array(Citation),
  /** What this run was charged; nothing where the answer was kept from an earlier one. */
  usage: Schema.optionalKey(UsageJson),
  toolCalls: Schema.optionalKey(Schema.Int),
  /** The answer is that of an earlier, equal request. */
  cached: Schema.optionalKey(Schema.Boolean),
  /** Why the answer ends early. */
  stopped: Schema.optionalKey(Schema.Struct({ by: Schema.Literals(stops), message: Schema.String }))
})
type Output = typeof output.Type

/** `agent.query`: answers a question over documents, with tools, a budget and citations. */
export const agentQuery = defineTask.effect({
  name: "agent.query",
  queue: "agents",
  input: exactly(input),
  output,
  timeout: "5 minutes",
  retry: { attempts: 4, backoff: { base: "2 seconds", cap: "1 minute" } },
  limits: [{ key: modelLimit, concurrency: askingMax }],
  layer: Layer.mergeAll(Documents.layer, Provider.layer, UsageLog.layer, Answers.layer, Tools.layer).pipe(
    Layer.provide(Files.layer)
  ),

  run: Effect.fn("agent.query")(function* (asked) {
    const { collection, documents, passages = passagesDefault, question, tools = [] } = asked
    const { model } = yield* Provider
    const named = yield* toolsNamed(tools, [searchDocumentsName])
    const ids = tools.some((name) => name !== searchDocumentsName)
      ? // With other tools there may be an answer without any document.
        yield* Effect.catchIf(
          documentsFor(documents),
          (error) => error.name === "NoDocuments",
          () => Effect.succeed([])
        )
      : yield* documentsFor(documents)
    const near = collection === undefined ? [] : yield* nearest(collection, question, documents)
    const found = retrieve(question, ids, passages, near)
    return model === undefined
      ? yield* answerByExtract(yield* found)
      : yield* answerByModel(model, asked, named, ids, found)
  })
})

const Matches = Schema.Struct({ matches: Schema.Array(Schema.Struct({ id: Schema.String })) })

/** The places of passages whose vectors are nearest to the question's, the best first. */
const nearest = Effect.fnUntraced(function* (
  collection: string,
  question: string,
  documents: ReadonlyArray<string> | undefined
) {
  const task = yield* CurrentTask
  const child = yield* task.submit("vectors.search", {
    collection,
    text: question,
    top: nearestMax,
    ...(documents === undefined ? {} : { filter: { document: { in: documents } } })
  })
  const [found] = yield* task.all([child])
  const { matches } = yield* Effect.orDie(Schema.decodeUnknownEffect(Matches)(found))
  return matches.map(({ id }) => id)
})

const told = (message: string) =>
  CurrentTask.use((task) =>
    Effect.catchTag(
      task.progress(0.2, message),
      // Followers see the answer come anyway.
      "EventRefused",
      () => Effect.void
    )
  )

const answerByExtract = Effect.fnUntraced(function* ({ documents, passages, weights }: Retrieved) {
  const task = yield* CurrentTask
  yield* told(`${passages.length} passages of ${documents} documents`)
  const citations = extract(passages, weights)
  const pieces =
    citations.length === 0
      ? [nothingIn(documents)]
      : [
          "No language model is configured, so this answer is extractive: it quotes the sentences that fit the question best.",
          ...citations.map(({ page, quote, title }) => `\n\n“${quote}” (${title}, page ${page})`)
        ]
  yield* Effect.forEach(pieces, task.emit, { discard: true })
  return { answer: pieces.join(""), mode: "extractive", citations } satisfies Output
})

const nothingIn = (documents: number) =>
  `Nothing in the ${documents} documents shares a word with the question, so there is no answer.`

const answerByModel = Effect.fnUntraced(function* (
  model: Model,
  { budget = {}, cache, instructions: further, question, toolCalls = toolCallsDefault, tools = [] }: Input,
  named: ReadonlyArray<Tool>,
  ids: ReadonlyArray<string>,
  found: ReturnType<typeof retrieve>
) {
  const task = yield* CurrentTask
  const answers = yield* Answers
  const documents = yield* Documents
  // Remembered, so that numbers mean the same passages in every run, whatever is processed meanwhile.
  const passages: Array<Quotation> = [
    ...(yield* task.step(
      "find passages",
      Effect.map(found, ({ passages }) => passages.map(quotationOf))
    ))
  ]
  yield* told(`${passages.length} passages of ${ids.length} documents`)
  if (passages.length === 0 && tools.length === 0) {
    const answer = nothingIn(ids.length)
    yield* task.emit(answer)
    return { answer, mode: "extractive", citations: [] } satisfies Output
  }

  const instructions = instructionsOf({ hasTools: tools.length > 0, further })
  const prompt = promptOf(question, passages)
  // What other tools say may change with the world.
  const isCached = cache !== false && named.length === 0
  const request = requestOf(model.name, instructions, prompt, ids, tools, toolCalls)
  const kept = isCached ? yield* keptAnswer(request) : undefined
  if (kept !== undefined) {
    yield* task.emit(kept.answer)
    const cost = model.cost({ inputTokens: 0, outputTokens: 0 })
    return {
      ...kept,
      mode: "provider",
      model: model.name,
      usage: {
        inputTokens: 0,
        outputTokens: 0,
        ...(cost === undefined ? {} : { costMicros: cost }),
        model: model.name
      },
      cached: true
    } satisfies Output
  }

  const search = searchDocuments(passages, (query, limit) =>
    Effect.provideService(retrieve(query, ids, limit), Documents, documents)
  )
  const {
    stopped,
    text,
    toolCalls: called,
    usage
  } = yield* converse(task, model, {
    instructions,
    messages: [{ role: "user", content: prompt }],
    tools: [...(tools.includes(searchDocumentsName) ? [search] : []), ...named],
    toolCallsMax: toolCalls,
    budget
  })
  const answered = {
    answer: text,
    citations: citationsOf(text, passages),
    ...(tools.length === 0 ? {} : { toolCalls: called })
  } satisfies Kept
  if (isCached && stopped === undefined) {
    yield* answers.keep(request, answered, cache === undefined ? cacheDefaultMs : cache.ttlMs).pipe(
      // The answer is there and paid for; it is only not kept.
      Effect.catch((error) => Effect.logWarning("an answer could not be kept for later", error))
    )
  }
  return {
    ...answered,
    mode: "provider",
    model: model.name,
    usage,
    ...(stopped === undefined ? {} : { stopped })
  } satisfies Output
})

/** What is kept of an answer for the next equal request. */
const Kept = Schema.Struct({
  answer: output.fields.answer,
  citations: output.fields.citations,
  toolCalls: output.fields.toolCalls
})
type Kept = typeof Kept.Type

/** One that cannot be read, or that another version has kept in another way, is none: the model is asked. */
const keptAnswer = (request: string) =>
  Answers.use(({ find }) => find(request)).pipe(
    Effect.catch((error) =>
      Effect.as(Effect.logWarning("a kept answer could not be read", error), undefined)
    ),
    Effect.map((kept) => Option.getOrUndefined(Schema.decodeUnknownOption(Kept)(kept)))
  )
