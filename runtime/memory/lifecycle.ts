/** The log of lifecycle events in memory: the readable specification of `runtime/lua/lifecycle-listen.lua`. */
import { Clock, Effect, Layer, Queue } from "effect"
import { LifecycleLog } from "../lifecycle.ts"
import type { Partition } from "../task.ts"
import { Heaps } from "./heap.ts"
import { epochOf } from "./lives.ts"

const make = Effect.gen(function* () {
  const { channels, of: heapOf } = yield* Heaps
  const clock = Effect.map(Clock.currentTimeMillis, Math.floor)

  return LifecycleLog.of({
    listen: (partition, leaseMs) =>
      Effect.map(clock, (now) => {
        const heap = heapOf(partition)
        const until = Number((heap.control.get("listened") ?? "0").split(" ")[0])
        const last = heap.lifecycle.at(-1)
        const epoch = epochOf(heap, now) ?? Math.max(now, (last?.epoch ?? 0) + 1)
        heap.control.set("listened", `${Math.max(now + leaseMs, until)} ${epoch}`)
        return { epoch, number: last?.epoch === epoch ? last.number : 0 }
      }),
    forget: (partition) =>
      Effect.map(clock, (now) => {
        const heap = heapOf(partition)
        if (epochOf(heap, now) === undefined) heap.lifecycle.length = 0
      }),
    read: (partition, after, limit) =>
      Effect.sync(() =>
        heapOf(partition)
          .lifecycle.filter(
            ({ epoch, number }) => epoch > after.epoch || (epoch === after.epoch && number > after.number)
          )
          .slice(0, limit)
      ),
    hints: Effect.gen(function* () {
      const heard = yield* Queue.unbounded<Partition | undefined>()
      yield* Effect.acquireRelease(
        Effect.sync(() => channels.lives.add(heard)),
        () => Effect.sync(() => channels.lives.delete(heard))
      )
      return { next: Queue.take(heard), tune: () => Effect.void }
    })
  })
})

export const layer = Layer.effect(LifecycleLog, make)
