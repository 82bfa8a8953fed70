/** Lists that come in pages, as one list: a page may be short, or empty, and not be the last. */
import { Effect } from "effect"
import * as Output from "./output.ts"

/** Gathers up to `limit` items, and says where to go on if there may be more. */
export const gather = Effect.fnUntraced(function* <Item, E, R>(
  limit: number,
  cursor: string | undefined,
  page: (at: {
    readonly limit: number
    readonly cursor?: string
  }) => Effect.Effect<{ readonly items: ReadonlyArray<Item>; readonly next?: string }, E, R>
) {
  const items: Array<Item> = []
  let next = cursor
  do {
    const at = { limit: limit - items.length, ...(next === undefined ? {} : { cursor: next }) }
    const read: { readonly items: ReadonlyArray<Item>; readonly next?: string } = yield* page(at)
    items.push(...read.items)
    next = read.next
  } while (next !== undefined && items.length < limit)
  if (next !== undefined) yield* Output.say(`there may be more: --cursor ${next}`)
  return items
})
