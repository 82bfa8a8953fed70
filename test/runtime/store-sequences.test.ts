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
  76, 79, 4, 335, 33, 21, 229, 14, 1235, 6, 126, 18, 74, 20, 194, 9, 130, 255, 177, 99, 42, 49, 242, 165, 36,
  51, 77, 94, 19, 1, 5, 218, 8, 107, 221, 162, 81, 281, 429, 39, 56, 100, 277, 12, 41, 85, 133, 906, 859, 583,
  1448, 766, 166, 186, 102, 390, 402, 704, 539, 329, 4692, 752, 926, 537, 1183
]

it.live(
  "none of these finds a difference where no bug is planted",
  () =>
    Effect.gen(function* () {
      const sides = [memorySide, yield* openRedisSide(scriptsOnTestTime)] as const

      yield* Effect.forEach(telling, (seed) => compare(sides, seed, 1), { discard: true })
    }),
  60_000
)

describe("the comparison finds a planted bug:", () => {
  for (const plant of plants) {
    it.live(
      plant.bug,
      () =>
        Effect.gen(function* () {
          const redis = yield* openRedisSide(withPlant(scriptsOnTestTime, plant))

          const seed = yield* firstDifference([memorySide, redis], [...telling, ...seedsFrom(1, 2_000)])

          if (process.env["PLANTS"] === "1") console.log(`${plant.bug}: ${seed}`)
          expect(seed).toBeDefined()
        }),
      60_000
    )
  }
})
