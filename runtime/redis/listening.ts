/**
 * What is heard from Redis, each on a connection of its own: the hints of a reply channel, the orders to a worker, and the
 * bells of partitions. A connection that only listens looks now and then whether anybody is at its other end.
 */
import { Effect, Queue } from "effect"
import {
  bellWaitMaxMs,
  type EventKind,
  type Hint,
  type News,
  type Order,
  type Store,
  StoreError,
  type TaskEvent
} from "../store.ts"
import { type Partition, ulidLength } from "../task.ts"
import { callMaxMs } from "./link.ts"
import { during, type Scripted } from "./scripted.ts"

/** What follows the id in a line of a hint that brings an event: `~<run>-<seq> <kind> <data>`. */
const eventMark = "~"

/** A line of a hint: an id, and its record or an event if one came along. */
const newsOf = (line: string): News => {
  const ulid = line.slice(0, ulidLength)
  if (line[ulidLength] !== eventMark)
    return { ulid, record: line.length > ulidLength ? line.slice(ulidLength) : undefined }
  const dash = line.indexOf("-", ulidLength)
  const kindAt = line.indexOf(" ", dash) + 1
  const dataAt = line.indexOf(" ", kindAt) + 1
  const event: TaskEvent = {
    run: Number(line.slice(ulidLength + 1, dash)),
    seq: Number(line.slice(dash + 1, kindAt - 1)),
    kind: line.slice(kindAt, dataAt - 1) as EventKind,
    data: line.slice(dataAt)
  }
  return { ulid, record: undefined, event }
}

/** What a worker is told: `stop <entry>`, `run <entry> <record>`, `drain`. */
export const orderOf = (partition: Partition, message: string): Order => {
  const [kind, entry = ""] = message.split(" ", 2)
  if (kind === "stop") return { kind, partition, entry }
  if (kind !== "run") return { kind: "drain" }
  return { kind, partition, claim: { entry, record: message.slice(kind.length + entry.length + 2) } }
}

type Listening = Pick<Scripted["Service"], "keysOf" | "listen" | "open">

export const openOrders = ({ keysOf, listen }: Listening): Store["Service"]["orders"] =>
  Effect.fnUntraced(function* (worker, partitions) {
    const heard = yield* Queue.unbounded<Order>()
    const channels = new Map(partitions.map((partition) => [keysOf(partition).orders(worker), partition]))
    const ear = yield* listen("troupe-orders", {
      message: (channel, message) => Queue.offerUnsafe(heard, orderOf(channels.get(channel)!, message)),
      missed: () => Queue.offerUnsafe(heard, { kind: "all" })
    }).pipe(Effect.mapError((cause) => new StoreError({ operation: "Store.orders", cause })))
    yield* Effect.forEach(channels, ([channel, partition]) => ear.tune(partition, channel), {
      discard: true
    }).pipe(during("Store.orders"))
    return { next: Queue.take(heard) }
  })

export const openInbox = ({ keysOf, listen }: Listening): Store["Service"]["inbox"] =>
  Effect.gen(function* () {
    const name = crypto.randomUUID()
    const hints = yield* Queue.unbounded<Hint>()
    const channels = new Map<string, Partition>()
    const ear = yield* listen("troupe-inbox", {
      message: (channel, message) =>
        Queue.offerUnsafe(hints, {
          partition: channels.get(channel)!,
          news: message.split("\n").map(newsOf)
        }),
      // What was told while nobody listened is lost: everything waited for is read again.
      missed: () => Queue.offerUnsafe(hints, "all")
    })
    const tune = (partition: Partition) => {
      const channel = keysOf(partition).reply(name)
      channels.set(channel, partition)
      return ear.tune(partition, channel).pipe(during("Store.inbox"))
    }
    return { name, next: Queue.take(hints), tune }
  }).pipe(Effect.mapError((cause) => new StoreError({ operation: "Store.inbox", cause })))

export const openBell = ({ keysOf, open }: Listening): Store["Service"]["bell"] =>
  Effect.fnUntraced(function* (partition) {
    const link = yield* open("troupe-bell", partition).pipe(
      Effect.mapError((cause) => new StoreError({ operation: "Store.bell", cause }))
    )
    const { bell } = keysOf(partition)
    const wait = (maxMs: number) => {
      // Redis reads 0 as for ever, and rounds down to the millisecond.
      const seconds = Math.min(Math.max(maxMs, 1), bellWaitMaxMs) / 1_000
      return link
        .call((client) => client.blpop(bell, seconds), callMaxMs + bellWaitMaxMs)
        .pipe(Effect.asVoid, during("Store.bell"))
    }
    return { wait }
  })
