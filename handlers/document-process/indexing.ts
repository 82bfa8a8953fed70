/**
 * Puts a document's chunks into a collection of vectors, by tasks of `embeddings.generate` and `vectors.upsert`.
 *
 * Of a long document a few are under way at a time, so that it does not stand before all others, and how far it is can be
 * seen. What an earlier processing has put there of chunks that it does not have any more is deleted. Chunks of which a model
 * makes no vector, as of signs without a word, are left out.
 */
import { Effect, Schema } from "effect"
import { ChildFailed, type ChildOutcome, CurrentTask } from "../../runtime/handler.ts"
import type { Plan } from "../documents/options.ts"
import { Documents } from "../text/documents.ts"
import { terms } from "../text/words.ts"
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

/** Gives nothing when none of its chunks has a vector. */
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
  let used: string | undefined
  let written = 0
  for (const { done, spans } of groups) {
    const asked = yield* Effect.forEach(spans, (span) =>
      task.submit("vectors.upsert", { collection, document, ...named, ...span })
    )
    const outcomes = yield* task.all(asked, { onFailure: "collect" })
    for (const [at, outcome] of outcomes.entries()) {
      if (outcome.state === "succeeded") {
        const output = yield* Effect.orDie(readWritten(outcome.output))
        used = output.model
        written += output.written
      } else if (!(yield* hasNoVectors(outcome, document, spans[at]!))) {
        return yield* new ChildFailed({ child: asked[at]!.id, ...outcome })
      }
    }
    yield* once(`written ${done}`, told("written", done, partOfEmbedding, 1 - partOfEmbedding))
  }
  if (written < chunks) {
    const warning = `${chunks - written} of ${chunks} chunks have no vector, and are not in ${collection}`
    yield* task.step(
      "left out",
      tell(({ log }) => log(warning, "warn"))
    )
  }
  if (used === undefined) return undefined
  if (chunks > chunksOfTask) {
    // Who writes a document whole removes what is over; who writes spans of it cannot know.
    const filter = { document, chunk: { gte: chunks } }
    yield* task.all([yield* task.submit("vectors.delete", { collection, filter })])
  }
  return { collection, model: used } satisfies Indexed
})

/**
 * Whether nothing was written of these chunks because there was nothing to write: none has a word that says something. What is
 * refused for another reason is a failure.
 */
const hasNoVectors = Effect.fnUntraced(function* (
  outcome: Exclude<ChildOutcome, { readonly state: "succeeded" }>,
  document: string,
  { from, to }: Span
) {
  if (outcome.error.type !== "ItemsRefused") return false
  const { chunks, text } = yield* Documents.use(({ load }) => load(document))
  return chunks.slice(from, to).every(({ end, start }) => terms(text.slice(start, end)).length === 0)
})

const isComputedAtOnce = (model: string | undefined) => /^hash(:|$)/.test(model ?? "")

/** Some chunks; all of them, of a document that is done in one. */
interface Span {
  readonly from?: number
  readonly to?: number
}

interface Group {
  readonly spans: ReadonlyArray<Span>
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

const readWritten = Schema.decodeUnknownEffect(Schema.Struct({ model: Schema.String, written: Schema.Int }))
