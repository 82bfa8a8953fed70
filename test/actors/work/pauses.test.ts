import { describe, expect } from "bun:test"
import { Effect, Layer } from "effect"
import { openPauses } from "../../../actors/work/pauses.ts"
import { Limits } from "../../../runtime/limits.ts"
import { StoreError } from "../../../runtime/store.ts"
import { it } from "../../support/effect.ts"
import { memoryLimits } from "../../support/limits.ts"
import { startOfTime, TestTime } from "../../support/time.ts"

/** Limits that cannot be told of a pause for as long as `isDown`, and what they were told. */
const overLine = () => {
  const line = { isDown: false, told: [] as Array<readonly [name: string, forMs: number]> }
  const layer = Layer.effect(
    Limits,
    Effect.map(Limits, (real) => ({
      ...real,
      cool: (name: string, forMs: number) =>
        Effect.suspend(() => {
          line.told.push([name, forMs])
          return line.isDown
            ? Effect.fail(new StoreError({ operation: "Limits.cool", cause: "no answer" }))
            : real.cool(name, forMs)
        })
    }))
  ).pipe(Layer.provideMerge(memoryLimits))
  return { line, layer }
}

const coolsUntil = (name: string) =>
  Effect.map(
    Limits.use((limits) => limits.states([name])),
    ([state]) => state!.coolsUntil
  )

const advance = (ms: number) => TestTime.use((time) => time.advance(ms))

describe("a limit that is to pause", () => {
  const { layer, line } = overLine()

  it.effect("is told so until it knows, and for what is left of the pause", () =>
    Effect.gen(function* () {
      const pause = yield* openPauses
      line.isDown = true
      pause([{ name: "api", forMs: 60_000 }])
      yield* advance(10_000)
      expect(yield* coolsUntil("api")).toBeUndefined()

      line.isDown = false
      yield* advance(1_500)

      expect(yield* coolsUntil("api")).toBe(startOfTime + 60_000)
      const calls = line.told.length
      yield* advance(10_000)
      expect(line.told.length).toBe(calls)
    }).pipe(Effect.provide(layer))
  )

  it.effect("is told of the longest of many pauses, by one call at a time", () =>
    Effect.gen(function* () {
      const pause = yield* openPauses
      line.isDown = true
      line.told.length = 0
      for (const forMs of [1_000, 60_000, 2_000]) pause([{ name: "api", forMs }])
      yield* Effect.yieldNow
      expect(line.told).toHaveLength(1)

      line.isDown = false
      yield* advance(1_500)

      expect(yield* coolsUntil("api")).toBe(startOfTime + 60_000)
      expect(line.told.length).toBeLessThan(4)
    }).pipe(Effect.provide(layer))
  )

  it.effect("is not told of one that is over", () =>
    Effect.gen(function* () {
      const pause = yield* openPauses
      line.isDown = true
      pause([{ name: "api", forMs: 3_000 }])
      yield* advance(10_000)
      const calls = line.told.length

      yield* advance(60_000)

      expect(line.told.length).toBe(calls)
    }).pipe(Effect.provide(layer))
  )
})
