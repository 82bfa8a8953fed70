/** Reads the shelves of a partition for `walk`: plain commands that write nothing, each some 2 ms of Redis at most. */
import { Clock, Effect } from "effect"
import type { ChainableCommander, Redis } from "ioredis"
import { lists } from "../cursor.ts"
import { pieceMax } from "../operations.ts"
import { lanes, type Partition, segmentOf, submittedAt, ulidLength } from "../task.ts"
import type { Group, Reader } from "../walk.ts"
import { makeDeadIndex } from "./dead-index.ts"
import { answersOf } from "./pipeline.ts"
import { during, type Scripted } from "./scripted.ts"

/** A segment with more tasks is read in groups; a group brings the records along, which a query does without. */
const wholeMax = pieceMax
const groupSize = 500

/** Boxes, and tasks that wait for children, in a group. */
const namesInGroup = 100

/**
 * The ids of a large segment are remembered for the pages that follow, once its time is over and nothing is submitted
 * to it any more.
 */
const settledMs = 60_000
const rememberedMax = 2
const rememberedMs = 300_000

/** A group of a hash, by its fields. */
const groupOf = ([next, flat]: readonly [string, ReadonlyArray<string>]): Group => ({
  next,
  members: flat.filter((_, at) => at % 2 === 0)
})

/** Where in the order of segments a search begins that goes below an id, or below a whole segment. */
const upTo = (below: string | undefined): string =>
  below === undefined ? "+" : below.length < ulidLength ? `(${below}` : `[${segmentOf(below)}`

export const makeReader = (scripted: Pick<Scripted["Service"], "call" | "keysOf">) => {
  const { keysOf } = scripted
  const lettersOf = makeDeadIndex(scripted)
  const remembered = new Map<string, { readonly ids: ReadonlyArray<string>; readonly at: number }>()

  const call = <A>(partition: Partition, send: (client: Redis) => Promise<A>) =>
    scripted.call(partition, send).pipe(during("Operations.scan"))

  /** The answers to a command for each of some keys. */
  const pipelined = <A>(
    partition: Partition,
    keys: ReadonlyArray<string>,
    add: (pipeline: ChainableCommander, key: string) => unknown
  ) =>
    call(partition, async (client) => {
      const pipeline = client.pipeline()
      for (const key of keys) add(pipeline, key)
      return answersOf<A>(await pipeline.exec())
    })

  const inGroups = Effect.fnUntraced(function* (partition: Partition, key: string) {
    // A group may bring members again while the hash changes its size.
    const ids = new Set<string>()
    for (let group = "0", isLast = false; !isLast;) {
      const { members, next } = groupOf(
        yield* call(partition, (client) => client.hscan(key, group, "COUNT", groupSize))
      )
      for (const id of members) ids.add(id)
      group = next
      isLast = next === "0"
    }
    return [...ids]
  })

  const large = Effect.fnUntraced(function* (partition: Partition, key: string, segment: string) {
    const now = yield* Clock.currentTimeMillis
    const there = remembered.get(key)
    if (there !== undefined && now - there.at < rememberedMs) return there.ids
    const ids = yield* inGroups(partition, key)
    remembered.delete(key)
    if (now - submittedAt(`${segment}00`) > settledMs) {
      if (remembered.size >= rememberedMax) remembered.delete(remembered.keys().next().value!)
      remembered.set(key, { ids, at: now })
    }
    return ids
  })

  const idsIn = Effect.fnUntraced(function* (
    partition: Partition,
    segments: ReadonlyArray<string>,
    enough: number
  ) {
    const keys = segments.map(keysOf(partition).task)
    const sizes = yield* pipelined<number>(partition, keys, (pipeline, key) => pipeline.hlen(key))
    let read = 0
    for (let size = 0; read < segments.length && size < enough; read++) size += sizes[read]!
    const small = keys.slice(0, read).filter((_, at) => sizes[at]! <= wholeMax)
    const ids = (yield* pipelined<Array<string>>(partition, small, (pipeline, key) =>
      pipeline.hkeys(key)
    )).flat()
    // Only the last of them can be large, since no piece wants more than a small one has.
    if (sizes[read - 1]! > wholeMax)
      ids.push(...(yield* large(partition, keys[read - 1]!, segments[read - 1]!)))
    return { ids, read }
  })

  return (partition: Partition): Reader => {
    const keys = keysOf(partition)
    const listKeys = [...lanes.map((lane) => keys.lane(lane)), keys.suspects]
    return {
      list: (name, from, to) =>
        call(partition, (client) => client.lrange(listKeys[lists.indexOf(name)]!, from, to - 1)),
      boxes: (group) =>
        Effect.map(
          call(partition, (client) => client.hscan(keys.boxes, group, "COUNT", namesInGroup)),
          groupOf
        ),
      box: (name, from, to) => call(partition, (client) => client.lrange(keys.box(name), from, to - 1)),
      heads: (names, count) =>
        pipelined<Array<string>>(partition, names.map(keys.box), (pipeline, key) =>
          pipeline.lrange(key, 0, count - 1)
        ),
      parents: (group) =>
        Effect.map(
          call(partition, (client) => client.hscan(keys.waiting, group, "COUNT", namesInGroup)),
          groupOf
        ),
      scored: (name, from, skip, count) =>
        call(partition, (client) =>
          name === "later"
            ? client.zrangebyscore(keys.later, from ?? "-inf", "+inf", "WITHSCORES", "LIMIT", skip, count)
            : client.zrevrangebyscore(keys.dead, from ?? "+inf", "-inf", "WITHSCORES", "LIMIT", skip, count)
        ).pipe(
          Effect.map((flat) =>
            flat.flatMap((member, at) => (at % 2 === 0 ? [[member, Number(flat[at + 1])] as const] : []))
          )
        ),
      workers: call(partition, (client) => client.zrange(keys.workers, 0, "-1")),
      held: (worker) => call(partition, (client) => client.smembers(keys.held(worker))),
      segments: (below, count) =>
        call(partition, (client) =>
          client.zrevrangebylex(keys.segments, upTo(below), "-", "LIMIT", 0, count)
        ),
      idsIn: (segments, enough) => idsIn(partition, segments, enough),
      letters: (from, below, count) =>
        lettersOf(partition, from, below, count).pipe(during("Operations.scan"))
    }
  }
}
