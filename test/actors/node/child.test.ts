/** A child process of a node, as a process of its own that does nothing else. */
import { expect } from "bun:test"
import { Duration, Effect, Layer } from "effect"
import { makeSpawn } from "../../../actors/node/child.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { it } from "../../support/effect.ts"
import { memorySettings } from "../../support/redis.ts"

/** It says that it is ready, hears nothing more, and lives on. */
const deaf = `
  process.send({ kind: "ready" })
  process.disconnect()
  setInterval(() => {}, 1_000)
`

it.live("is told nothing once its channel is closed, though it has not exited yet", () =>
  Effect.gen(function* () {
    const spawn = yield* makeSpawn
    const child = yield* spawn({ name: "api", command: [process.execPath, "-e", deaf], env: {} })
    yield* Effect.addFinalizer(() => child.stop)
    yield* child.ready

    // Its end of the channel is seen to be closed in one of these turns of the loop.
    for (let turn = 0; turn < 200; turn++) {
      child.show("worker-1", [])
      child.retire()
      yield* Effect.sleep("1 milli")
    }

    expect(child.isRetiring()).toBe(true)
  }).pipe(
    Effect.provide(
      Layer.mergeAll(Memory.layer, Shutdown.layer).pipe(
        Layer.provideMerge(memorySettings({ lease: Duration.seconds(15) }))
      )
    )
  )
)
