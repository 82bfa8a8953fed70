import { describe, expect } from "bun:test"
import { Effect, Layer } from "effect"
import { differenceIn, type Side } from "../suite/agents-sequences.ts"
import { seedsFrom } from "../suite/store-sequences.ts"
import { it } from "../support/effect.ts"
import { agentPlants } from "../support/plants/agents.ts"
import { withPlant } from "../support/plants/plant.ts"
import { memoryStore, redisStore, type StoreUnderTest } from "../support/stores.ts"
import { scriptsOnTestTime } from "../support/time.ts"

/** To see a run again: `AGENTS_SEED=… AGENTS_SEQUENCES=1 bun test test/runtime/agents-sequences.test.ts`. */
const seed = Number(process.env["AGENTS_SEED"] ?? Math.floor(Math.random() * 1_000_000_000))
const count = Number(process.env["AGENTS_SEQUENCES"] ?? 60)
const length = 80

const sideOf = (layer: Layer.Layer<StoreUnderTest>) =>
  Effect.map(
    Layer.build(Layer.fresh(layer)),
    (context): Side =>
      (step) =>
        Effect.provideContext(step, context)
  )

const difference = (seed: number, scripts = scriptsOnTestTime) =>
  Effect.scoped(
    Effect.gen(function* () {
      const sides = [yield* sideOf(memoryStore()), yield* sideOf(redisStore({}, scripts))] as const
      return yield* differenceIn(sides, seed, length)
    })
  )

describe("memory and Redis", () => {
  it.live(
    `answer alike in ${count} random sequences of what happens to agents`,
    () =>
      Effect.gen(function* () {
        for (let at = 0; at < count; at++) {
          const found = yield* difference(seed + at)
          if (found === undefined) continue
          const answers = found.answers.map((answer) => Bun.inspect(answer, { depth: 9 })).join("\n\n")
          return yield* Effect.die(
            new Error(
              `they differ at step ${found.at} (AGENTS_SEED=${seed + at} AGENTS_SEQUENCES=1 makes it again):\n${answers}`
            )
          )
        }
      }),
    600_000
  )
})

/** Seeds that between them told every planted bug when they were chosen, so that few of the others are needed. */
const telling = [6, 7, 1, 9, 14, 16, 40, 54, 77, 104]

describe("the comparison of agents finds a planted bug:", () => {
  for (const plant of agentPlants) {
    it.live(
      plant.bug,
      () =>
        Effect.gen(function* () {
          const scripts = withPlant(scriptsOnTestTime, plant)
          for (const seed of [...telling, ...seedsFrom(1, 400)])
            if ((yield* difference(seed, scripts)) !== undefined) return
          expect("a difference").toBe("found")
        }),
      60_000
    )
  }
})
