/** Items cut into writes of a size that a store takes. */

/** In their order: each batch has at most so many items and so many bytes, and at least one item. */
export const batchesOf = <A>(
  items: ReadonlyArray<A>,
  { bytes, count }: { readonly count: number; readonly bytes: number },
  sizeOf: (item: A) => number
): ReadonlyArray<ReadonlyArray<A>> => {
  const batches: Array<Array<A>> = []
  let size = Number.POSITIVE_INFINITY
  for (const item of items) {
    const its = sizeOf(item)
    const open = batches.at(-1)
    if (open === undefined || open.length >= count || size + its > bytes) {
      batches.push([item])
      size = its
    } else {
      open.push(item)
      size += its
    }
  }
  return batches
}
