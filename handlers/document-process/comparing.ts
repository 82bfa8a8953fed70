/**
 * Cuts a document that was read anew, where its sentences' vectors say that it goes on to something else.
 *
 * A document of more sentences than are compared keeps the chunks that it was given by its words.
 */
import { Effect, Schema } from "effect"
import { CurrentTask } from "../../runtime/handler.ts"
import { Documents } from "../text/documents.ts"
import { sentences } from "../text/sentences.ts"
import type { Plan } from "../documents/options.ts"
import { beginning } from "../text/beginning.ts"
import { cut, describe, type Described, tell } from "./reading.ts"

/** A document with more is compared by its words: their vectors would take some 20 MB of Redis on their way. */
export const sentencesMax = 5_000

/** What a longer one begins with, in UTF-16 units, tells what it means. */
const sentenceCharactersMax = 2_000

/** So many sentences are embedded by one task. */
const sentencesOfTask = 128

export const cutByVectors = Effect.fn("document.compare")(function* (
  described: Described,
  plan: Plan,
  until: number
) {
  const task = yield* CurrentTask
  const documents = yield* Documents
  const count = yield* task.step(
    "sentences",
    Effect.map(documents.load(described.document), ({ text }) => sentences(text).length)
  )
  if (count > sentencesMax) {
    yield* tell(({ log }) =>
      log(`it has ${count} sentences; beyond ${sentencesMax} they are compared by their words`, "warn")
    )
    return described
  }
  const model = plan.index?.model === undefined ? {} : { model: plan.index.model }
  const document = yield* documents.load(described.document)
  const texts = sentences(document.text).map(({ end, start }) =>
    beginning(document.text.slice(start, end), sentenceCharactersMax)
  )
  const embedded = yield* task.group(
    Array.from({ length: Math.ceil(texts.length / sentencesOfTask) }, (_, at) => ({
      task: "embeddings.generate",
      input: {
        ...{ texts: texts.slice(at * sentencesOfTask, (at + 1) * sentencesOfTask), encoding: "base64" },
        ...model
      }
    }))
  )
  return yield* task.step(
    "cut",
    Effect.gen(function* () {
      const given = yield* Effect.orDie(Effect.forEach(embedded, (each) => readVectors(each)))
      const features = given.flatMap(({ vectors }) => vectors.map(vectorOf))
      const chunks = yield* cut(document.text, document.pageStarts, plan, features)
      const again = { ...document, chunks }
      yield* documents.save(again)
      yield* tell(({ progress }) => progress(until, `cut by meaning into ${chunks.length} chunks`))
      return describe(again)
    })
  )
})

const readVectors = Schema.decodeUnknownEffect(Schema.Struct({ vectors: Schema.Array(Schema.String) }))

/** 32-bit floats, the lowest byte first. */
const vectorOf = (encoded: string): Float32Array => {
  const bytes = Uint8Array.from(Buffer.from(encoded, "base64"))
  return new Float32Array(bytes.buffer)
}
