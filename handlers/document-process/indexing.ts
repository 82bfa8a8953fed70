/**
 * Puts a document's chunks into a collection of vectors, by tasks of `embeddings.generate` and `vectors.upsert`.
 *
 * Of a long document a few are under way at a time, so that it does not stand before all others, and how far it is can be
 * seen. What an earlier processing has put there of chunks that it does not have any more is deleted.
 */
import { Effect, Schema } from "effect"
import { CurrentTask } from "../../runtime/handler.ts"
import type { Plan } from "../documents/options.ts"
import { type Described, tell } from "./reading.ts"

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

/** Where the indexing ends, as a part of the whole work. */
const until = 0.99

export const index = Effect.fn("document.index")(function* (
  { chunks, document }: Described,
  { collection, model }: NonNullable<Plan["index"]>,
  from: number
) {
  const task = yield* CurrentTask
  const named = model === undefined ? {} : { model }
  const groups = groupsOf(chunks)
  const told = (what: string, done: number, before: number, part: number) =>
    tell(({ progress }) =>
      progress(
        from + (until - from) * (before + (part * done) / chunks),
        `${what} ${done} of ${chunks} chunks`
      )
    )
  /** Told by one run only, so that progress only rises. What is done in one go has nothing to tell. */
  const once = (name: string, tell: ReturnType<typeof told>) =>
    groups.length === 1 ? Effect.void : task.step(name, tell)

  // What is computed at once needs no task of its own: who writes the vectors makes them.
  for (const { done, spans } of isComputedAtOnce(model) ? [] : groups) {
    yield* task.group(
      spans.map((span) => ({ task: "embeddings.generate", input: { document, ...named, ...span } }))
    )
    yield* once(`embedded ${done}`, told("embedded", done, 0, partOfEmbedding))
  }
  let used = ""
  for (const { done, spans } of groups) {
    const [written] = yield* task.group(
      spans.map((span) => ({ task: "vectors.upsert", input: { collection, document, ...named, ...span } }))
    )
    used = (yield* Effect.orDie(readModel(written))).model
    yield* once(`written ${done}`, told("written", done, partOfEmbedding, 1 - partOfEmbedding))
  }
  if (chunks > chunksOfTask) {
    // Who writes a document whole removes what is over; who writes spans of it cannot know.
    const filter = { document, chunk: { gte: chunks } }
    yield* task.all([yield* task.submit("vectors.delete", { collection, filter })])
  }
  return { collection, model: used } satisfies Indexed
})

const isComputedAtOnce = (model: string | undefined) => /^hash(:|$)/.test(model ?? "")

interface Group {
  /** Empty for a document that is done in one. */
  readonly spans: ReadonlyArray<{ readonly from?: number; readonly to?: number }>
  /** How many chunks are done when the group is. */
  readonly done: number
}

const groupsOf = (chunks: number): Array<Group> => {
  if (chunks <= chunksOfTask) return [{ spans: [{}], done: chunks }]
  const spans = Array.from({ length: Math.ceil(chunks / chunksOfTask) }, (_, at) => ({
    from: at * chunksOfTask,
    to: Math.min(chunks, (at + 1) * chunksOfTask)
  }))
  return Array.from({ length: Math.ceil(spans.length / tasksAtOnce) }, (_, at) => {
    const group = spans.slice(at * tasksAtOnce, (at + 1) * tasksAtOnce)
    return { spans: group, done: group.at(-1)!.to }
  })
}

const readModel = Schema.decodeUnknownEffect(Schema.Struct({ model: Schema.String }))
