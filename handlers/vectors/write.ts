/**
 * Writes items to a collection in batches, and says which of them were refused.
 *
 * What no store could hold is refused beforehand. A batch that the store refuses is halved until the bad items stand alone, and
 * the others are written.
 */
import { Effect, Result } from "effect"
import { halve } from "../halving/halve.ts"
import { batchesOf } from "./batches.ts"
import { type Collection, type Item, type StoreShape } from "./store.ts"

export interface Refused {
  readonly id: string
  readonly reason: string
}

const reasonCharactersMax = 300

/** Why an item cannot be in the collection, if it cannot. */
export const faultOf = ({ dimensions }: Collection, { vector }: Item): string | undefined => {
  if (vector.length !== dimensions)
    return `it has ${vector.length} dimensions, and the collection ${dimensions}`
  if (!vector.every(Number.isFinite)) return "a component of its vector is beyond what 32-bit floats hold"
  if (vector.every((component) => component === 0))
    return "its vector is all zeros, which lies in no direction"
  return undefined
}

/** What an item takes in a request, in bytes, about. */
const sizeOf = ({ id, metadata, vector }: Item) =>
  64 + id.length + vector.length * 12 + JSON.stringify(metadata).length

/** `onDone` is told how many items were seen to, after each batch. */
export const writeAll = Effect.fnUntraced(function* <R>(
  store: StoreShape,
  collection: Collection,
  items: ReadonlyArray<Item>,
  onDone: (done: number) => Effect.Effect<void, never, R>
) {
  const refused: Array<Refused> = []
  const good: Array<Item> = []
  for (const item of items) {
    const reason = faultOf(collection, item)
    if (reason === undefined) good.push(item)
    else refused.push({ id: item.id, reason })
  }
  let written = 0
  for (const batch of batchesOf(good, store.batch, sizeOf)) {
    const outcomes = yield* halve(
      batch,
      (part) => Effect.as(store.write(collection, part), part),
      (error) => "_tag" in error && error._tag === "ItemsRefused"
    )
    for (const [at, outcome] of outcomes.entries()) {
      if (Result.isSuccess(outcome)) written++
      else refused.push({ id: batch[at]!.id, reason: outcome.failure.message.slice(0, reasonCharactersMax) })
    }
    yield* onDone(written + refused.length)
  }
  if (store.settle !== undefined && written > 0) yield* store.settle(collection)
  return { written, refused }
})
