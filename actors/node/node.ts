/**
 * Supervises the processes of one machine: starts them in order, keeps them, has as many workers as there is need for,
 * and stops them in reverse order.
 *
 * It is a member of the system: others see it by its heartbeats, and may ask it to stop all it runs.
 */
import { Context, Deferred, Effect, Fiber, Layer, Semaphore } from "effect"
import { Settings } from "../../runtime/config.ts"
import { tellEveryMs } from "../../runtime/telemetry/gathered.ts"
import { ownSeries } from "../../runtime/telemetry/process.ts"
import type { ChildSpec } from "./child.ts"
import { makeSpawn } from "./child.ts"
import { beHeard } from "./heart.ts"
import { type ChildFailing, emptyPlace, keep, type Keeping, type Place, readyMax } from "./place.ts"
import { scale } from "./scaler.ts"
import { stopInOrder } from "./stopping.ts"

export type { ChildSpec } from "./child.ts"
export { ChildFailing } from "./place.ts"

export class Node extends Context.Service<
  Node,
  {
    /** Where the API answers, as its process said. */
    readonly url: Effect.Effect<string>
    /** Succeeds once somebody has asked it to go. */
    readonly drained: Effect.Effect<void>
    /** Never succeeds; fails once a child cannot be kept alive. */
    readonly failed: Effect.Effect<never, ChildFailing>
  }
>()("troupe/Node") {}

/** The processes of a node: workers, as many as the settings say, and the API after them. */
export interface NodeSpecs {
  /** The worker of a number from 1 on. */
  readonly worker: (number: number) => ChildSpec
  readonly api: ChildSpec
}

export const layer = (specs: NodeSpecs) =>
  Layer.effect(
    Node,
    Effect.gen(function* () {
      const settings = yield* Settings
      const failed = yield* Deferred.make<never, ChildFailing>()
      const drained = yield* Deferred.make<void>()
      const url = yield* Deferred.make<string>()
      const api = emptyPlace(specs.api)
      const keeping: Keeping = {
        spawn: yield* makeSpawn,
        settings,
        successions: yield* Semaphore.make(1),
        onSeries: (of, series) => api.child?.show(of, series),
        onReady: (where) => {
          if (where !== undefined) Deferred.doneUnsafe(url, Effect.succeed(where))
        }
      }
      /** The places of workers, in the order in which they were opened. */
      const places = new Map<Place, Fiber.Fiber<void, ChildFailing>>()
      let min = settings.workers.min

      const keepUntilItGoes = (place: Place) =>
        Effect.tapError(keep(place, keeping), (error) => Deferred.fail(failed, error))

      const openPlace = Effect.gen(function* () {
        const taken = new Set([...places.keys()].map(({ spec }) => spec.name))
        let number = 1
        while (taken.has(specs.worker(number).name)) number += 1
        const place = emptyPlace(specs.worker(number))
        const fiber = yield* Effect.forkDetach(keepUntilItGoes(place))
        places.set(place, fiber)
        fiber.addObserver(() => {
          places.delete(place)
          // An operator has asked its worker to go: there is one fewer, until more are needed.
          if (!place.closing) min = Math.max(0, min - 1)
        })
        return place
      })

      const closePlace = (place: Place) => {
        place.closing = true
        place.child?.retire()
      }

      const ready = (place: Place) =>
        Effect.gen(function* () {
          while (place.child?.isReady() !== true) yield* Effect.sleep(readyLookMs)
        }).pipe(
          Effect.timeoutOrElse({
            duration: readyMax,
            orElse: () => Effect.logWarning(`${place.spec.name} takes long to get ready`)
          }),
          Effect.raceFirst(Effect.ignore(Deferred.await(failed)))
        )

      const apiFibers: Array<Fiber.Fiber<void, ChildFailing>> = []
      const pidsOf = (all: Iterable<Place>) =>
        [...all].flatMap(({ living }) => [...living].map(({ pid }) => pid))

      // In order, each ready before the next.
      yield* beHeard({
        workers: () => [...places.keys()].reduce((sum, { living }) => sum + living.size, 0),
        onDrain: Deferred.succeed(drained, undefined)
      })
      yield* stopInOrder(
        {
          stop: Effect.suspend(() => Fiber.interruptAll(apiFibers)),
          pids: () => pidsOf([api])
        },
        {
          stop: Effect.suspend(() => Fiber.interruptAll(places.values())),
          pids: () => pidsOf(places.keys())
        }
      )
      const workers = yield* Effect.replicateEffect(openPlace, min)
      yield* Effect.forEach(workers, ready, { concurrency: "unbounded", discard: true })
      if (settings.workers.max > settings.workers.min)
        yield* scale({ places: () => [...places.keys()], open: openPlace, close: closePlace, min: () => min })

      apiFibers.push(yield* Effect.forkDetach(keepUntilItGoes(api)))
      yield* ready(api)
      yield* Effect.sync(() => api.child?.show("node", ownSeries())).pipe(
        Effect.andThen(Effect.sleep(tellEveryMs)),
        Effect.forever,
        Effect.forkScoped
      )

      return Node.of({
        url: Deferred.await(url),
        drained: Deferred.await(drained),
        failed: Deferred.await(failed)
      })
    })
  )

/** How often it looks whether a child has got ready, in milliseconds. */
const readyLookMs = 10
