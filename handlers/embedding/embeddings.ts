/**
 * Embeds texts: looks for vectors that are kept, has a model make the others together with those of other runs, and keeps these.
 *
 * Texts are embedded a window at a time, and each window is kept before the next begins; so who is interrupted, or fails, has
 * lost a window at most, and the next run goes on from there.
 */
import { Context, Effect, Layer, Scope } from "effect"
import { type EmbeddingModel } from "../../runtime/embedding-model.ts"
import { Settings } from "../../runtime/config.ts"
import { Files, type FilesError } from "../../runtime/files.ts"
import type { Fatal } from "../../runtime/handler.ts"
import { refuse } from "../refusal/refuse.ts"
import { EmbeddingCache } from "./cache.ts"
import { modelOf } from "./choice.ts"
import { type Embedded, type Gatherer, makeGatherer } from "./gather.ts"
import type { Model, ModelError } from "./model.ts"
import { tokensOf } from "./tokens.ts"

/** How many texts are looked up, embedded and kept at once for one run. */
const window = 256

export interface EmbeddedTexts {
  /** In the order of the texts, each of length 1. */
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
     * The vectors of texts. `onDone` is told how many are there, and what they have cost, after each window. A text that
     * the model takes not fails the whole, for good.
     */
    readonly embed: <E, R>(
      model: Model,
      texts: ReadonlyArray<string>,
      onDone: (done: number, tokens: number) => Effect.Effect<void, E, R>
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

      const embedWindow = Effect.fnUntraced(function* (model: Model, texts: ReadonlyArray<string>) {
        const different = [...new Set(texts)]
        const kept = model.isKept ? yield* cache.read(model.name, different) : []
        const missing = different.filter((_, at) => kept[at] === undefined)
        const made: ReadonlyArray<Embedded> =
          missing.length === 0 ? [] : yield* (yield* gathererOf(model)).embed(missing)
        if (model.isKept) {
          yield* cache.write(
            model.name,
            missing.map((text, at) => [text, made[at]!.vector] as const)
          )
        }
        const vectors = new Map(missing.map((text, at) => [text, made[at]!.vector]))
        for (const [at, text] of different.entries()) {
          const vector = kept[at]
          if (vector !== undefined) vectors.set(text, vector)
        }
        return {
          vectors: texts.map((text) => vectors.get(text)!),
          tokens: made.reduce((sum, { tokens }) => sum + tokens, 0),
          cached: texts.length - missing.length
        }
      })

      const embed = Effect.fn("Embeddings.embed")(function* <E, R>(
        model: Model,
        texts: ReadonlyArray<string>,
        onDone: (done: number, tokens: number) => Effect.Effect<void, E, R>
      ) {
        const long = texts.findIndex((text) => tokensOf(text) > model.textTokensMax)
        if (long >= 0) {
          return yield* refuse(
            "TextTooLong",
            `text ${long} has about ${tokensOf(texts[long]!)} tokens; ${model.name} takes ${model.textTokensMax} at most`
          )
        }
        const vectors: Array<Float32Array> = []
        let cached = 0
        let tokens = 0
        for (let at = 0; at < texts.length; at += window) {
          const done = yield* embedWindow(model, texts.slice(at, at + window))
          vectors.push(...done.vectors)
          cached += done.cached
          tokens += done.tokens
          yield* onDone(vectors.length, done.tokens)
        }
        return { vectors, cached, tokens: Math.round(tokens) }
      })

      return Embeddings.of({ model, embed })
    })
  ).pipe(Layer.provide(EmbeddingCache.layer), Layer.provide(Files.layer))
}
