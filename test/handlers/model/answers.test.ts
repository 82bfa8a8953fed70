import { describe, expect } from "bun:test"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Answers, requestOf } from "../../../handlers/model/answers.ts"
import { Files } from "../../../runtime/files.ts"
import { Tenant } from "../../../runtime/tenant.ts"
import { it } from "../../support/effect.ts"
import { filesIn, temporaryFolder } from "../../support/folder.ts"

const inFolder = <A, E>(use: Effect.Effect<A, E, Answers | Files>) =>
  Effect.flatMap(temporaryFolder, (folder) =>
    Effect.provide(use, Answers.layer.pipe(Layer.provideMerge(filesIn(folder))))
  )

/** Two requests whose answers lie in one folder. */
const [one, other] = ["ab".padEnd(64, "0"), "ab".padEnd(64, "1")] as const

describe("an answer that is kept", () => {
  it.effect("is found until its time is over, and the newest where there are several", () =>
    inFolder(
      Effect.gen(function* () {
        const { find, keep } = yield* Answers
        yield* keep(one, "first", 1_000)
        yield* TestClock.adjust(500)
        yield* keep(one, "second", 1_000)
        yield* TestClock.adjust(999)
        expect(yield* find(one)).toBe("second")
        expect(yield* find(other)).toBeUndefined()
        yield* TestClock.adjust(1)
        expect(yield* find(one)).toBeUndefined()
      })
    )
  )

  it.effect("is swept when another is kept beside it, and its time is over", () =>
    inFolder(
      Effect.gen(function* () {
        const { keep } = yield* Answers
        const { listObjects } = yield* Files
        yield* keep(one, "first", 1_000)
        yield* TestClock.adjust(1_000)
        yield* keep(other, "second", 1_000)
        expect((yield* listObjects("answers/")).length).toBe(1)
      })
    )
  )

  it.effect("is its tenant's alone", () =>
    inFolder(
      Effect.gen(function* () {
        const { find, keep } = yield* Answers
        yield* Effect.provideService(keep(one, "acme's", 1_000), Tenant, "acme")
        expect(yield* find(one)).toBeUndefined()
        expect(yield* Effect.provideService(find(one), Tenant, "acme")).toBe("acme's")
      })
    )
  )

  it.effect("belongs to a request as a whole", () =>
    Effect.sync(() => {
      expect(requestOf("a", ["b"])).toBe(requestOf("a", ["b"]))
      expect(requestOf("a", "b")).not.toBe(requestOf("ab"))
      expect(requestOf("a", ["b"])).not.toBe(requestOf("a", "b"))
    })
  )
})
