/**
 * What a node and its child processes tell each other, over the channel between them.
 *
 * A child says when it is ready, who it is in the store, and now and then that it lives. A node says what signals
 * cannot. A child whose node is gone sees the channel close, and drains.
 */
import { Duration, Effect, Layer } from "effect"
import { Settings } from "../../runtime/config.ts"
import type { Series } from "../../runtime/telemetry/exposition.ts"
import { Gathered, makeGathered, tellEveryMs } from "../../runtime/telemetry/gathered.ts"
import { ownSeries } from "../../runtime/telemetry/process.ts"
import { Shutdown } from "../shutdown.ts"
import type { Incarnation } from "../work/incarnation.ts"
import { Worker } from "../work/worker.ts"

/** What a child tells its node. */
export type ChildMessage =
  | { readonly kind: "ready"; readonly url?: string }
  | ({ readonly kind: "incarnation" } & Incarnation)
  | ({ readonly kind: "beat" } & Beat)
  /** All permits of limits that are out in its name: told at once, since a run with one may block it from then on. */
  | { readonly kind: "permits"; readonly permits: ReadonlyArray<string> }
  /** What it measures of itself, now and then. */
  | { readonly kind: "series"; readonly series: ReadonlyArray<Series> }
  /** It was asked to go, goes when what it runs has ended, and is not to be replaced. */
  | { readonly kind: "retiring" }

/** That a child's event loop turns, and how it stands. */
export interface Beat {
  readonly memoryBytes: number
  /** Runs that have ended. */
  readonly done: number
  /** The permits of limits that are out in its name. */
  readonly permits: ReadonlyArray<string>
}

/** What a node tells its children. That they are to stop, they hear by signal. */
export type NodeMessage =
  /** Waiting is over. */
  | { readonly kind: "hurry" }
  /** Claim no more, and go when what runs has ended, however long that takes. */
  | { readonly kind: "retire" }
  /** What another process of the node measures of itself; told to the API, which is asked for all. */
  | { readonly kind: "series"; readonly of: string; readonly series: ReadonlyArray<Series> }

/** So many beats there are in a heartbeat of the store: a child that missed these is silent. */
const beatsPerHeartbeat = 5

/** How often a child says that it lives. */
export const beatEvery = (heartbeat: Duration.Duration): Duration.Duration =>
  Duration.divideUnsafe(heartbeat, beatsPerHeartbeat)

/** Tells the node that supervises this process, if one does. */
export const tellNode = (message: ChildMessage): void => {
  if (process.connected) process.send?.(message)
}

const hearNode = (hear: (message: NodeMessage) => void) =>
  Effect.acquireRelease(
    Effect.sync(() => void process.on("message", hear)),
    () => Effect.sync(() => void process.off("message", hear))
  )

/**
 * Goes with the node that supervises this process, if one does: hurries when the node is in a hurry, and drains when
 * the node is gone and can no longer ask for it.
 */
export const goesWithNode = Layer.effectDiscard(
  Effect.gen(function* () {
    const { hurry } = yield* Shutdown
    if (process.send === undefined) return
    yield* hearNode(({ kind }) => kind === "hurry" && hurry())
    process.once("disconnect", () => process.kill(process.pid, "SIGTERM"))
  })
)

const beats = Effect.fnUntraced(function* (of: () => Omit<Beat, "memoryBytes">) {
  const { heartbeat } = yield* Settings
  if (process.send === undefined) return
  const beat = Effect.sync(() => tellNode({ kind: "beat", memoryBytes: process.memoryUsage.rss(), ...of() }))
  // For as long as the process lives, its drain included: one that drains for long is not silent.
  yield* Effect.forkDetach(Effect.forever(Effect.andThen(beat, Effect.sleep(beatEvery(heartbeat)))))
})

/** Says that this process lives. */
export const beatsForNode = Layer.effectDiscard(beats(() => ({ done: 0, permits: [] })))

/** Says how the worker of this process stands, and lets it go when its node wishes so. */
export const workerForNode = Layer.effectDiscard(
  Effect.gen(function* () {
    const { done, permits, retire, retiring } = yield* Worker
    yield* beats(() => ({ done: done(), permits: permits() }))
    yield* hearNode(({ kind }) => kind === "retire" && retire())
    yield* Effect.forkScoped(
      Effect.andThen(
        retiring,
        Effect.sync(() => tellNode({ kind: "retiring" }))
      )
    )
  })
)

/** Tells the node what this process measures of itself; the node lets its API tell of it. */
export const seriesForNode = Layer.effectDiscard(
  Effect.gen(function* () {
    if (process.send === undefined) return
    const tell = Effect.sync(() => tellNode({ kind: "series", series: ownSeries() }))
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(tell, Effect.sleep(tellEveryMs))))
  })
)

/** Keeps what the other processes of its node measure, for whoever asks this one. */
export const seriesOfNode = Layer.effect(
  Gathered,
  Effect.gen(function* () {
    const gathered = makeGathered()
    yield* hearNode((message) => {
      if (message.kind === "series") gathered.take(message.of, message.series)
    })
    return gathered
  })
)
