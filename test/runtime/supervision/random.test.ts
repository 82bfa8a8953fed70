import { describe, expect } from "bun:test"
import { Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { chanceOf } from "../../support/chance.ts"
import { it } from "../../support/effect.ts"
import { randomRun } from "../../support/random-supervision.ts"

/** To see a run again: `SUPERVISION_SEED=… SUPERVISION_RUNS=1 bun test test/runtime/supervision/random.test.ts`. */
const seed = Number(process.env["SUPERVISION_SEED"] ?? Math.floor(Math.random() * 1_000_000_000))
const count = Number(process.env["SUPERVISION_RUNS"] ?? 200)

describe("a tree whose children are killed at random", () => {
  it.live(
    "keeps their order, leaves nobody behind, tells each watcher once, and restarts no more than it may",
    () =>
      Effect.gen(function* () {
        console.log(`SUPERVISION_SEED=${seed} SUPERVISION_RUNS=${count}`)
        const all = { restarts: 0, gaveUp: 0, notices: 0 }

        for (let at = 0; at < count; at++) {
          const saw = yield* randomRun(chanceOf(seed + at)).pipe(
            Effect.provide(Layer.mergeAll(TestClock.layer(), Logger.layer([]))),
            Effect.catchCause((cause) =>
              Effect.sync(() =>
                console.log(`SUPERVISION_SEED=${seed + at} SUPERVISION_RUNS=1 shows it again`)
              ).pipe(Effect.andThen(Effect.failCause(cause)))
            )
          )
          all.restarts += saw.restarts
          all.gaveUp += saw.gaveUp
          all.notices += saw.notices
        }

        // Runs in which nothing happens would promise nothing.
        if (count < 50) return
        expect(all.restarts).toBeGreaterThan(count)
        expect(all.notices).toBeGreaterThan(count)
        expect(all.gaveUp).toBeGreaterThan(0)
        expect(all.gaveUp).toBeLessThan(count)
      }),
    60_000
  )
})
