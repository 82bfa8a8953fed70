/**
 * Finds the items of a collection that are most like a vector or a text.
 *
 * Safe to repeat: it writes nothing but the vector of its text, to those that are kept.
 */
import { Effect, Layer, Schema } from "effect"
import { defineTask } from "../../runtime/handler.ts"
import { Embeddings } from "../embedding/embeddings.ts"
import { ModelName, Text } from "../embedding/input.ts"
import { limitOf } from "../embedding/limit.ts"
import { exactly } from "../input/exactly.ts"
import { refuse } from "../refusal/refuse.ts"
import { layer as storeLayer } from "../vectors/choice.ts"
import { Filter, Metadata } from "../vectors/filter.ts"
import { agree, CollectionName, embedFor, Vector } from "../vectors/input.ts"
import { VectorStore } from "../vectors/store.ts"
import { faultOf } from "../vectors/write.ts"

const topDefault = 10
const topMax = 1_000

const Input = Schema.Struct({
  collection: CollectionName,
  vector: Schema.optionalKey(Vector),
  text: Schema.optionalKey(Text),
  /** How many items at most. */
  top: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: topMax }))),
  filter: Schema.optionalKey(Filter),
  model: Schema.optionalKey(ModelName)
}).check(
  Schema.makeFilter(
    ({ text, vector }) =>
      (text === undefined) !== (vector === undefined) || "give exactly one of vector and text"
  )
)
type Input = typeof Input.Type

const output = Schema.Struct({
  matches: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      /** The cosine of the angle between the two vectors, from -1 to 1. */
      score: Schema.Finite,
      metadata: Metadata
    })
  ),
  /** The model that the text was embedded by. */
  model: Schema.optionalKey(Schema.String)
})

/** `vectors.search`: finds the vectors of a collection that are most alike. */
export const vectorsSearch = defineTask.effect({
  name: "vectors.search",
  queue: "vectors",
  // Somebody waits for it, where a write can wait.
  priority: "high",
  input: exactly(Input),
  output,
  timeout: "2 minutes",
  retry: { attempts: 4, backoff: { base: "500 millis", cap: "10 seconds" } },
  limits: [
    limitOf(({ model, text }: Input) => ({
      ...(model === undefined ? {} : { model }),
      texts: text === undefined ? [] : [text]
    }))
  ],
  layer: Layer.merge(Embeddings.layer, storeLayer),

  run: Effect.fn("vectors.search")(function* ({
    collection: name,
    filter,
    model,
    text,
    top = topDefault,
    vector
  }) {
    const store = yield* VectorStore
    const collection = yield* store.collection(name)
    if (collection === undefined) {
      return yield* refuse(
        "NoSuchCollection",
        `there is no collection ${name}; write to it with vectors.upsert first`
      )
    }
    const embedded = text === undefined ? undefined : yield* embedFor(collection, model, [text])
    const wanted = embedded === undefined ? new Float32Array(vector!) : embedded.vectors[0]!
    yield* agree(collection, { dimensions: wanted.length, model: embedded?.model })
    const fault = faultOf(collection, { id: "", vector: wanted, metadata: {} })
    if (fault !== undefined) {
      // A text of which the hashes find no word is like nothing.
      if (embedded !== undefined) return { matches: [], model: embedded.model }
      return yield* refuse("VectorRefused", `the vector cannot be searched for: ${fault}`)
    }
    const matches = yield* store.search(collection, wanted, top, filter)
    return { matches, ...(embedded === undefined ? {} : { model: embedded.model }) }
  })
})
