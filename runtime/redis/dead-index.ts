/**
 * The dead letters of a partition in the order of their ids, which Redis keeps only in the order of their deaths.
 *
 * It lives in this process and is brought up to date from the newest death it knows of, so that a failure costs Redis
 * nothing more and a query writes nothing. What it gives is there: each id is held against Redis before.
 */
import { Clock, Effect } from "effect"
import type { PartitionKeys } from "../keys.ts"
import { type Partition, segmentOf } from "../task.ts"
import type { RedisError } from "./link.ts"
import { answersOf } from "./pipeline.ts"
import type { Scripted } from "./scripted.ts"

/** Deaths that one command reads: some 2 ms of Redis. */
const pageSize = 2_000

/** An index is made anew after that time, without the letters that have gone meanwhile. */
const keptMs = 600_000

/** Of how many partitions one is kept; each takes some 80 bytes a dead letter. */
const indexesMax = 4

interface Index {
  readonly madeAt: number
  readonly known: Set<string>
  /** Oldest id first. */
  sorted: ReadonlyArray<string>
  /** The newest death that it knows of. */
  upTo: number
}

/** Where the first id that is not below `text` stands. */
const placeOf = (sorted: ReadonlyArray<string>, text: string): number => {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! < text) low = middle + 1
    else high = middle
  }
  return low
}

export const makeDeadIndex = ({ call, keysOf }: Pick<Scripted["Service"], "call" | "keysOf">) => {
  const indexes = new Map<string, Index>()

  const indexOf = (base: string, now: number): Index => {
    const there = indexes.get(base)
    if (there !== undefined && now - there.madeAt < keptMs) return there
    if (there === undefined && indexes.size >= indexesMax) indexes.delete(indexes.keys().next().value!)
    const made: Index = { madeAt: now, known: new Set(), sorted: [], upTo: 0 }
    indexes.set(base, made)
    return made
  }

  const update = Effect.fnUntraced(function* (partition: Partition, keys: PartitionKeys) {
    const index = indexOf(keys.base, yield* Clock.currentTimeMillis)
    const fresh: Array<string> = []
    for (let skip = 0, isFull = true; isFull;) {
      // Once more from the newest known death on: others may have died within the same millisecond.
      const page: ReadonlyArray<string> = yield* call(partition, (client) =>
        client.zrangebyscore(keys.dead, index.upTo, "+inf", "WITHSCORES", "LIMIT", skip, pageSize)
      )
      for (let at = 0; at < page.length; at += 2) {
        if (index.known.has(page[at]!)) continue
        index.known.add(page[at]!)
        fresh.push(page[at]!)
      }
      isFull = page.length === 2 * pageSize
      const newest = Number(page.at(-1) ?? 0)
      skip = newest > index.upTo ? 0 : skip + pageSize
      index.upTo = Math.max(index.upTo, newest)
    }
    if (fresh.length > 0) index.sorted = [...index.sorted, ...fresh].sort()
    return index.sorted
  })

  /** Those of some ids that are dead letters, or have gone back to work a moment ago. */
  const thereOf = Effect.fnUntraced(function* (
    partition: Partition,
    keys: PartitionKeys,
    ids: ReadonlyArray<string>
  ) {
    const deaths = yield* call(partition, (client) => client.zmscore(keys.dead, ...ids))
    const gone = ids.filter((_, at) => deaths[at] === null)
    if (gone.length === 0) return ids
    const revived = yield* call(partition, async (client) => {
      const pipeline = client.pipeline()
      for (const id of gone) pipeline.hexists(keys.task(segmentOf(id)), id)
      const replies = answersOf<0 | 1>(await pipeline.exec())
      return new Set(gone.filter((_, at) => replies[at] === 1))
    })
    const missing = new Set(gone.filter((id) => !revived.has(id)))
    return ids.filter((id) => !missing.has(id))
  })

  /** The newest dead letters from one text on and below another: fewer than `count` only when there are no more. */
  return Effect.fnUntraced(function* (
    partition: Partition,
    from: string,
    below: string | undefined,
    count: number
  ): Effect.fn.Return<ReadonlyArray<string>, RedisError> {
    const keys = keysOf(partition)
    const sorted = yield* update(partition, keys)
    const first = placeOf(sorted, from)
    const found: Array<string> = []
    let end = below === undefined ? sorted.length : placeOf(sorted, below)
    while (end > first && found.length < count) {
      const start = Math.max(first, end - count)
      found.push(...(yield* thereOf(partition, keys, sorted.slice(start, end).reverse())))
      end = start
    }
    return found.slice(0, count)
  })
}
