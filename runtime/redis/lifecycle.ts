/** The log of lifecycle events in Redis: a stream of each partition that somebody listens to, and a connection for its hints. */
import { Effect, Layer, Queue } from "effect"
import { type Life, type LifeKind, LifecycleLog, type LifePlace } from "../lifecycle.ts"
import { StoreError } from "../store.ts"
import type { Partition } from "../task.ts"
import { during, Scripted } from "./scripted.ts"

const lifeOf = ([id, [kind, about, head, more]]: [string, Array<string>]): Life => {
  const [epoch, number] = id.split("-")
  const [ulid, attempt, at] = about!.split(" ")
  return {
    epoch: Number(epoch),
    // Redis counts from 0.
    number: Number(number) + 1,
    kind: kind as LifeKind,
    ulid: ulid!,
    attempt: Number(attempt),
    at: Number(at),
    head: head!,
    more: more!
  }
}

const make = Effect.gen(function* () {
  const { call, keysOf, listen, run } = yield* Scripted

  const read: LifecycleLog["Service"]["read"] = (partition, { epoch, number }, limit) =>
    call(partition, (client) =>
      client.xrange(keysOf(partition).lifecycle, `${epoch}-${number}`, "+", "COUNT", limit)
    ).pipe(
      Effect.map((entries) => entries.map(lifeOf)),
      during("LifecycleLog.read")
    )

  const hints: LifecycleLog["Service"]["hints"] = Effect.gen(function* () {
    const heard = yield* Queue.unbounded<Partition | undefined>()
    const channels = new Map<string, Partition>()
    const ear = yield* listen("troupe-lives", {
      message: (channel) => Queue.offerUnsafe(heard, channels.get(channel)),
      missed: () => Queue.offerUnsafe(heard, undefined)
    })
    const tune = (partition: Partition) => {
      const channel = keysOf(partition).lives
      channels.set(channel, partition)
      return ear.tune(partition, channel).pipe(during("LifecycleLog.hints"))
    }
    return { next: Queue.take(heard), tune }
  }).pipe(Effect.mapError((cause) => new StoreError({ operation: "LifecycleLog.hints", cause })))

  return LifecycleLog.of({
    listen: (partition, leaseMs) =>
      run<[string, number, number]>("lifecycle-listen", partition, [leaseMs]).pipe(
        Effect.map(([epoch, number]): LifePlace => ({ epoch: Number(epoch), number })),
        during("LifecycleLog.listen")
      ),
    forget: (partition) =>
      Effect.asVoid(run("lifecycle-listen", partition, [0])).pipe(during("LifecycleLog.forget")),
    read,
    hints
  })
})

/** The log in the Redis that `Scripted` reaches. */
export const layer = Layer.effect(LifecycleLog, make)
