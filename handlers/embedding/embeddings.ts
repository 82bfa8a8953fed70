/**
 * Embeds texts: looks for vectors that are kept, has a model make the others together with those of other runs, and keeps these.
 *
 * Texts are embedded a window at a time, and each window is kept before the next begins; so who is interrupted has lost a
 * window at most, and the next run goes on from there. Of a window that fails what was embedded is kept, too: it was paid for,
 * and one text that a provider never takes would otherwise have the others paid for with every attempt.
 *
 * All vectors of a run have as many components. Where those that are kept have others than the model makes now, as after a
 * provider has changed it, they are made anew.
 */
import { Context, Effect, Layer, Option, Result, Scope } from "effect"
import { type EmbeddingModel } from "../../runtime/embedding-model.ts"
import { Settings } from "../../runtime/config.ts"
import { Files, type FilesError } from "../../runtime/files.ts"
import { CurrentTask, type Fatal } from "../../runtime/handler.ts"
import { costMicros } from "../../runtime/model-prices.ts"
import { refuse } from "../refusal/refuse.ts"
import { UsageLog } from "../usage/usage.ts"
import { EmbeddingCache } from "./cache.ts"
import { modelOf } from "./choice.ts"
import { type Gatherer, makeGatherer, type Outcome } from "./gather.ts"
import { EmbeddingsUnavailable, type Model, type ModelError } from "./model.ts"
import { limitName } from "./limit.ts"
import { tokensOf } from "./tokens.ts"

/** How many texts are looked up, embedded and kept at once for one run. */
const window = 256

export interface EmbeddedTexts {
  /** In the order of the texts, of as many components each, and of length 1; `hash` gives zeros for a text without a word. */
  readonly vectors: ReadonlyArray<Float32Array>
  /** What the model was given, in tokens; what was kept cost none. */
  readonly tokens: number
  /** How many vectors were kept, or are of a text that came before. */
  readonly cached: number
}

export class Embeddings extends Context.Service<
  Embeddings,
  {
    /** The model that was asked for, or the one of the settings. */
    readonly model: (asked?: EmbeddingModel) => Effect.Effect<Model, Fatal>

    /**
     * The vectors of texts, for the run that asks. What a provider was sent is settled with its limit, and kept as usage,
     * after each window; then `onDone` is told how many are there. A text that the model takes not fails the whole, for good.
     */
    readonly embed: <E, R>(
      model: Model,
      texts: ReadonlyArray<string>,
      onDone: (done: number) => Effect.Effect<void, E, R>
    ) => Effect.Effect<EmbeddedTexts, ModelError | FilesError | E, R>
  }
