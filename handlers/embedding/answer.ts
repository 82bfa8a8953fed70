/**
 * Whether what a provider answered can be the vectors of the texts it was given, and which vector is whose. Vectors are kept,
 * so a wrong one would be found for as long as it is: one that is doubtful is not taken. A decision over plain values.
 */
import { Result } from "effect"
import { normalized } from "./hash.ts"
import { EmbeddingsUnavailable, TextsRefused } from "./model.ts"

/** One vector of an answer, and the number of its text, which some providers leave out. */
export interface Listed {
  readonly components: ReadonlyArray<number>
  readonly index: unknown
}

/** The vectors of `count` texts, in the order of the texts and each of length 1. */
export const vectorsOf = (
  model: string,
  listed: ReadonlyArray<Listed>,
  count: number
): Result.Result<ReadonlyArray<Float32Array>, EmbeddingsUnavailable | TextsRefused> => {
  const wrong = (reason: string) => Result.fail(new EmbeddingsUnavailable({ model, reason }))
  if (listed.length !== count) return wrong(`${listed.length} vectors came for ${count} texts`)
  const ordered = inOrder(listed)
  if (ordered === undefined) return wrong(`its vectors are not numbered from 0 to ${count - 1}, each once`)
  const vectors = ordered.map(({ components }) => new Float32Array(components))
  const dimensions = new Set(vectors.map(({ length }) => length))
  if (dimensions.size > 1 || dimensions.has(0))
    return wrong(`its vectors have ${[...dimensions].join(" and ")} components`)
  if (!vectors.every((vector) => vector.every(Number.isFinite)))
    return wrong("a component of its vectors is no number")
  // It has no direction, and so no likeness to any other. Its text is to blame, and in a call without it the others are fine.
  return vectors.every((vector) => vector.some((component) => component !== 0))
    ? Result.succeed(vectors.map(normalized))
    : Result.fail(new TextsRefused({ model, reason: "its vector of a text is all zeros" }))
}

/** As they came where none has a number; nothing where the numbers are not those of the texts. */
const inOrder = (listed: ReadonlyArray<Listed>): ReadonlyArray<Listed> | undefined => {
  if (listed.every(({ index }) => index === undefined || index === null)) return listed
  const numbered = new Map(listed.map((one) => [one.index, one]))
  const ordered = listed.flatMap((_, at) => numbered.get(at) ?? [])
  return ordered.length === listed.length ? ordered : undefined
}
