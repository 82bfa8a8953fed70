/**
 * What operators do, in Redis: scripts where something changes, plain commands where it is only looked at.
 *
 * What is long is done in pieces, each within 5 ms, so that turns and submits come in between.
 */
import { Duration, Effect, Layer } from "effect"
import { Settings } from "../config.ts"
import {
  minuteKeptMs,
  minutesMax,
  Operations,
  type QueueLimits,
  type Revival,
  type StoreMemory,
  type WorkerAbout
} from "../operations.ts"
import { listedMs, namesKeptMs, noteNowAndThen, queuesPartition } from "../queue-names.ts"
import { Store } from "../store.ts"
import { type Partition, partitionOfId, submittedAt } from "../task.ts"
import { walk } from "../walk.ts"
import { answersOf } from "./pipeline.ts"
import { infoFields } from "./info.ts"
import { during, Scripted } from "./scripted.ts"
import { makeReader } from "./shelves.ts"

/** How many partitions are asked at a time whether anything is left of them. */
const looksAtOnce = 100

/** How much one script gets to do. */
const purgedAtOnce = 200
const buriedAtOnce = 500
const revivedAtOnce = 100
const revivedCharactersMax = 1_000_000
const countedAtOnce = 100

/** How many pieces one call takes at most. */
const trimPiecesMax = 50

/** Sizes outlive what they are of by an hour, should nobody trim any more. */
const sizesKeptMs = 3_600_000

/** The bounds in the order in which the script knows them. */
const boundsOf = ({ concurrency, keepBytes, keepMs, maxAgeMs, maxDepth, maxKeyDepth, rate }: QueueLimits) => [
  maxDepth ?? "",
  maxAgeMs ?? "",
  maxKeyDepth ?? "",
  concurrency ?? "",
  rate?.count ?? "",
  rate?.perMs ?? "",
  keepBytes ?? "",
  keepMs ?? ""
]

const memoryOf = (info: string): StoreMemory => {
  const field = infoFields(info)
  return {
    used: Number(field("used_memory") ?? 0),
    max: Number(field("maxmemory") ?? 0),
    policy: field("maxmemory_policy") ?? "unknown"
  }
}

/** What part of its memory a server has used; where there is no limit, less than any. */
const fullness = ({ max, used }: StoreMemory) => (max === 0 ? used / Number.MAX_SAFE_INTEGER : used / max)

/** Revivals in pieces that are neither many nor large. */
const piecesOf = (revivals: ReadonlyArray<Revival>): ReadonlyArray<ReadonlyArray<Revival>> => {
  const pieces: Array<Array<Revival>> = []
  let characters = Infinity
  for (const revival of revivals) {
    const size = revival.expected.length + revival.record.length
    if (characters + size > revivedCharactersMax || pieces.at(-1)!.length === revivedAtOnce) {
      pieces.push([])
      characters = 0
    }
    pieces.at(-1)!.push(revival)
    characters += size
  }
  return pieces
}

const chunksOf = <A>(list: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(list.length / size) }, (_, at) => list.slice(at * size, (at + 1) * size))

