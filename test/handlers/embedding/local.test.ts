/** The local model as it is, in its thread. */
import { describe, expect } from "bun:test"
import { Effect, Fiber } from "effect"
import { isLocalInstalled, localModelIn } from "../../../handlers/embedding/local.ts"
import { it } from "../../support/effect.ts"

const startMs = 60_000

const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, one, at) => sum + one * b[at]!, 0)

describe("the local model", () => {
  it.live(
    "gives vectors of length 1 that lie near where texts mean the same, and lets others go on meanwhile",
    () =>
      Effect.gen(function* () {
        expect(isLocalInstalled()).toBe(true)
        const model = yield* localModelIn
        const [cat] = (yield* model.embed(["The cat sits on the mat."])).vectors
        expect(cat!.length).toBe(512)
        expect(dot(cat!, cat!)).toBeCloseTo(1, 4)

        // While it computes this process has its turns.
        let turns = 0
        const counting = yield* Effect.forkChild(
          Effect.forever(
            Effect.andThen(
              Effect.sleep(1),
              Effect.sync(() => turns++)
            )
          )
        )
        const long = "The report says that the wells of the town gave more water than ever. ".repeat(20)
        const [feline, rates] = (yield* model.embed([
          "A feline rests on a rug.",
          "Interest rates rose.",
          long
        ])).vectors
        yield* Fiber.interrupt(counting)
        expect(turns).toBeGreaterThan(20)
        expect(dot(cat!, feline!)).toBeGreaterThan(0.5)
        expect(dot(cat!, rates!)).toBeLessThan(0.2)
      }),
    startMs
  )

  it.live(
    "gives the same for a text whatever texts it comes with",
    () =>
      Effect.gen(function* () {
        const model = yield* localModelIn
        const [alone] = (yield* model.embed(["A lease is renewed."])).vectors
        const [, among] = (yield* model.embed([
          "Something else, and longer than that.",
          "A lease is renewed."
        ])).vectors
        expect(dot(alone!, among!)).toBeCloseTo(1, 4)
      }),
    startMs
  )
})
