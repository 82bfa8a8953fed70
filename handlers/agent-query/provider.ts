/**
 * A language model of a provider, asked through the `ai` package.
 *
 * Which one is decided by the environment, where the providers' own names are used: `OPENAI_API_KEY` or
 * `OPENAI_BASE_URL` (any server that speaks OpenAI's chat completions; `OPENAI_MODEL`), else `ANTHROPIC_API_KEY`
 * (`ANTHROPIC_BASE_URL`, `ANTHROPIC_MODEL`), else none. The package retries nothing: a failure that may pass is the
 * task's, and is tried again by its retry policy.
 */
import type { LanguageModel, TextStreamPart, ToolSet } from "ai"
import { Config, Context, Effect, Layer, Option, Redacted, Result, Schema, Stream } from "effect"
import { Fatal } from "../../runtime/handler.ts"
import { optionalPackage } from "../packages/optional.ts"

const openaiModelDefault = "gpt-5.4-mini"
const anthropicModelDefault = "claude-haiku-5-5"

/** An answer is cut off there. Models that think first need a good part of it. */
const outputTokensMax = 4_096

/** The provider cannot answer now: it is down, over its limit, or broke off. Worth another try later. */
export class ProviderUnavailable extends Schema.TaggedError<ProviderUnavailable>()("ProviderUnavailable", {
  model: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.model}: ${this.reason}`
  }
}

/** What a model says: pieces of text in order, then what it used. */
export type Said =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "end"; readonly usage: Usage }

/** In tokens, as far as the provider says. */
export interface Usage {
  readonly inputTokens?: number
  readonly outputTokens?: number
}

export interface Prompt {
  readonly instructions: string
  readonly prompt: string
}

export interface Model {
  readonly name: string

  /**
   * Asks once. `Fatal` is of type `ProviderRefused` (a wrong key, an unknown model) or `PackageMissing`. Interrupting
   * it ends the request.
   */
  readonly ask: (prompt: Prompt) => Stream.Stream<Said, Fatal | ProviderUnavailable>
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
      const openaiKey = yield* secret("OPENAI_API_KEY")
      const openaiUrl = yield* text("OPENAI_BASE_URL")
      if (openaiKey !== undefined || openaiUrl !== undefined) {
        const name = (yield* text("OPENAI_MODEL")) ?? openaiModelDefault
        return { model: modelOf(name, openai(name, openaiKey, openaiUrl)) }
      }
      const anthropicKey = yield* secret("ANTHROPIC_API_KEY")
      if (anthropicKey === undefined) return { model: undefined }
      const name = (yield* text("ANTHROPIC_MODEL")) ?? anthropicModelDefault
      return { model: modelOf(name, anthropic(name, anthropicKey, yield* text("ANTHROPIC_BASE_URL"))) }
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

const modelOf = (name: string, languageModel: Effect.Effect<LanguageModel, Fatal>): Model => ({
  name,
  ask: (prompt) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const { streamText } = yield* optionalPackage("ai", () => import("ai"))
        const model = yield* languageModel
        const abortSignal = yield* Effect.abortSignal
        const { stream } = streamText({
          ...prompt,
          model,
          abortSignal,
          maxRetries: 0,
          maxOutputTokens: outputTokensMax,
          // Errors come as parts of the stream; without this they are also printed.
          onError: () => {}
        })
        return Stream.fromAsyncIterable(stream, (cause) => failureOf(name, cause)).pipe(
          Stream.mapEffect((part) => Effect.fromResult(read(name, part))),
          Stream.filter((said): said is Said => said !== undefined)
        )
      })
    )
})

/** What a part of the package's stream says; `undefined` for those that say nothing to us. */
const read = (
  model: string,
  part: TextStreamPart<ToolSet>
): Result.Result<Said | undefined, Fatal | ProviderUnavailable> => {
  if (part.type === "text-delta")
    return Result.succeed(part.text === "" ? undefined : { kind: "text", text: part.text })
  if (part.type === "error") return Result.fail(failureOf(model, part.error))
  if (part.type !== "finish") return Result.succeed(undefined)
  const { finishReason, totalUsage } = part
  return finishReason === "error" || finishReason === "interrupted"
    ? Result.fail(new ProviderUnavailable({ model, reason: "the answer broke off" }))
    : Result.succeed({ kind: "end", usage: usageOf(totalUsage) })
}

const usageOf = ({
  inputTokens,
  outputTokens
}: {
  inputTokens: number | undefined
  outputTokens: number | undefined
}): Usage => ({
  ...(inputTokens === undefined ? {} : { inputTokens }),
  ...(outputTokens === undefined ? {} : { outputTokens })
})

/** A refusal for a reason that stays is fatal; all else may pass. The request is left out: it holds the documents. */
const failureOf = (model: string, cause: unknown): Fatal | ProviderUnavailable => {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const { isRetryable, statusCode } = cause as {
    readonly isRetryable?: unknown
    readonly statusCode?: unknown
  }
  return typeof statusCode === "number" && statusCode >= 400 && statusCode < 500 && isRetryable !== true
    ? new Fatal(`${model}: the provider answered ${statusCode}: ${reason}`, { type: "ProviderRefused" })
    : new ProviderUnavailable({ model, reason })
}
