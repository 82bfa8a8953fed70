import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { compare, firstDifference, seedsFrom } from "../suite/store-sequences.ts"
import { it } from "../support/effect.ts"
import { plants } from "../support/plants.ts"
import { withPlant } from "../support/plants/plant.ts"
import { memorySide, openRedisSide } from "../support/sides.ts"
import { scriptsOnTestTime } from "../support/time.ts"

/** To see a run again: `STORE_SEED=… bun test test/runtime/store-sequences.test.ts`. */
const seed = Number(process.env["STORE_SEED"] ?? Math.floor(Math.random() * 1_000_000_000))
const count = Number(process.env["STORE_SEQUENCES"] ?? 2_000)

describe("memory and Redis", () => {
  it.live(
    `answer alike in ${count} random sequences of commands`,
    () =>
      Effect.gen(function* () {
        console.log(`STORE_SEED=${seed} STORE_SEQUENCES=${count}`)

        yield* compare([memorySide, yield* openRedisSide(scriptsOnTestTime)], seed, count)
      }),
    600_000
  )
})

/** Seeds that between them told every planted bug when they were chosen, so that few of the others are needed. */
const telling = [
  76, 79, 4, 21, 33, 14, 1235, 6, 20, 19, 42, 49, 74, 99, 130, 229, 429, 8, 24, 30, 36, 56, 77, 100, 107, 126,
  221, 389
]

describe("the comparison finds a planted bug:", () => {
  for (const plant of plants) {
    it.live(
      plant.bug,
      () =>
        Effect.gen(function* () {
          const redis = yield* openRedisSide(withPlant(scriptsOnTestTime, plant))

          const seed = yield* firstDifference([memorySide, redis], [...telling, ...seedsFrom(1, 2_000)])

          expect(seed).toBeDefined()
        }),
      60_000
    )
  }
})
