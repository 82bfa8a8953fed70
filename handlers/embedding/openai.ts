/**
 * A model of a provider that speaks OpenAI's embeddings, asked through the `ai` package.
 *
 * `OPENAI_API_KEY` and `OPENAI_BASE_URL` (any server that speaks them) say whom. The package retries nothing: what may
 * pass is the task's failure, and is tried again; an answer of 429 says when, to all who use the provider.
 */
import { Clock, Config, Duration, Effect, Option, Redacted } from "effect"
import { Fatal, RetryAfter } from "../../runtime/handler.ts"
import { optionalPackage } from "../packages/optional.ts"
import { pauseOf } from "../pause/retry-after.ts"
import { refuse } from "../refusal/refuse.ts"
import { normalized } from "./hash.ts"
import { limitName } from "./limit.ts"
import { EmbeddingsUnavailable, type Model, type ModelError, TextsRefused } from "./model.ts"

/** A call without an answer for so long is given up. */
const callTimeoutDefault: Duration.Input = "1 minute"

/** Fails with `Fatal` of type `PackageMissing`, `ProviderMissing` where no provider is set. */
export const openaiModel = Effect.fnUntraced(function* (
  name: string,
  callTimeout: Duration.Input = callTimeoutDefault
) {
  const key = yield* variable("OPENAI_API_KEY")
  const baseURL = yield* variable("OPENAI_BASE_URL")
  if (key === undefined && baseURL === undefined) {
    return yield* refuse(
      "ProviderMissing",
      `openai:${name} needs OPENAI_API_KEY, or OPENAI_BASE_URL of a server of one's own`
    )
  }
  const { createOpenAI } = yield* optionalPackage("@ai-sdk/openai", () => import("@ai-sdk/openai"))
  const { embedMany } = yield* optionalPackage("ai", () => import("ai"))
  // Servers of one's own often want no key; the package insists on one.
  const embedding = createOpenAI({
    apiKey: key ?? "none",
    ...(baseURL === undefined ? {} : { baseURL })
  }).embedding(name)
  const model = `openai:${name}`

  const embed: Model["embed"] = (texts) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      // What a run says by failing is plain, because plain handlers say it too.
      // @effect-diagnostics-next-line globalErrorInEffectCatch:off
      const { embeddings, usage } = yield* Effect.tryPromise({
        try: (abortSignal) =>
          embedMany({
            model: embedding,
            values: [...texts],
            maxRetries: 0,
            maxParallelCalls: 1,
            abortSignal
          }),
        catch: (cause) => failureOf(model, cause, now)
      }).pipe(
        Effect.timeoutOrElse({
          duration: callTimeout,
          orElse: () =>
            new EmbeddingsUnavailable({
              model,
              reason: `no answer within ${Duration.format(Duration.fromInputUnsafe(callTimeout))}`
            })
        })
      )
      if (embeddings.length !== texts.length) {
        const reason = `${embeddings.length} vectors came for ${texts.length} texts`
        return yield* new EmbeddingsUnavailable({ model, reason })
      }
      return {
        vectors: embeddings.map((components) => normalized(new Float32Array(components))),
        tokens: Number.isFinite(usage.tokens) ? usage.tokens : undefined
      }
    })

  return {
    name: model,
    isKept: true,
    isLimited: true,
    textTokensMax: 8_191,
    gather: { count: 256, tokens: 64_000, waitMs: 20, concurrency: 4 },
    embed
  } satisfies Model
})

/** A variable that is set to nothing is not set. */
const variable = (name: string) =>
  Effect.map(Effect.orDie(Config.option(Config.Redacted(name))), (value) =>
    Option.getOrUndefined(Option.filter(Option.map(value, Redacted.value), (set) => set !== ""))
  )

/** What a provider's refusal means. `now` is in Unix milliseconds, for a date that it may say. */
export const failureOf = (model: string, thrown: unknown, now: number): ModelError => {
  const cause = (thrown as { readonly lastError?: unknown }).lastError ?? thrown
  const { responseBody, responseHeaders, statusCode } = cause as {
    readonly statusCode?: unknown
    readonly responseHeaders?: Readonly<Record<string, string>>
    readonly responseBody?: unknown
  }
  const reason = cause instanceof Error ? cause.message : String(cause)
  const told = `${model}: the provider answered ${String(statusCode)}: ${reason}`
  // What is not paid for does not pass by waiting, though it comes with the same status.
  const isUnpaid = typeof responseBody === "string" && responseBody.includes("insufficient_quota")
  if (statusCode === 429 && !isUnpaid) {
    return new RetryAfter(pauseOf(responseHeaders ?? {}, now), {
      message: told,
      counted: false,
      limit: limitName
    })
  }
  if (statusCode === 400 || statusCode === 413 || statusCode === 422)
    return new TextsRefused({ model, reason: told })
  if (typeof statusCode === "number" && statusCode >= 400 && statusCode < 500 && statusCode !== 408) {
    return new Fatal(told, { type: "ProviderRefused" })
  }
  return new EmbeddingsUnavailable({ model, reason })
}
