/**
 * What is heard from Redis, each on a connection of its own: the hints of a reply channel, the orders to a worker, and the
 * bells of partitions. A connection that only listens looks now and then whether anybody is at its other end.
 */
import { Duration, Effect, Queue } from "effect"
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
import { callMaxMs, openLink } from "./link.ts"
import { during, type Scripted } from "./scripted.ts"

/** How often a connection that only listens makes sure that it is alive. */
const probe = Duration.seconds(5)

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

type Listening = Pick<Scripted["Service"], "address" | "keysOf">

export const openOrders = ({ address, keysOf }: Listening): Store["Service"]["orders"] =>
  Effect.fnUntraced(function* (worker, partitions) {
    const heard = yield* Queue.unbounded<Order>()
    const channels = new Map(partitions.map((partition) => [keysOf(partition).orders(worker), partition]))
    yield* openLink({
      name: "troupe-orders",
      address,
      onConnect: async (client, first) => {
        client.on("smessage", (channel: string, message: string) => {
          const partition = channels.get(channel)!
          Queue.offerUnsafe(heard, orderOf(partition, message))
        })
        for (const channel of channels.keys()) await client.ssubscribe(channel)
        if (!first) Queue.offerUnsafe(heard, { kind: "all" })
      }
    }).pipe(
      Effect.tap((listener) =>
        // A connection that only listens would never notice that nobody speaks at its other end any more.
        listener
          .call((client) => client.ping())
          .pipe(Effect.ignore, Effect.delay(probe), Effect.forever, Effect.forkScoped)
      ),
      Effect.mapError((cause) => new StoreError({ operation: "Store.orders", cause }))
    )
    return { next: Queue.take(heard) }
  })

export const openInbox = ({ address, keysOf }: Listening): Store["Service"]["inbox"] =>
  Effect.gen(function* () {
    const name = crypto.randomUUID()
    const hints = yield* Queue.unbounded<Hint>()
    const channels = new Map<string, Partition>()
    const tuned = new Set<string>()
    const listener = yield* openLink({
      name: "troupe-inbox",
      address,
      onConnect: async (client, first) => {
        client.on("smessage", (channel: string, message: string) => {
          Queue.offerUnsafe(hints, {
            partition: channels.get(channel)!,
            news: message.split("\n").map(newsOf)
          })
        })
        if (channels.size > 0) await client.ssubscribe(...channels.keys())
        // What was told while nobody listened is lost: everything waited for is read again.
        if (!first) Queue.offerUnsafe(hints, "all")
      }
    })
    const tune = Effect.fnUntraced(function* (partition: Partition) {
      const channel = keysOf(partition).reply(name)
      if (tuned.has(channel)) return
      // From here on a fresh connection subscribes to it by itself.
      channels.set(channel, partition)
      yield* listener.call((client) => client.ssubscribe(channel))
      tuned.add(channel)
    }, during("Store.inbox"))
    // A connection that only listens would never notice that nobody speaks at its other end any more.
    yield* listener
      .call((client) => client.ping())
      .pipe(Effect.ignore, Effect.delay(probe), Effect.forever, Effect.forkScoped)
    return { name, next: Queue.take(hints), tune }
  }).pipe(Effect.mapError((cause) => new StoreError({ operation: "Store.inbox", cause })))

export const openBell = ({ address, keysOf }: Listening): Store["Service"]["bell"] =>
  Effect.fnUntraced(function* (partitions) {
    const listener = yield* openLink({ name: "troupe-bell", address }).pipe(
      Effect.mapError((cause) => new StoreError({ operation: "Store.bell", cause }))
    )
    const bells = partitions.map((partition) => keysOf(partition).bell)
    const wait = (maxMs: number) => {
      // Redis reads 0 as for ever, and rounds down to the millisecond.
      const seconds = Math.min(Math.max(maxMs, 1), bellWaitMaxMs) / 1_000
      return listener
        .call((client) => client.call("blpop", ...bells, String(seconds)), callMaxMs + bellWaitMaxMs)
        .pipe(Effect.asVoid, during("Store.bell"))
    }
    return { wait }
  })
