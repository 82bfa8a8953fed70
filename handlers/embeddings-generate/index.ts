/**
 * Turns texts, or the chunks of a processed document, into vectors that lie near each other where the texts are alike.
 *
 * The texts of all runs of a process are gathered into few calls of the model. Vectors are kept by what their text is, so a
 * text is embedded once; those of a document are only kept, and found there by whoever needs them. A provider's rate is reserved
 * before a task starts, and settled by what was really sent.
 *
 * Safe to repeat: a run that is repeated finds what the earlier ones have kept, and embeds the rest.
 */
import { Effect, Layer, Schema } from "effect"
import { CurrentTask, defineTask } from "../../runtime/handler.ts"
import { Files } from "../../runtime/files.ts"
import { DocumentId, Documents } from "../text/documents.ts"
import { chunksOf } from "../embedding/chunks.ts"
import { Embeddings } from "../embedding/embeddings.ts"
import { ChunkNumber, ModelName, modelNamed, Text } from "../embedding/input.ts"
import { limitOf } from "../embedding/limit.ts"
import { exactly } from "../input/exactly.ts"
import { refuse } from "../refusal/refuse.ts"
import { encodeVector, outputCharacters } from "./encoding.ts"

const textsMax = 2_048

/** Vectors that take more characters of JSON than this are refused: an output has its limit, with some room beside them. */
const vectorCharactersMax = 8_000_000

const Input = Schema.Struct({
  texts: Schema.optionalKey(Schema.Array(Text).check(Schema.isMinLength(1), Schema.isMaxLength(textsMax))),
  document: Schema.optionalKey(DocumentId),
  from: Schema.optionalKey(ChunkNumber),
  to: Schema.optionalKey(ChunkNumber),
  model: Schema.optionalKey(ModelName),
  /** How vectors are written: as lists of numbers, or as the base64 of 32-bit floats, lowest byte first. */
  encoding: Schema.optionalKey(Schema.Literals(["float", "base64"]))
}).check(
  Schema.makeFilter(({ document, from, texts, to }) =>
    (texts === undefined) === (document === undefined)
      ? "name exactly one of texts and document"
      : document === undefined && (from !== undefined || to !== undefined)
        ? "from and to choose chunks of a document"
        : true
  )
)

const output = Schema.Struct({
  model: Schema.String,
  dimensions: Schema.Int,
  /** How many texts were embedded, or found to be. */
  count: Schema.Int,
  /** What the model was given, in tokens. */
  tokens: Schema.Int,
  /** How many of the texts needed no call: their vectors were kept, or they are the same as another one. */
  cached: Schema.Int,
  /** In the order of the texts; absent for a document. */
  vectors: Schema.optionalKey(
    Schema.Union([Schema.Array(Schema.Array(Schema.Finite)), Schema.Array(Schema.String)])
  )
})

/** `embeddings.generate`: turns texts and documents into vectors. */
export const embeddingsGenerate = defineTask.effect({
  name: "embeddings.generate",
  queue: "embeddings",
  input: exactly(Input),
  output,
  timeout: "30 minutes",
  retry: { attempts: 6, backoff: { base: "1 second", cap: "1 minute" } },
  limits: [limitOf((input: typeof Input.Type) => input)],
  layer: Layer.merge(Embeddings.layer, Documents.layer.pipe(Layer.provide(Files.layer))),

  run: Effect.fn("embeddings.generate")(function* ({
    document,
    encoding = "float",
    from,
    model: name,
    texts: given,
    to
  }) {
    const task = yield* CurrentTask
    const embeddings = yield* Embeddings
    const model = yield* embeddings.model(modelNamed(name))
    const texts = document === undefined ? given! : (yield* chunksOf(document, from, to)).texts

    const { cached, tokens, vectors } = yield* embeddings.embed(model, texts, (done) =>
      // What followers are told is a courtesy: the work goes on when it cannot be stored.
      Effect.catchTag(
        task.progress(done / texts.length, `${done} of ${texts.length} texts`),
        "EventRefused",
        () => Effect.void
      )
    )
    const dimensions = vectors[0]?.length ?? 0
    const about = { model: model.name, dimensions, count: texts.length, tokens, cached }
    if (document !== undefined) return about
    const characters = outputCharacters(texts.length, dimensions, encoding)
    if (characters > vectorCharactersMax) {
      return yield* refuse(
        "TooManyVectors",
        `${texts.length} vectors of ${dimensions} dimensions do not fit into an output; give fewer texts` +
          (encoding === "float" ? `, or take the encoding base64` : "")
      )
    }
    return { ...about, vectors: vectors.map((vector) => encodeVector(vector, encoding)) as never }
  })
})
