/** Pages of what is known as a whole, in the order of its ids: a decision over plain values. */
import { Schema } from "effect"

/** How many one page holds at most, and when nobody says. */
const pageMax = 1_000
const pageDefault = 100

export const Paging = Schema.Struct({
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: pageMax }))),
  /** The `next` of an earlier page: the last id of it. */
  cursor: Schema.optionalKey(Schema.String)
})

/** Those after the cursor. What has gone since is passed over, and what has come is there if it comes later. */
export const pageOf = <A>(
  all: ReadonlyArray<A>,
  idOf: (one: A) => string,
  { cursor, limit = pageDefault }: typeof Paging.Type
): { readonly items: ReadonlyArray<A>; readonly next?: string } => {
  const rest = all
    .toSorted((one, other) => (idOf(one) < idOf(other) ? -1 : 1))
    .filter((one) => cursor === undefined || idOf(one) > cursor)
  const items = rest.slice(0, limit)
  return rest.length > limit ? { items, next: idOf(items.at(-1)!) } : { items }
}
