import { describe, expect } from "bun:test"
import { Effect, Exit } from "effect"
import { relay } from "../../../actors/work/relay.ts"
import type { NewTask } from "../../../runtime/mailbox.ts"
import { Schedules, schedulesPartition } from "../../../runtime/schedules.ts"
import { Store, StoreError } from "../../../runtime/store.ts"
import { idIn } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { boxOf } from "../../support/promises.ts"
import { elsewhere, memoryStore, partition, redisStore } from "../../support/stores.ts"
import { aTask, aTurn, end, tasks } from "../../support/tasks.ts"

/** Owes tasks to queues. */
const owe = (...submits: ReadonlyArray<{ readonly partition: string; readonly task: NewTask }>) =>
  Schedules.use((schedules) =>
    schedules.change({
      id: "a",
      from: undefined,
      to: { version: "1", text: "", lookAt: undefined },
      slot: undefined,
      notes: [],
      submits
    })
  )

const to = (queue: string, some: ReadonlyArray<NewTask>) =>
  some.map(({ box, due, entry, record }) => ({
    partition: queue,
    task: { entry, record, ...(box && { box }), ...(due && { due }) }
  }))

/** The store, and how many tasks each submit had. One that has a task which is `refused` fails. */
const counted = (store: Store["Service"], refused?: NewTask) => {
  const sizes: Array<number> = []
  const submit: Store["Service"]["submit"] = (queue, some, options) => {
    sizes.push(some.length)
    return some.some(({ entry }) => entry === refused?.entry)
      ? Effect.fail(new StoreError({ operation: "Store.submit", cause: "a bug" }))
      : store.submit(queue, some, options)
  }
  return { sizes, store: Store.of({ ...store, submit }) }
}

for (const [name, storeWith] of [
  ["memory", memoryStore],
  ["Redis", redisStore]
] as const) {
  describe(`ends of children that their parents are to be told of, in ${name}`, () => {
    it.live("are told by one call for each queue of parents", () =>
      Effect.gen(function* () {
        const store = yield* Store
        const parents = tasks(3)
        const idOf = ({ ulid }: { readonly ulid: string }) => idIn(partition, ulid)
        yield* store.submit(partition, parents)
        yield* store.turn(partition, aTurn("w", { want: 3 }))
        const children = parents.flatMap((parent) => tasks(4, { parent: idOf(parent) }))
        yield* store.submit(elsewhere, children)
        const { claimed } = yield* store.turn(elsewhere, aTurn("v", { want: 20 }))
        yield* store.turn(elsewhere, aTurn("v", { settled: claimed.map(({ entry }) => end(entry)) }))
        const told: Array<number> = []
        const counting = Store.of({
          ...store,
          childrenEnded: (to, ends) => {
            told.push(ends.length)
            return store.childrenEnded(to, ends)
          }
        })

        yield* Effect.provideService(relay(elsewhere), Store, counting)

        expect(told).toEqual([12])
        expect(yield* store.outbox(elsewhere, 100)).toEqual([])
      }).pipe(Effect.provide(storeWith()))
    )
  })

  describe(`tasks that are owed to queues, in ${name}`, () => {
    it.live("are stored by one call for each queue", () =>
      Effect.gen(function* () {
        const some = [...tasks(30), ...tasks(10, { box: boxOf("k") })]
        yield* owe(...to(partition, some), ...to(elsewhere, tasks(20)))
        const { sizes, store } = counted(yield* Store)

        yield* Effect.provideService(relay(schedulesPartition), Store, store)

        expect(sizes).toEqual([40, 20])
        expect(yield* store.outbox(schedulesPartition, 100)).toEqual([])
        expect(yield* store.depth(partition)).toMatchObject({ lanes: { normal: 30 }, boxed: 10 })
        expect(yield* store.depth(elsewhere)).toMatchObject({ lanes: { normal: 20 } })
      }).pipe(Effect.provide(storeWith()))
    )

    it.live(
      "are stored each by itself where one keeps them from it, but for what is behind it in its box",
      () =>
        Effect.gen(function* () {
          const [first, bad, behind] = tasks(3, { box: boxOf("k") })
          const others = [...tasks(5), aTask({ box: boxOf("l") })]
          yield* owe(...to(partition, [first!, bad!, behind!, ...others]))
          const { store } = counted(yield* Store, bad)

          const exit = yield* Effect.exit(Effect.provideService(relay(schedulesPartition), Store, store))

          expect(Exit.isFailure(exit)).toBe(true)
          const left = yield* store.outbox(schedulesPartition, 100)
          expect(left.map((message) => message.kind === "submit" && message.task.entry)).toEqual([
            bad!.entry,
            behind!.entry
          ])
          expect(yield* store.depth(partition)).toMatchObject({ lanes: { normal: 5 }, boxed: 2 })

          yield* relay(schedulesPartition)
          expect(yield* store.depth(partition)).toMatchObject({ lanes: { normal: 5 }, boxed: 4 })
        }).pipe(Effect.provide(storeWith()))
    )
  })
}
