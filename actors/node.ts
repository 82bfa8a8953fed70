/**
 * Supervises the processes of one machine: starts them in order, watches them, starts again what exits, and stops
 * them in reverse order.
 *
 * The moment a worker process exits, its leases are given up, so that what it held runs elsewhere at once. Children
 * are in process groups of their own: a Ctrl-C reaches the node alone, which stops them in order. A child whose node
 * is gone sees its channel close, and drains.
 */
import { Clock, Context, Deferred, Duration, Effect, Exit, Fiber, Layer, Random, Schema } from "effect"
import { nextRestart, restartPolicy } from "../runtime/supervision/restarts.ts"
import { Settings } from "../runtime/config.ts"
import { Store } from "../runtime/store.ts"
import { Shutdown } from "./shutdown.ts"
import type { Incarnation } from "./work/worker.ts"

/** A child cannot be kept alive: restarting does not help. Everything else was stopped in order. */
export class ChildFailing extends Schema.TaggedError<ChildFailing>()("ChildFailing", {
  child: Schema.String,
  exitCode: Schema.NullOr(Schema.Int)
}) {
  override get message() {
    return `${this.child} cannot be kept alive, it last ended with ${this.exitCode ?? "a signal"}; see what it said above`
  }
}

/** A child process: what to run, and what it is called. */
export interface ChildSpec {
  readonly name: string
  readonly command: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

/** What a child tells its node over their channel. */
export type ChildMessage =
  | { readonly kind: "ready"; readonly url?: string }
  | ({ readonly kind: "incarnation" } & Incarnation)

/** What a node tells its children. That they are to stop, they hear by signal. */
export interface NodeMessage {
  readonly kind: "hurry"
}

/** Tells the node that supervises this process, if one does. */
export const tellNode = (message: ChildMessage): void => void process.send?.(message)

/**
 * Goes with the node that supervises this process, if one does: hurries when the node is in a hurry, and drains when
 * the node is gone and can no longer ask for it.
 */
export const goesWithNode = Layer.effectDiscard(
  Shutdown.useSync(({ hurry }) => {
    if (process.send === undefined) return
    process.on("message", (message: NodeMessage) => message.kind === "hurry" && hurry())
    process.once("disconnect", () => process.kill(process.pid, "SIGTERM"))
  })
)

const policy = restartPolicy({
  intensity: 10,
  period: "1 minute",
  backoff: { base: "100 millis", cap: "10 seconds" }
})

/** Exits of a child that never got ready which will not go better next time: usage, and what cannot be reached. */
const hopelessExits: ReadonlyArray<number> = [2, 5]

/** How often a child that never got ready is started again. */
const startsMax = 3

/** How long a child may take from its start until it is ready. */
const readyMax = Duration.seconds(60)

/** How much longer than its own drain a child may take to stop before it is killed. */
const stopSlack = Duration.seconds(10)

const monotonicMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

interface Child {
  readonly spec: ChildSpec
  process: Bun.Subprocess | undefined
  incarnation: Incarnation | undefined
}

/** What the node says of one of its children. */
export interface ChildStatus {
  readonly name: string
  readonly pid: number | undefined
}

export class Node extends Context.Service<
  Node,
  {
    /** The children in start order. */
    readonly children: () => ReadonlyArray<ChildStatus>
    /** Where the API answers, as its process said. */
    readonly url: Effect.Effect<string>
    /** Never succeeds; fails once a child cannot be kept alive. */
    readonly failed: Effect.Effect<never, ChildFailing>
  }
>()("troupe/Node") {}

export const layer = (specs: ReadonlyArray<ChildSpec>) =>
  Layer.effect(
    Node,
    Effect.gen(function* () {
      const store = yield* Store
      const settings = yield* Settings
      const shutdown = yield* Shutdown
      const failed = yield* Deferred.make<never, ChildFailing>()
      const url = yield* Deferred.make<string>()
      const children = specs.map((spec): Child => ({ spec, process: undefined, incarnation: undefined }))

      /** Hands what a dead process held to others. It is no longer our word that counts if Redis is gone: leases end. */
      const handBack = Effect.fnUntraced(function* (child: Child) {
        const { incarnation } = child
        child.incarnation = undefined
        yield* Effect.forEach(
          incarnation?.partitions ?? [],
          (partition) => Effect.ignore(store.evict(partition, incarnation!.worker)),
          { concurrency: "unbounded", discard: true }
        )
      })

      const start = (child: Child, ready: Deferred.Deferred<void>) =>
        Effect.sync(() => {
          const process = Bun.spawn([...child.spec.command], {
            env: { ...globalThis.process.env, ...child.spec.env },
            stdin: "ignore",
            stdout: "inherit",
            stderr: "inherit",
            detached: true,
            ipc: (message: ChildMessage) => {
              if (message.kind === "incarnation") child.incarnation = message
              else {
                Deferred.doneUnsafe(ready, Exit.void)
                if (message.url !== undefined) Deferred.doneUnsafe(url, Exit.succeed(message.url))
              }
            }
          })
          child.process = process
          return process
        })

      /** Keeps one child alive until it is interrupted; then the child is stopped. */
      const keep = Effect.fnUntraced(function* (child: Child, ready: Deferred.Deferred<void>) {
        const restarts: Array<number> = []
        let streak = 0
        while (true) {
          const since = yield* monotonicMs
          const process = yield* start(child, ready)
          yield* Effect.promise(() => process.exited).pipe(Effect.onInterrupt(() => stop(child, process)))
          child.process = undefined
          yield* handBack(child)
          const now = yield* monotonicMs
          const random = yield* Random.next
          const decision = nextRestart(policy, { restarts, now, streak, livedMs: now - since, random })
          const hopeless =
            !(yield* Deferred.isDone(ready)) &&
            (restarts.length >= startsMax || hopelessExits.includes(process.exitCode ?? 0))
          if (decision._tag === "GiveUp" || hopeless) {
            const error = new ChildFailing({ child: child.spec.name, exitCode: process.exitCode })
            return yield* Deferred.fail(failed, error)
          }
          yield* Effect.logWarning(
            `${child.spec.name} (pid ${process.pid}) ended with ${
              process.signalCode ?? process.exitCode
            }; it is started again in ${decision.afterMs} ms`
          )
          streak = decision.streak
          yield* Effect.sleep(decision.afterMs)
          restarts.push(yield* monotonicMs)
        }
      })

      const stop = Effect.fnUntraced(function* (child: Child, process: Bun.Subprocess) {
        process.kill("SIGTERM")
        // Over the channel: a second signal so soon after the first would be one and the same to the child.
        const hurry = yield* Effect.forkChild(
          Effect.tap(shutdown.hurried, () =>
            Effect.sync(() => process.send({ kind: "hurry" } satisfies NodeMessage))
          )
        )
        yield* Effect.promise(() => process.exited).pipe(
          Effect.timeoutOrElse({
            duration: Duration.sum(settings.drain, stopSlack),
            orElse: () => {
              process.kill("SIGKILL")
              return Effect.promise(() => process.exited)
            }
          })
        )
        yield* Fiber.interrupt(hurry)
        // One that left in order holds nothing, and this does nothing.
        yield* handBack(child)
      })

      // In order, each ready before the next; as the scope closes they stop in reverse order.
      for (const group of groupsOf(children)) {
        const readies = yield* Effect.forEach(group, (child) =>
          Effect.gen(function* () {
            const ready = yield* Deferred.make<void>()
            return { child, ready }
          })
        )
        const fibers = yield* Effect.forEach(readies, ({ child, ready }) =>
          Effect.forkDetach(keep(child, ready))
        )
        yield* Effect.addFinalizer(() => Fiber.interruptAll(fibers))
        yield* Effect.forEach(readies, ({ ready }) => Deferred.await(ready), {
          concurrency: "unbounded",
          discard: true
        }).pipe(
          Effect.timeoutOrElse({
            duration: readyMax,
            orElse: () => Effect.logWarning("a child takes long to get ready")
          }),
          Effect.raceFirst(Effect.ignore(Deferred.await(failed)))
        )
      }
      return Node.of({
        children: () => children.map(({ process, spec }) => ({ name: spec.name, pid: process?.pid })),
        url: Deferred.await(url),
        failed: Deferred.await(failed)
      })
    })
  )

/** Children of one kind start together: `worker 1`, `worker 2`, then `api`. */
const groupsOf = (children: ReadonlyArray<Child>): ReadonlyArray<ReadonlyArray<Child>> => {
  const groups = new Map<string, Array<Child>>()
  for (const child of children) {
    const kind = child.spec.name.split(" ")[0]!
    const group = groups.get(kind) ?? []
    groups.set(kind, group)
    group.push(child)
  }
  return [...groups.values()]
}
