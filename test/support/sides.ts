/**
 * The two stores as the sides of a comparison: each gives every sequence a place, a clock, two inboxes, and ears for the
 * orders to its workers.
 */
import { Context, Duration, Effect, Layer, Queue } from "effect"
import { Settings } from "../../runtime/config.ts"
import { partitionKeys } from "../../runtime/keys.ts"
import { Operations } from "../../runtime/operations.ts"
import type { Scripts } from "../../runtime/redis/scripts.ts"
import { orderOf } from "../../runtime/redis/listening.ts"
import * as RedisStore from "../../runtime/redis/stores.ts"
import { Steps } from "../../runtime/steps.ts"
import { type Inbox, type News, type Order, Store } from "../../runtime/store.ts"
import type { Side } from "../suite/store-sequences.ts"
import { type HearingInbox, obedient, type Obedient, runOn } from "./commands.ts"
import { deadRetentionMs, retentionMs } from "./random-commands.ts"
import { redisSettings } from "./redis.ts"
import { aClient, Bell, memoryStore, partition, redisTimeOf } from "./stores.ts"
import { TestTime } from "./time.ts"

const settings = { retention: Duration.millis(retentionMs), deadRetention: Duration.millis(deadRetentionMs) }

/** Collects ULIDs from `next` until `mark` is among them. */
const hearing = (name: string, next: Effect.Effect<ReadonlyArray<string>>): HearingInbox => ({
  name,
  heardUntil: Effect.fnUntraced(function* (mark) {
    const heard: Array<string> = []
    while (heard.at(-1) !== mark) heard.push(...(yield* next))
    return heard.slice(0, -1)
  })
})

/** Collects what is to be stopped and run from `next`, until it is told to drain. */
const ordersFrom = Effect.fnUntraced(function* (next: Effect.Effect<Order>) {
  const heard: Array<string> = []
  for (;;) {
    const order = yield* next
    if (order.kind === "drain") return heard
    if (order.kind === "stop") heard.push(`stop ${order.entry}`)
    if (order.kind === "run") heard.push(`run ${order.claim.entry} ${order.claim.record}`)
  }
})

const lineOf = ({ event, record = "", ulid }: News) =>
  event === undefined ? ulid + record : `${ulid}~${event.run}-${event.seq} ${event.kind} ${event.data}`

const linesFrom = (inbox: Inbox) =>
  Effect.map(inbox.next, (hint) => {
    if (hint === "all") throw new Error("an inbox lost its connection")
    return hint.news.map(lineOf)
  })

export const memorySide: Side = {
  name: "memory",
  stage: Effect.gen(function* () {
    const context = yield* Layer.build(Layer.fresh(memoryStore(settings)))
    const open = Effect.map(Context.get(context, Store).inbox, (inbox) =>
      hearing(inbox.name, linesFrom(inbox))
    )
    const inboxes = { A: yield* Effect.orDie(open), B: yield* Effect.orDie(open) }
    const { orders } = Context.get(context, Store)
    const heard = new Map<Obedient, Effect.Effect<Order>>()
    for (const worker of obedient) heard.set(worker, (yield* Effect.orDie(orders(worker, [partition]))).next)
    const run = runOn({
      partition,
      inboxes,
      ordersUntilDrain: (worker) => ordersFrom(heard.get(worker)!),
      keys: Effect.succeed([])
    })
    // Redis drops a stream when its time comes, even if the clock is set back later; memory when it next looks.
    const look = Context.get(context, Store).sweep(partition, 0)
    return (command) =>
      run(command).pipe(
        Effect.tap(() => (command.do === "advance" ? Effect.ignore(look) : Effect.void)),
        Effect.provideContext(context)
      )
  })
}

/** All sequences share one store, each with a partition of its own. */
export const openRedisSide = Effect.fnUntraced(function* (scripts: Scripts) {
  const context = yield* Layer.build(
    RedisStore.layer(scripts).pipe(Layer.provideMerge(redisSettings(settings)))
  )
  const { namespace } = Context.get(context, Settings)
  const store = Context.get(context, Store)
  const client = yield* aClient
  let staged = 0

  // One connection hears the orders of all sequences; the store would open one for each worker.
  const ear = yield* aClient
  const orders = new Map<string, Queue.Queue<Order>>()
  ear.on("smessage", (channel: string, message: string) => {
    Queue.offerUnsafe(orders.get(channel)!, orderOf(partition, message))
  })

  /** An inbox whose hints are handed on by partition. */
  const openInbox = Effect.gen(function* () {
    const inbox = yield* store.inbox
    const queues = new Map<string, Queue.Queue<ReadonlyArray<string>>>()
    yield* Effect.forkScoped(
      Effect.forever(
        Effect.map(inbox.next, (hint) => {
          if (hint !== "all") Queue.offerUnsafe(queues.get(hint.partition)!, hint.news.map(lineOf))
        })
      )
    )
    return (partition: string) =>
      Effect.gen(function* () {
        const queue = yield* Queue.unbounded<ReadonlyArray<string>>()
        queues.set(partition, queue)
        yield* inbox.tune(partition)
        return hearing(inbox.name, Queue.take(queue))
      })
  })
  const [A, B] = [yield* openInbox, yield* openInbox]

  return {
    name: "Redis",
    stage: Effect.gen(function* () {
      const partition = `s${++staged}.0`
      const { base, bell, orders: channelOf } = partitionKeys(namespace, partition)
      const ofTest = [`${base}clock`, `${base}expiring`]
      const tools = Context.make(Store, store).pipe(
        Context.add(Steps, Context.get(context, Steps)),
        Context.add(Operations, Context.get(context, Operations)),
        Context.add(TestTime, yield* redisTimeOf(client, base)),
        Context.add(Bell, { rang: Effect.promise(async () => (await client.lpop(bell)) !== null) })
      )
      // Nothing stays for the next sequences: to look for keys is to look at all there are.
      yield* Effect.addFinalizer(() =>
        Effect.promise(async () => client.unlink(await client.keys(`${base}*`)))
      )
      const keys = Effect.promise(async () => {
        const all = await client.keys(`${base}*`)
        return (
          all
            .filter((key) => !ofTest.includes(key))
            .map((key) => key.slice(base.length))
            // Statistics go by themselves, hours later.
            .filter((key) => !key.startsWith("stat:"))
            .toSorted()
        )
      })
      const inboxes = { A: yield* Effect.orDie(A(partition)), B: yield* Effect.orDie(B(partition)) }
      const channels = obedient.map(channelOf)
      for (const channel of channels) orders.set(channel, yield* Queue.unbounded<Order>())
      yield* Effect.acquireRelease(
        Effect.promise(() => ear.ssubscribe(...channels)),
        () => Effect.promise(() => ear.sunsubscribe(...channels))
      )
      const run = runOn({
        partition,
        inboxes,
        ordersUntilDrain: (worker) => ordersFrom(Queue.take(orders.get(channelOf(worker))!)),
        keys
      })
      return (command) => Effect.provideContext(run(command), tools)
    })
  } satisfies Side
})
