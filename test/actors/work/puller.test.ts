/** What a puller does when it is closed while answers come. */
import { expect } from "bun:test"
import { Duration, Effect, Exit, Layer, Scope } from "effect"
import * as Births from "../../../actors/dispatch/births.ts"
import * as Dispatcher from "../../../actors/dispatch/dispatcher.ts"
import * as Replies from "../../../actors/dispatch/replies.ts"
import { openPuller } from "../../../actors/work/puller.ts"
import { defineTask } from "../../../runtime/handler.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { Store } from "../../../runtime/store.ts"
import { partitionOf } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { memorySettings } from "../../support/redis.ts"
import { settle } from "../../support/working.ts"

const partition = partitionOf("default")

it.live("starts nothing once it is closed, though a place comes free in the tick of its last answer", () => {
  const started: Array<unknown> = []
  const scope = Scope.makeUnsafe()
  const closes = defineTask({
    name: "closes",
    run: async (input) => {
      started.push(input)
      void afterItsEnd()
    }
  })
  /** In the same tick, when the run has ended. */
  const afterItsEnd = async () => {
    for (let turn = 0; turn < 100; turn++) await Promise.resolve()
    Effect.runFork(Scope.close(scope, Exit.void))
  }
  const handlers = Handlers.layer({ given: [closes] })
  const system = Layer.merge(Dispatcher.layer, Births.layer).pipe(
    Layer.provideMerge(Replies.layer),
    Layer.provideMerge(Memory.layer),
    Layer.provideMerge(Layer.merge(handlers, memorySettings({ lease: Duration.seconds(15) })))
  )
  return Effect.gen(function* () {
    const store = yield* Store
    const dispatcher = yield* Dispatcher.Dispatcher
    yield* dispatcher.submitAll([1, 2].map((input) => ({ name: "closes", input })))
    yield* openPuller({
      partition,
      bell: yield* store.bell(partition),
      worker: "w",
      concurrency: 1,
      lease: Duration.seconds(15),
      heartbeat: Duration.seconds(5),
      afterOutage: false,
      services: () => Effect.die("no handler has a layer"),
      about: () => ({}),
      onPermits: () => {}
    }).pipe(
      Scope.provide(scope),
      // Its answer brings one task more than there are places for.
      Effect.provideService(
        Store,
        Store.of({
          ...store,
          turn: (of, turn) => store.turn(of, turn.want === 1 ? { ...turn, want: 2 } : turn)
        })
      )
    )

    while (started.length === 0) yield* settle
    yield* settle
    expect(started).toEqual([1])
  }).pipe(Effect.provide(system))
})
