/**
 * A model of a provider that speaks OpenAI's embeddings, asked through the package `@ai-sdk/openai`.
 *
 * `OPENAI_API_KEY` and `OPENAI_BASE_URL` (any server that speaks them) say whom. The package retries nothing: what may
 * pass is the task's failure, and is tried again; an answer of 429 says when, to all who use the provider.
 */
import { Clock, Config, Duration, Effect, Option, Redacted } from "effect"
import { Fatal, RetryAfter } from "../../runtime/handler.ts"
import { optionalPackage } from "../packages/optional.ts"
import { pauseOf } from "../pause/retry-after.ts"
import { isTokenCount } from "../model/tokens.ts"
import { refuse } from "../refusal/refuse.ts"
import { withholding } from "../secrets/withhold.ts"
import { type Listed, vectorsOf } from "./answer.ts"
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
  // Servers of one's own often want no key; the package insists on one.
  const embedding = createOpenAI({
    apiKey: key ?? "none",
    ...(baseURL === undefined ? {} : { baseURL })
  }).embedding(name)
  const model = `openai:${name}`
  const withoutKey = withholding(key === undefined ? [] : [{ name: "OPENAI_API_KEY", value: key }]).text

  const embed: Model["embed"] = (texts) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      // What a run says by failing is plain, because plain handlers say it too.
      // @effect-diagnostics-next-line globalErrorInEffectCatch:off
      const answer = yield* Effect.tryPromise({
        // Not through `embedMany` of the package `ai`: it does not tell which vector is whose where it makes two requests.
        try: (abortSignal) => embedding.doEmbed({ values: [...texts], abortSignal }),
        catch: (cause) => failureOf(model, cause, now, withoutKey)
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
      const tokens = answer.usage?.tokens
      return {
        vectors: yield* Effect.fromResult(vectorsOf(model, listedIn(answer), texts.length)),
        tokens: isTokenCount(tokens) ? tokens : undefined
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

/** The package reads the vectors, and hands on in the body the numbers that they came with. */
const listedIn = ({
  embeddings,
  response
}: {
  readonly embeddings: ReadonlyArray<ReadonlyArray<number>>
  readonly response?: { readonly body?: unknown }
}): ReadonlyArray<Listed> => {
  const body = response?.body as { readonly data?: ReadonlyArray<{ readonly index?: unknown }> } | undefined
  return embeddings.map((components, at) => ({ components, index: body?.data?.[at]?.index }))
}

/**
 * What a provider's refusal means. `now` is in Unix milliseconds, for a date that it may say; `withoutKey` takes the key out of
 * what it says, which may say back what it was sent.
 */
export const failureOf = (
  model: string,
  thrown: unknown,
  now: number,
  withoutKey: (text: string) => string = (text) => text
): ModelError => {
  const { responseBody, responseHeaders, statusCode } = thrown as {
    readonly statusCode?: unknown
    readonly responseHeaders?: Readonly<Record<string, string>>
    readonly responseBody?: unknown
  }
  const reason = withoutKey(thrown instanceof Error ? thrown.message : String(thrown))
  const answered = `the provider answered ${String(statusCode)}: ${reason}`
  // What is not paid for does not pass by waiting, though it comes with the same status.
  const isUnpaid = typeof responseBody === "string" && responseBody.includes("insufficient_quota")
  if (statusCode === 429 && !isUnpaid) {
    return new RetryAfter(pauseOf(responseHeaders ?? {}, now), {
      message: `${model}: ${answered}`,
      counted: false,
      limit: limitName
    })
  }
  if (statusCode === 400 || statusCode === 413 || statusCode === 422)
    return new TextsRefused({ model, reason: answered })
  if (typeof statusCode === "number" && statusCode >= 400 && statusCode < 500 && statusCode !== 408) {
    return new Fatal(`${model}: ${answered}`, { type: "ProviderRefused" })
  }
  return new EmbeddingsUnavailable({ model, reason })
}
