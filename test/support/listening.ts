/**
 * What a store that listens is promised, also where a connection was lost or a slot has moved: it hears what is said, or that
 * it may have missed something.
 */
import { Effect, Schedule } from "effect"
import { type Inbox, type Order, Store, StoreError } from "../../runtime/store.ts"
import { partition } from "./stores.ts"
import { aTask, aUlid, submit, turn } from "./tasks.ts"

/** Says it again until Redis answers, as every caller of the store does. */
export const insist = <A, E, R>(call: Effect.Effect<A, E, R>) =>
  Effect.retry(call, {
    schedule: Schedule.spaced("10 millis"),
    while: (error) => error instanceof StoreError,
    times: 2_000
  })

/** Tells an inbox of news until it hears them, and nothing else. */
export const hears = (inbox: Inbox) =>
  Effect.gen(function* () {
    const ulid = aUlid()
    yield* insist(turn("w", { hints: [[inbox.name, [ulid]]] }))
    for (;;) {
      const hint = yield* inbox.next
      if (hint === "all") return false
      if (hint.news.some((news) => news.ulid === ulid)) return hint.partition === partition
    }
  }).pipe(Effect.repeat({ until: (heard) => heard }))

/** Cancels what worker `w` runs until it hears that it is to stop that. */
export const obeys = (orders: { readonly next: Effect.Effect<Order> }) =>
  Effect.gen(function* () {
    const task = aTask()
    yield* insist(submit(task))
    const { claimed } = yield* insist(turn("w", { want: 1 }))
    yield* insist(Store.use((store) => store.cancel(partition, task.ulid, "no more")))
    for (;;) {
      const order = yield* orders.next
      if (order.kind === "all") return false
      if (order.kind === "stop" && order.entry === claimed[0]?.entry) return true
    }
  }).pipe(Effect.repeat({ until: (heard) => heard }))
