/**
 * Puts a document's chunks into a collection of vectors, by tasks of `embeddings.generate` and `vectors.upsert`.
 *
 * A few of them are under way at a time, so that a long document does not stand before all others, and how far it is can
 * be seen. Where an earlier processing has put more chunks there than there are now, the rest is deleted.
 */
import { Effect, Schema } from "effect"
import { CurrentTask } from "../../runtime/handler.ts"
import { Documents } from "../text/documents.ts"
import { type Described, tell } from "./reading.ts"
import type { Plan } from "./input.ts"

export interface Indexed {
  readonly collection: string
  readonly model: string
}

/** So many chunks are embedded, or written, by one task. */
const chunksOfTask = 64

/** So many such tasks are under way at a time. */
const tasksAtOnce = 4

/** Embeddings take most of the time; writing what they give takes the rest. */
const partOfEmbedding = 0.8

export const index = Effect.fn("document.index")(function* (
  { chunks, document }: Described,
  { collection, model }: NonNullable<Plan["index"]>,
  from: number
) {
  const task = yield* CurrentTask
  const named = model === undefined ? {} : { model }
  const spans = spansOf(chunks)
  const told = (message: string, done: number, part: number, base: number) =>
    tell(({ progress }) =>
      progress(base + ((0.99 - from) * part * done) / chunks, `${message} ${done} of ${chunks} chunks`)
    )

  let used = model ?? ""
  for (const group of groupsOf(spans)) {
    const embedded = yield* task.group(
      group.map((span) => ({ task: "embeddings.generate", input: { document, ...named, ...span } }))
    )
    used = (yield* Effect.orDie(readModel(embedded[0]))).model
    const done = group.at(-1)!.to
    yield* task.step(`embedded ${done}`, told("embedded", done, partOfEmbedding, from))
  }
  const written = from + (0.99 - from) * partOfEmbedding
  for (const group of groupsOf(spans)) {
    yield* task.group(
      group.map((span) => ({ task: "vectors.upsert", input: { collection, document, ...named, ...span } }))
    )
    const done = group.at(-1)!.to
    yield* task.step(`written ${done}`, told("written", done, 1 - partOfEmbedding, written))
  }
  const former = yield* task.step("former chunks", formerChunks(document, collection))
  if (former > chunks) {
    const ids = Array.from({ length: former - chunks }, (_, at) => `${document}#${chunks + at}`)
    yield* task.all([yield* task.submit("vectors.delete", { collection, ids })])
  }
  return { collection, model: used } satisfies Indexed
})

interface ChunkSpan {
  readonly from: number
  /** The first that is not meant. */
  readonly to: number
}

const spansOf = (chunks: number): Array<ChunkSpan> =>
  Array.from({ length: Math.ceil(chunks / chunksOfTask) }, (_, at) => ({
    from: at * chunksOfTask,
    to: Math.min(chunks, (at + 1) * chunksOfTask)
  }))

const groupsOf = (spans: ReadonlyArray<ChunkSpan>): Array<ReadonlyArray<ChunkSpan>> =>
  Array.from({ length: Math.ceil(spans.length / tasksAtOnce) }, (_, at) =>
    spans.slice(at * tasksAtOnce, (at + 1) * tasksAtOnce)
  )

/** How many of its chunks an earlier processing has put there. */
const formerChunks = Effect.fnUntraced(function* (document: string, collection: string) {
  const documents = yield* Documents
  const { collections = {} } = yield* documents.load(document)
  return collections[collection] ?? 0
})

const readModel = Schema.decodeUnknownEffect(Schema.Struct({ model: Schema.String }))
