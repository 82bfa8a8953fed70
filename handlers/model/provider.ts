/**
 * A language model of a provider, asked through the `ai` package.
 *
 * Which one is decided by the environment, where the providers' own names are used: `OPENAI_API_KEY` or
 * `OPENAI_BASE_URL` (any server that speaks OpenAI's chat completions; `OPENAI_MODEL`), else `ANTHROPIC_API_KEY`
 * (`ANTHROPIC_BASE_URL`, `ANTHROPIC_MODEL`), else none. The package retries nothing, and runs no tool: a failure that may
 * pass is the task's, and is tried again by its retry policy; what the model calls is told, and whoever asked runs it.
 */
import type {
  FinishReason,
  LanguageModel,
  LanguageModelUsage,
  ModelMessage,
  TextStreamPart,
  ToolSet
} from "ai"
import { Clock, Config, Context, Duration, Effect, Layer, Option, Redacted, Result, Stream } from "effect"
import { Settings } from "../../runtime/config.ts"
import type { Fatal } from "../../runtime/handler.ts"
import { costMicros } from "../../runtime/model-prices.ts"
import type { JsonSchema } from "../../runtime/tool.ts"
import { optionalPackage } from "../packages/optional.ts"
import { type Withheld, withholding } from "../secrets/withhold.ts"
import { failureOf, type ModelFailure, ProviderUnavailable } from "./failure.ts"
import { isTokenCount } from "./tokens.ts"

const openaiModelDefault = "gpt-5.4-mini"
const anthropicModelDefault = "claude-haiku-5-5"

/** What a model says: pieces of text in order, what it calls, then what it used and why it ended. */
export type Said =
  | { readonly kind: "text"; readonly text: string }
  /** Said and paid for, and no part of the answer: a thought, or a piece of what a tool will be called with. */
  | { readonly kind: "aside"; readonly text: string }
  | { readonly kind: "call"; readonly id: string; readonly tool: string; readonly input: unknown }
  | { readonly kind: "end"; readonly usage: Usage; readonly reason: FinishReason }

/** In tokens, as far as the provider says. */
export interface Usage {
  readonly inputTokens?: number
  readonly outputTokens?: number
}

export interface Request {
  readonly instructions: string
  readonly messages: ReadonlyArray<ModelMessage>
  /** What it may call. */
  readonly tools?: ReadonlyArray<Callable>
  /** It is told of the tools, and must answer without calling any more. */
  readonly mayCall?: boolean
  /** The answer is cut off there. Models that think first need a good part of it. */
  readonly outputTokens: number
}

/** A tool as a model is told of it. */
export interface Callable {
  readonly name: string
  readonly description: string
  readonly parameters: JsonSchema
}

export interface Model {
  readonly name: string

  /**
   * Asks once. `Fatal` is of type `ProviderRefused` (a wrong key, an unknown model) or `PackageMissing`. Interrupting
   * it ends the request, at once.
   */
  readonly ask: (request: Request) => Stream.Stream<Said, ModelFailure>

  /** What so many tokens cost, in millionths of the currency of `TROUPE_MODEL_PRICES`; `undefined` without a price. */
  readonly cost: (tokens: {
    readonly inputTokens: number
    readonly outputTokens: number
  }) => number | undefined
}

/** The model that questions go to, or none. */
export class Provider extends Context.Service<
  Provider,
  {
    readonly model: Model | undefined
  }
>()("troupe/handlers/Provider") {
  static readonly layer = Layer.effect(
    Provider,
    Effect.gen(function* () {
      const { modelPrices, modelStall } = yield* Settings
      const modelOf = (
        name: string,
        languageModel: Effect.Effect<LanguageModel, Fatal>,
        key: Withheld | undefined
      ): Model => ({
        name,
        ask: (request) =>
          asking(name, languageModel, request, modelStall, withholding(key ? [key] : []).text),
        cost: (tokens) => costMicros(modelPrices, name, tokens)
      })
      const openaiKey = yield* secret("OPENAI_API_KEY")
      const openaiUrl = yield* text("OPENAI_BASE_URL")
      if (openaiKey !== undefined || openaiUrl !== undefined) {
        const name = (yield* text("OPENAI_MODEL")) ?? openaiModelDefault
        const key = withheldAs("OPENAI_API_KEY", openaiKey)
        return { model: modelOf(name, openai(name, openaiKey, openaiUrl), key) }
      }
      const anthropicKey = yield* secret("ANTHROPIC_API_KEY")
      if (anthropicKey === undefined) return { model: undefined }
      const name = (yield* text("ANTHROPIC_MODEL")) ?? anthropicModelDefault
      const key = withheldAs("ANTHROPIC_API_KEY", anthropicKey)
      return { model: modelOf(name, anthropic(name, anthropicKey, yield* text("ANTHROPIC_BASE_URL")), key) }
    })
  )
}

