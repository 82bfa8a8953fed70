/**
 * The one store of a simulated world, which is the store in memory, and what each process sees of it through its network.
 *
 * A call is one atomic step, as a script is in Redis. The clock it reads is the server's own. Whatever service the store
 * in memory has is there by itself: only what is listened to has to be named.
 */
import { Context, Effect, Exit, Layer, Queue, Scope } from "effect"
import { Settings, type SettingsShape } from "../../runtime/config.ts"
import { Heaps } from "../../runtime/memory/heap.ts"
import * as Heap from "../../runtime/memory/heap.ts"
import * as Memory from "../../runtime/memory/stores.ts"
import { LifecycleLog } from "../../runtime/lifecycle.ts"
import { Schedules } from "../../runtime/schedules.ts"
import { Store } from "../../runtime/store.ts"
import type { Network } from "./network.ts"
import type { Process } from "./process.ts"

type Services = Layer.Success<typeof Memory.over>

/** A service whose methods may be replaced. */
export type Mutable<Service> = { -readonly [Method in keyof Service]: Service[Method] }

type Method =
  | Effect.Effect<unknown, unknown>
  | ((...args: ReadonlyArray<unknown>) => Effect.Effect<unknown, unknown>)
type Methods = Record<string, Method>

/** What opens an ear, for as long as its scope is open: news come one by one, or somebody waits until there are some. */
const listening: Readonly<Record<string, Readonly<Record<string, "next" | "wait">>>> = {
  [Store.key]: { inbox: "next", orders: "next", bell: "wait" },
  [Schedules.key]: { ear: "wait" },
  [LifecycleLog.key]: { hints: "next" }
}

interface Opened {
  readonly next?: Effect.Effect<unknown>
  readonly wait?: (maxMs: number) => Effect.Effect<void, unknown>
}

/** Everything that is stored, as whoever stands beside it sees it. */
export interface Stored {
  readonly heaps: Heaps["Service"]
  /** A service of it; a method that is replaced here is replaced for all processes that start from then on. */
  readonly of: <Id extends Services, Service>(tag: Context.Key<Id, Service>) => Mutable<Service>
}

/** What stands behind the network. It is never killed: what it loses, it loses by bugs. */
export class Server {
  readonly process: Process
  readonly stored: Stored
  readonly #network: Network
  readonly #services = new Map<string, Methods>()

  constructor(process: Process, network: Network, settings: SettingsShape) {
    this.process = process
    this.#network = network
    const context = this.now(
      Layer.build(
        Memory.over.pipe(Layer.provideMerge(Heap.layer), Layer.provide(Layer.succeed(Settings, settings)))
      ).pipe(Effect.provideService(Scope.Scope, Scope.makeUnsafe()))
    )
    for (const [key, service] of context.mapUnsafe)
      if (key !== Heaps.key) this.#services.set(key, { ...(service as Methods) })
    this.stored = {
      heaps: Context.get(context, Heaps),
      of: (tag) => this.#services.get(tag.key) as never
    }
  }

  /** What an effect that waits for nothing comes to on this clock. */
  now<A, E>(effect: Effect.Effect<A, E>): A {
    return Effect.runSyncWith(this.process.context)(effect)
  }

  /** The stores as a process has them. */
  of(client: Process): Layer.Layer<Services> {
    const seen = [...this.#services].map(([key, methods]): readonly [string, Methods] => {
      const name = key.replace("troupe/", "")
      const calls = Object.entries(methods).map(([method, behind]): readonly [string, Method] => {
        const operation = `${name}.${method}`
        const kind = listening[key]?.[method]
        const one = (effect: Effect.Effect<unknown, unknown>, args: ReadonlyArray<unknown>) =>
          kind === undefined
            ? this.#call(client, operation, effect, args)
            : (this.#heard(client, operation, kind, effect as never) as typeof effect)
        return [
          method,
          Effect.isEffect(behind)
            ? one(behind, [])
            : (...args) =>
                one(
                  Effect.suspend(() => behind(...args)),
                  args
                )
        ]
      })
      return [key, Object.fromEntries(calls)]
    })
    return Layer.succeedContext(Context.makeUnsafe(new Map(seen)))
  }

  /** One call over the network. */
  #call<A, E>(
    client: Process,
    operation: string,
    effect: Effect.Effect<A, E>,
    about: ReadonlyArray<unknown> = []
  ) {
    const run = () => Effect.runSyncExitWith(this.process.context)(effect)
    return this.#network.call(client, operation, run, about)
  }

  /** Opens an ear of a process at the server. */
  #heard(
    client: Process,
    operation: string,
    kind: "next" | "wait",
    open: Effect.Effect<Opened, unknown, Scope.Scope>
  ) {
    return Effect.gen({ self: this }, function* () {
      const opened = yield* this.#open(client, operation, open)
      if (kind === "wait") return { ...opened, wait: this.#waiting(client, opened.wait!) }
      const queue = yield* Queue.unbounded<unknown>()
      const listens = Effect.forever(
        Effect.map(opened.next!, (one) =>
          this.#network.tell(client, () => void Queue.offerUnsafe(queue, one))
        )
      )
      yield* this.#whileThere(client, () => {
        const fiber = this.process.fork(listens)
        return () => fiber.interruptUnsafe()
      })
      return { ...opened, next: Queue.take(queue) }
    })
  }

  /** Waits as at a bell, on a connection of its own. */
  #waiting(client: Process, wait: NonNullable<Opened["wait"]>) {
    return (maxMs: number) =>
      Effect.callback<void, unknown>((resume) => {
        const fiber = this.process.fork(wait(maxMs))
        const end = () => fiber.interruptUnsafe()
        client.onGone.add(end)
        fiber.addObserver((exit) => {
          client.onGone.delete(end)
          // One that is not heard was taken all the same: whoever waits looks for itself in the end.
          if (Exit.isSuccess(exit) && !this.#network.tell(client, () => resume(exit)))
            client.after(maxMs, () => resume(exit))
        })
        return Effect.sync(end)
      })
  }

  /** Opens something at the server for as long as the scope of the caller, and the caller, are there. */
  #open<A>(client: Process, operation: string, open: Effect.Effect<A, unknown, Scope.Scope>) {
    return Effect.gen({ self: this }, function* () {
      const scope = Scope.makeUnsafe()
      yield* this.#whileThere(client, () => () => void this.process.fork(Scope.close(scope, Exit.void)))
      return yield* this.#call(client, operation, Scope.provide(open, scope))
    })
  }

  /** Begins something at the server, and ends it with the scope of the caller, or with the caller. */
  #whileThere(client: Process, begin: () => () => void) {
    return Effect.acquireRelease(
      Effect.sync(() => {
        const end = begin()
        client.onGone.add(end)
        return end
      }),
      (end) =>
        Effect.sync(() => {
          client.onGone.delete(end)
          end()
        })
    )
  }
}