const countsOf = (flat: ReadonlyArray<string>): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (let at = 0; at < flat.length; at += 2) counts[flat[at]!] = Number(flat[at + 1])
  return counts
}

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const store = yield* Store
  const scripted = yield* Scripted
  const { call, callAll, keysOf, run } = scripted
  const readerOf = makeReader(scripted)
  const retentionMs = Duration.toMillis(settings.retention)

  const queue: Operations["Service"]["queue"] = Effect.fnUntraced(function* (partition) {
    const depth = yield* store.depth(partition)
    const [paused, limits, oldest, pausedKeys] = yield* run<
      [string | null, string | null, string | null, Array<string>]
    >("queue-read", partition, []).pipe(during("Operations.queue"))
    return {
      depth,
      paused: paused === "1",
      pausedKeys: pausedKeys.toSorted(),
      oldest: oldest === null ? undefined : submittedAt(oldest),
      limits: limits === null ? {} : (JSON.parse(limits) as QueueLimits)
    }
  })

  const pause: Operations["Service"]["pause"] = Effect.fnUntraced(function* (partition, paused, key) {
    let group = "0"
    do {
      const args = [paused ? 1 : 0, key === undefined ? 0 : 1, key ?? "", group]
      group = yield* run<string>("queue-pause", partition, args).pipe(during("Operations.pause"))
    } while (group !== "0")
  })

  const purge: Operations["Service"]["purge"] = Effect.fnUntraced(function* (partition, most, reason) {
    const error = JSON.stringify({ type: "Cancelled", message: reason })
    let left = most
    for (const shelf of ["lanes", "suspects", "boxes", "later"]) {
      for (let from = "0"; from !== "" && left > 0;) {
        const args = [shelf, from, Math.min(purgedAtOnce, left), error, retentionMs]
        const [cancelled, next] = yield* run<[number, string]>("task-purge", partition, args).pipe(
          during("Operations.purge")
        )
        left -= cancelled
        from = next
      }
    }
    return most - left
  })

  const partitions = Effect.gen(function* () {
    const list = (forget: ReadonlyArray<Partition>) =>
      run<[Array<string>, Array<string>]>("partition-list", queuesPartition, [listedMs(settings), ...forget])
    const [fresh, old] = yield* list([])
    const counts = yield* Effect.forEach(
      old,
      (partition) => {
        const { dead, kept, live } = keysOf(partition)
        return call(partition, (client) => client.exists(live, kept, dead))
      },
      { concurrency: looksAtOnce }
    )
    const empty = old.filter((_, at) => counts[at] === 0)
    if (empty.length === 0) return [...fresh, ...old].sort()
    return (yield* list(empty)).flat().sort()
  }).pipe(during("Operations.partitions"))

  const revive: Operations["Service"]["revive"] = Effect.fnUntraced(function* (partition, revivals) {
    const went: Array<string> = []
    for (const piece of piecesOf(revivals)) {
      const args = piece.flatMap(({ box, callback, entry, expected, parent, record, ulid }) => [
        ulid,
        expected,
        record,
        entry,
        box?.name ?? "",
        box?.limit ?? "",
        box?.ordered === true ? "o" : "",
        callback === true ? "c" : "",
        parent !== undefined && partitionOfId(parent) === partition ? parent : ""
      ])
      went.push(...(yield* run<Array<string>>("letter-revive", partition, args)))
    }
    return went
  }, during("Operations.revive"))

  const bury: Operations["Service"]["bury"] = Effect.fnUntraced(function* (partition, ulids) {
    let buried = 0
    for (const piece of chunksOf(ulids, buriedAtOnce)) {
      buried += yield* run<number>("letter-bury", partition, piece)
    }
    return buried
  }, during("Operations.bury"))

  const trim: Operations["Service"]["trim"] = Effect.fnUntraced(function* (
    partition,
    { deadBytes, deadMax }
  ) {
    let dropped = 0
    for (let piece = 0; piece < trimPiecesMax; piece++) {
      const args = [deadMax, retentionMs + sizesKeptMs, retentionMs, deadBytes]
      const [count, more] = yield* run<[number, 0 | 1]>("queue-trim", partition, args)
      dropped += count
      if (more === 0) break
    }
    return dropped
  }, during("Operations.trim"))

  const workers: Operations["Service"]["workers"] = Effect.fnUntraced(function* (partition) {
    const keys = keysOf(partition)
    const [seenAt, flat, abouts] = yield* run<[number, Array<string>, Array<string | null>]>(
      "worker-list",
      partition,
      []
    )
    const leases = Object.entries(countsOf(flat))
    if (leases.length === 0) return []
    const held = yield* call(partition, async (client) => {
      const pipeline = client.pipeline()
      for (const [worker] of leases) pipeline.smembers(keys.held(worker))
      return answersOf<Array<string>>(await pipeline.exec())
    })
    return leases
      .map(([worker, leaseUntil], at) => {
        const about = abouts[at] ?? null
        return {
          worker,
          leaseUntil,
          seenAt,
          about: about === null ? undefined : (JSON.parse(about) as WorkerAbout),
          held: held[at]!.sort()
        }
      })
      .sort((a, b) => (a.worker < b.worker ? -1 : 1))
  }, during("Operations.workers"))

  const count: Operations["Service"]["count"] = Effect.fnUntraced(function* (partition, counts) {
    for (const some of chunksOf(Object.entries(counts), countedAtOnce)) {
      yield* run("minute-count", partition, [minuteKeptMs, ...some.flat()])
    }
  }, during("Operations.count"))

  const minutes: Operations["Service"]["minutes"] = Effect.fnUntraced(function* (partition, last) {
    const wanted = Math.max(1, Math.min(last, minutesMax))
    const [minute, ...counts] = yield* run<[number, ...Array<Array<string>>]>("minute-read", partition, [
      wanted
    ])
    return counts.map((flat, at) => ({ at: (minute - wanted + 1 + at) * 60_000, counts: countsOf(flat) }))
  }, during("Operations.minutes"))

  const memory: Operations["Service"]["memory"] = Effect.gen(function* () {
    const infos = yield* callAll((client) => client.info("memory"))
    // Of a cluster the one that is fullest: it is the first that refuses.
    return infos.map(memoryOf).reduce((one, other) => (fullness(other) > fullness(one) ? other : one))
  }).pipe(during("Operations.memory"))

  const lengths: Operations["Service"]["lengths"] = Effect.fnUntraced(function* (partition) {
    const keys = keysOf(partition)
    const counts = yield* call(partition, async (client) => {
      const pipeline = client.pipeline()
      pipeline.llen(keys.suspects).llen(keys.outbox).zcard(keys.segments).hlen(keys.boxes)
      return answersOf<number>(await pipeline.exec())
    })
    const [suspects = 0, outbox = 0, segments = 0, boxes = 0] = counts
    return { suspects, outbox, segments, boxes }
  }, during("Operations.lengths"))

  return Operations.of({
    queue,
    pause,
    limit: (partition, limits) =>
      Effect.asVoid(run("queue-limit", partition, [JSON.stringify(limits), ...boundsOf(limits)])).pipe(
        during("Operations.limit")
      ),
    purge,
    note: noteNowAndThen((partition) =>
      run("partition-note", queuesPartition, [partition, namesKeptMs(settings)]).pipe(
        during("Operations.note")
      )
    ),
    partitions,
    scan: (partition, shelf, cursor, most) => walk(readerOf(partition), partition, shelf, cursor, most),
    revive,
    bury,
    trim,
    workers,
    drain: (partition, worker) =>
      Effect.asVoid(
        call(partition, (client) => client.spublish(keysOf(partition).orders(worker), "drain"))
      ).pipe(during("Operations.drain")),
    count,
    minutes,
    memory,
    lengths,
    keys: callAll((client) => client.dbsize()).pipe(
      Effect.map((counts) => counts.reduce((sum, count) => sum + count, 0)),
      during("Operations.keys")
    )
  })
})

/** Operations in the Redis that `Scripted` reaches. */
export const layer = Layer.effect(Operations, make)
