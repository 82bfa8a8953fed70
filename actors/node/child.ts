/**
 * One child process of a node, from its start to its end.
 *
 * The moment it ends, its leases are given up, so that what it held runs elsewhere at once. While it lives and says
 * nothing, they are renewed in its place, for `Settings.stall`; then it is killed. Children are in process groups of
 * their own: a Ctrl-C reaches the node alone, which stops them in order.
 */
import { Clock, Deferred, Duration, Effect, Exit, Fiber } from "effect"
import { Settings } from "../../runtime/config.ts"
import { Limits } from "../../runtime/limits.ts"
import { Store } from "../../runtime/store.ts"
import type { Partition } from "../../runtime/task.ts"
import type { Series } from "../../runtime/telemetry/exposition.ts"
import { endGroup } from "../process-group.ts"
import { Shutdown, workerStopMaxOf } from "../shutdown.ts"
import type { Incarnation } from "../work/incarnation.ts"
import { type Beat, beatEvery, type ChildMessage, type NodeMessage } from "./channel.ts"
import type { Wear } from "./recycling.ts"
import { measureAgainst, silenceAfter, type SilencePolicy } from "./silence.ts"

/** What to run, and what it is called. */
export interface ChildSpec {
  readonly name: string
  readonly command: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

export interface Child {
  readonly name: string
  readonly pid: number
  /** On the monotonic clock, in milliseconds. */
  readonly startedMono: number
  readonly ready: Effect.Effect<void>
  readonly isReady: () => boolean
  /** Succeeds once it has ended and what it held was handed back: with its exit code, or its signal. */
  readonly ended: Effect.Effect<number | string>
  /** Stops it in order, for as long as a drain may take; what it still holds then is handed back. */
  readonly stop: Effect.Effect<void>
  /** Lets it go when what it runs has ended, however long that takes. */
  readonly retire: () => void
  /** Whether it is to go, at our wish or an operator's. */
  readonly isRetiring: () => boolean
  /** Tells it what another process measures of itself. */
  readonly show: (of: string, series: ReadonlyArray<Series>) => void
  readonly wear: (nowMono: number) => Wear
  /** The partitions it takes turns with. */
  readonly partitions: () => ReadonlyArray<Partition>
}

export const monotonicMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

/** How children are started. */
export const makeSpawn = Effect.gen(function* () {
  const store = yield* Store
  const limits = yield* Limits
  const settings = yield* Settings
  const shutdown = yield* Shutdown
  const leaseMs = Duration.toMillis(settings.lease)
  const policy: SilencePolicy = {
    heartbeatMs: Duration.toMillis(settings.heartbeat),
    stallMs: Duration.toMillis(settings.stall),
    lookMs: Duration.toMillis(beatEvery(settings.heartbeat))
  }

  return Effect.fnUntraced(function* (
    spec: ChildSpec,
    onReady: (url: string | undefined) => void = () => {},
    onSeries: (of: string, series: ReadonlyArray<Series>) => void = () => {}
  ) {
    const startedMono = yield* monotonicMs
    const ready = yield* Deferred.make<void>()
    const ended = yield* Deferred.make<number | string>()
    let incarnation: Incarnation | undefined
    let beat: Beat | undefined
    let permits: ReadonlyArray<string> = []
    let hears = true
    let hasSpoken = false
    let silentMs = 0
    let retiring = false

    const hear = (message: ChildMessage) => {
      hasSpoken = true
      silentMs = 0
      switch (message.kind) {
        case "incarnation":
          incarnation = message
          return
        case "beat":
          beat = message
          permits = message.permits
          return
        case "permits":
          permits = message.permits
          return
        case "retiring":
          retiring = true
          return
        case "series":
          // One that is recycled and its successor have one name: it speaks for whoever fills the place.
          if (!retiring && Deferred.isDoneUnsafe(ready)) onSeries(spec.name, message.series)
          return
        case "ready":
          Deferred.doneUnsafe(ready, Exit.void)
          onReady(message.url)
      }
    }

    const process = Bun.spawn([...spec.command], {
      env: { ...globalThis.process.env, ...spec.env },
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
      detached: true,
      ipc: hear,
      onDisconnect: () => {
        hears = false
      }
    })
    const exited = Effect.promise(() => process.exited)
    // Of one that exits the end of its channel and its exit are seen one after the other, and to send to it then would throw.
    const say = (message: NodeMessage): void => {
      if (hears && process.exitCode === null && process.signalCode === null) process.send(message)
    }

    const inEachPartition = (
      what: (partition: Partition, worker: string) => Effect.Effect<unknown, unknown>
    ) =>
      Effect.suspend(() => {
        const { partitions, worker } = incarnation ?? { partitions: [], worker: "" }
        return Effect.forEach(partitions, (partition) => Effect.ignore(what(partition, worker)), {
          concurrency: "unbounded",
          discard: true
        })
      })

    const renew = Effect.suspend(() =>
      Effect.all(
        [
          inEachPartition((partition, worker) => store.renew(partition, worker, leaseMs)),
          // A permit that ran out would let another run start beside it.
          permits.length === 0 ? Effect.void : Effect.ignore(limits.renew(permits, leaseMs))
        ],
        { concurrency: "unbounded", discard: true }
      )
    )

    /** Keeps what a silent one holds, and ends one that is silent for too long. */
    const watch = Effect.gen(function* () {
      let lookedMono = startedMono
      let renewedMono = Number.NEGATIVE_INFINITY
      while (true) {
        yield* Effect.sleep(policy.lookMs)
        const now = yield* monotonicMs
        // One that has not spoken yet is still loading its handlers.
        if (hasSpoken) silentMs = silenceAfter(policy, silentMs, now - lookedMono)
        lookedMono = now
        const measure = measureAgainst(policy, silentMs, now - renewedMono)
        const who = `${spec.name} (pid ${process.pid})`
        if (measure === "kill") {
          yield* Effect.logError(
            `${who} has said nothing for ${Duration.format(settings.stall)}, and is killed: something blocks its process`
          )
          return process.kill("SIGKILL")
        }
        if (measure === "renew") {
          if (renewedMono < now - 2 * policy.heartbeatMs)
            yield* Effect.logWarning(
              `${who} says nothing, though it lives: what it runs is kept for it for ${Duration.format(settings.stall)}`
            )
          renewedMono = now
          yield* renew
        }
      }
    })

    const watching = yield* Effect.forkDetach(watch)
    yield* Effect.forkDetach(
      Effect.gen(function* () {
        yield* exited
        yield* Fiber.interrupt(watching)
        // What its handlers have started would go on with nobody to look after it.
        endGroup(process.pid)
        // What a dead process held goes to others. If Redis is gone too, leases end. One that left in order holds nothing.
        yield* inEachPartition(store.evict)
        yield* Deferred.succeed(ended, process.signalCode ?? process.exitCode ?? 0)
      })
    )

    const stop = Effect.gen(function* () {
      process.kill("SIGTERM")
      // Over the channel: a second signal so soon after the first would be one and the same to the child.
      const hurry = yield* Effect.forkChild(
        Effect.andThen(
          shutdown.hurried,
          Effect.sync(() => say({ kind: "hurry" }))
        )
      )
      // A cleanup is not interruptible by itself, and so would not heed its own time limit.
      yield* Effect.interruptible(exited).pipe(
        Effect.timeoutOrElse({
          duration: workerStopMaxOf(settings),
          orElse: () => {
            process.kill("SIGKILL")
            return exited
          }
        })
      )
      yield* Fiber.interrupt(hurry)
      yield* Deferred.await(ended)
    })

    return {
      name: spec.name,
      pid: process.pid,
      startedMono,
      ready: Deferred.await(ready),
      isReady: () => Deferred.isDoneUnsafe(ready),
      ended: Deferred.await(ended),
      stop,
      retire: () => {
        retiring = true
        say({ kind: "retire" })
      },
      isRetiring: () => retiring,
      show: (of, series) => say({ kind: "series", of, series }),
      partitions: () => incarnation?.partitions ?? [],
      wear: (nowMono) => ({
        done: beat?.done ?? 0,
        memoryBytes: beat?.memoryBytes ?? 0,
        ageMs: nowMono - startedMono
      })
    } satisfies Child
  })
})