/** A variable that is set to nothing is not set. */
const text = (name: string) =>
  Effect.map(Config.option(Config.String(name)), (value) =>
    Option.getOrUndefined(Option.filter(value, (set) => set !== ""))
  )

const secret = (name: string) =>
  Effect.map(Config.option(Config.Redacted(name)), (value) =>
    Option.getOrUndefined(Option.filter(value, (set) => Redacted.value(set) !== ""))
  )

const withheldAs = (name: string, key: Redacted.Redacted<string> | undefined): Withheld | undefined =>
  key === undefined ? undefined : { name, value: Redacted.value(key) }

// ---------------------------------------------------------------------------------------------------------
// Parts
// ---------------------------------------------------------------------------------------------------------

const openai = Effect.fnUntraced(function* (
  model: string,
  key: Redacted.Redacted<string> | undefined,
  baseURL: string | undefined
) {
  const { createOpenAI } = yield* optionalPackage("@ai-sdk/openai", () => import("@ai-sdk/openai"))
  // Servers of one's own often want no key; the package insists on one.
  const apiKey = key === undefined ? "none" : Redacted.value(key)
  return createOpenAI({ apiKey, ...(baseURL === undefined ? {} : { baseURL }) }).chat(model)
})

const anthropic = Effect.fnUntraced(function* (
  model: string,
  key: Redacted.Redacted<string>,
  baseURL: string | undefined
) {
  const { createAnthropic } = yield* optionalPackage("@ai-sdk/anthropic", () => import("@ai-sdk/anthropic"))
  return createAnthropic({ apiKey: Redacted.value(key), ...(baseURL === undefined ? {} : { baseURL }) })(
    model
  )
})

const asking = (
  name: string,
  languageModel: Effect.Effect<LanguageModel, Fatal>,
  { instructions, mayCall = true, messages, outputTokens, tools = [] }: Request,
  stall: Duration.Duration,
  withoutKey: (text: string) => string
): Stream.Stream<Said, ModelFailure> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { jsonSchema, streamText, tool } = yield* optionalPackage("ai", () => import("ai"))
      const model = yield* languageModel
      const abortSignal = yield* Effect.abortSignal
      const clock = yield* Clock.Clock
      const failure = (cause: unknown) => failureOf(name, cause, clock.currentTimeMillisUnsafe(), withoutKey)
      const callable: ToolSet = Object.fromEntries(
        tools.map(({ description, name, parameters }) => [
          name,
          // Without `execute`, so that the package tells of a call and runs nothing.
          tool({ description, inputSchema: jsonSchema(parameters) })
        ])
      )
      const { stream } = streamText({
        instructions,
        messages: [...messages],
        model,
        abortSignal,
        ...(tools.length === 0
          ? {}
          : { tools: callable, toolChoice: mayCall ? ("auto" as const) : ("none" as const) }),
        maxRetries: 0,
        maxOutputTokens: outputTokens,
        // Errors come as parts of the stream; without this they are also printed.
        onError: () => {}
      })
      const silent = new ProviderUnavailable({
        model: name,
        reason: `it said nothing for ${Duration.format(stall)}`
      })
      return Stream.fromAsyncIterable(stream, failure).pipe(
        // What only keeps the connection open is no word.
        Stream.filter(({ type }) => type !== "ping" && type !== "raw"),
        Stream.timeoutOrElse({ duration: stall, orElse: () => Stream.fail(silent) }),
        Stream.mapEffect((part) => Effect.fromResult(read(name, part, failure))),
        Stream.filter((said): said is Said => said !== undefined)
      )
    })
  )

/** What a part of the package's stream says; `undefined` for those that say nothing to us. */
const read = (
  model: string,
  part: TextStreamPart<ToolSet>,
  failure: (cause: unknown) => ModelFailure
): Result.Result<Said | undefined, ModelFailure> => {
  if (part.type === "text-delta")
    return Result.succeed(part.text === "" ? undefined : { kind: "text", text: part.text })
  if (part.type === "reasoning-delta") return Result.succeed({ kind: "aside", text: part.text })
  if (part.type === "tool-input-delta") return Result.succeed({ kind: "aside", text: part.delta })
  if (part.type === "tool-call") {
    const { input, toolCallId, toolName } = part as { input: unknown; toolCallId: string; toolName: string }
    return Result.succeed({ kind: "call", id: toolCallId, tool: toolName, input })
  }
  if (part.type === "error") return Result.fail(failure(part.error))
  if (part.type !== "finish") return Result.succeed(undefined)
  const { finishReason, totalUsage } = part
  return finishReason === "error" || finishReason === "interrupted"
    ? Result.fail(new ProviderUnavailable({ model, reason: "the answer broke off" }))
    : Result.succeed({ kind: "end", usage: usageOf(totalUsage), reason: finishReason })
}

const usageOf = ({ inputTokens, outputTokens }: LanguageModelUsage): Usage => ({
  ...(isTokenCount(inputTokens) ? { inputTokens } : {}),
  ...(isTokenCount(outputTokens) ? { outputTokens } : {})
})