>()("troupe/handlers/Embeddings") {
  /** Asks for `Settings`. */
  static readonly layer = Layer.effect(
    Embeddings,
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const cache = yield* EmbeddingCache
      const settings = yield* Settings
      const usage = yield* UsageLog
      const models = new Map<string, Model>()
      const gatherers = new Map<string, Gatherer>()

      const model = Effect.fn("Embeddings.model")(function* (asked: EmbeddingModel = settings.embeddings) {
        const key = JSON.stringify(asked)
        const there = models.get(key)
        if (there !== undefined) return there
        const made = yield* Scope.provide(modelOf(asked), scope)
        models.set(key, made)
        return made
      })

      const gathererOf = Effect.fnUntraced(function* (model: Model) {
        const there = gatherers.get(model.name)
        if (there !== undefined) return there
        const made = yield* Scope.provide(makeGatherer(model), scope)
        gatherers.set(model.name, made)
        return made
      })

      /**
       * A window. The model is known to make vectors of `dimensions`, or those of the windows before are `alike`; what is kept
       * and has others is of another time, and made anew. `vectors` are absent where this showed only by what was made, and not
       * all there where it fails with `failure`, after what was made is kept.
       */
      const embedWindow = Effect.fnUntraced(function* (
        model: Model,
        texts: ReadonlyArray<string>,
        { alike, dimensions }: { readonly alike: number | undefined; readonly dimensions: number | undefined }
      ) {
        const different = [...new Set(texts)]
        const found = model.isKept ? yield* cache.read(model.name, different) : []
        const expected = dimensions ?? alike ?? found.find((vector) => vector !== undefined)?.length
        const kept = found.map((vector) => (vector?.length === expected ? vector : undefined))
        const missing = different.filter((_, at) => kept[at] === undefined)
        const outcomes: ReadonlyArray<Outcome> =
          missing.length === 0 ? [] : yield* (yield* gathererOf(model)).embed(missing)
        const made = outcomes.flatMap((outcome, at) =>
          Result.isSuccess(outcome) ? [{ text: missing[at]!, ...outcome.success }] : []
        )
        const said = dimensions ?? made[0]?.vector.length
        const other = made.find(({ vector }) => vector.length !== said)
        const isOutdated = said !== undefined && expected !== undefined && said !== expected
        // What is doubtful is not kept.
        if (model.isKept && other === undefined) {
          yield* cache
            .write(
              model.name,
              made.map(({ text, vector }) => [text, vector] as const)
            )
            .pipe(
              // They are there and paid for; to fail here would be to pay for them again.
              Effect.catchTag("FilesError", (error) =>
                Effect.logWarning(`vectors of ${model.name} are not kept for later: ${error.message}`)
              )
            )
        }
        const failure =
          outcomes.find(Result.isFailure)?.failure ??
          (other === undefined
            ? undefined
            : new EmbeddingsUnavailable({
                model: model.name,
                reason: `its vectors have ${said} components, and ${other.vector.length}`
              }))
        const vectors = new Map(made.map(({ text, vector }) => [text, vector]))
        for (const [at, text] of different.entries()) {
          const vector = kept[at]
          if (vector !== undefined) vectors.set(text, vector)
        }
        return {
          dimensions: said,
          failure,
          vectors: isOutdated ? undefined : texts.map((text) => vectors.get(text)!),
          tokens: made.reduce((sum, { tokens }) => sum + tokens, 0),
          made: made.length
        }
      })

      const charge = Effect.fnUntraced(function* (model: Model, tokens: number, number: number) {
        const run = yield* Effect.serviceOption(CurrentTask)
        // Who asks without a task, as a bench does, has no limit to settle.
        if (Option.isNone(run)) return
        const { attempt, spent, task } = run.value
        yield* spent(limitName, tokens)
        if (tokens === 0) return
        const counts = { inputTokens: tokens, outputTokens: 0 }
        const name = model.name.replace(/^openai:/, "")
        const cost = costMicros(settings.modelPrices, name, counts)
        const kept = usage.record({
          tenant: task.tenant,
          handler: task.name,
          model: name,
          ...counts,
          ...(cost === undefined ? {} : { costMicros: cost }),
          task: task.id,
          attempt,
          call: number
        })
        // The vectors are there and paid for; to fail here would change nothing of that.
        yield* kept.pipe(
          Effect.catchTag("FilesError", ({ message }) =>
            Effect.logWarning(`usage of ${task.id} is not kept: ${message}`)
          )
        )
      })

      const embed = Effect.fn("Embeddings.embed")(function* <E, R>(
        model: Model,
        texts: ReadonlyArray<string>,
        onDone: (done: number) => Effect.Effect<void, E, R>
      ) {
        const long = texts.findIndex((text) => tokensOf(text) > model.textTokensMax)
        if (long >= 0) {
          return yield* refuse(
            "TextTooLong",
            `text ${long} has about ${tokensOf(texts[long]!)} tokens; ${model.name} takes ${model.textTokensMax} at most`
          )
        }
        let vectors: ReadonlyArray<Float32Array> = []
        let dimensions: number | undefined
        let made = 0
        let tokens = 0
        for (let number = 0; vectors.length < texts.length; number++) {
          const part = texts.slice(vectors.length, vectors.length + window)
          const done = yield* embedWindow(model, part, { alike: vectors[0]?.length, dimensions })
          made += done.made
          tokens += done.tokens
          // Of a call that failed nobody knows what it took of the rate, so what was reserved for it stays.
          if (model.isLimited && (done.failure === undefined || done.made > 0)) {
            yield* charge(model, Math.ceil(done.tokens), number)
          }
          if (done.failure !== undefined) return yield* Effect.fail(done.failure)
          dimensions = done.dimensions
          // From the first text again; this happens once, as it is known from now on what the model makes.
          vectors = done.vectors === undefined ? [] : [...vectors, ...done.vectors]
          yield* onDone(vectors.length)
        }
        return { vectors, cached: texts.length - made, tokens: Math.round(tokens) }
      })

      return Embeddings.of({ model, embed })
    })
  ).pipe(Layer.provide(Layer.merge(EmbeddingCache.layer, UsageLog.layer)), Layer.provide(Files.layer))
}
