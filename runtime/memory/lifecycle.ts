/** The log of lifecycle events in memory: the readable specification of `lifecycle-listen.lua` and `lib/lives.lua`. */
import { Clock, Effect, Layer, Queue } from "effect"
import { cutHead, type LifeKind, LifecycleLog, livesMax } from "../lifecycle.ts"
import type { Partition } from "../task.ts"
import type { Cells } from "./cells.ts"
import { Heaps } from "./heap.ts"

/** What `control.listened` says, while that holds; one that nobody has renewed goes. */
export const epochOf = ({ control }: Pick<Cells, "control">, now: number): number | undefined => {
  const [until, epoch] = (control.get("listened") ?? "").split(" ").map(Number)
  if (until === undefined || epoch === undefined) return undefined
  if (until > now) return epoch
  control.delete("listened")
  return undefined
}

/** Notes what has become of a task, if somebody listens. */
export const noteLife = (
  cells: Cells,
  now: number,
  {
    attempt,
    kind,
    more = "",
    record,
    ulid
  }: {
    readonly kind: LifeKind
    readonly ulid: string
    readonly attempt: number
    readonly record: string
    readonly more?: string
  }
): void => {
  const epoch = epochOf(cells, now)
  if (epoch === undefined) return
  const { lifecycle } = cells
  const last = lifecycle.at(-1)
  const number = last?.epoch === epoch ? last.number + 1 : 1
  lifecycle.push({ epoch, number, kind, ulid, attempt, at: now, head: cutHead(record), more })
  if (lifecycle.length > livesMax) lifecycle.splice(0, lifecycle.length - livesMax)
  cells.tellListeners()
}

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
      const heard = yield* Queue.unbounded<Partition | "all">()
      yield* Effect.acquireRelease(
        Effect.sync(() => channels.lives.add(heard)),
        () => Effect.sync(() => channels.lives.delete(heard))
      )
      return { next: Queue.take(heard), tune: () => Effect.void }
    })
  })
})

export const layer = Layer.effect(LifecycleLog, make)
