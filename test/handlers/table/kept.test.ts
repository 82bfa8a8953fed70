import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { keptFor } from "../../../handlers/table/kept.ts"
import { Files } from "../../../runtime/files.ts"
import { it } from "../../support/effect.ts"
import { filesIn, temporaryFolder } from "../../support/folder.ts"
import { ulidAt } from "../../support/tasks.ts"

const dayMs = 86_400_000
const start = Date.UTC(2030, 0, 1)

describe("what a task keeps in files", () => {
  it.effect("is there until it forgets it, and swept a month after its submit", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.gen(function* () {
        yield* TestClock.setTime(start)
        const first = yield* keptFor(`agents.0.${ulidAt(start, 1)}`)
        const second = yield* keptFor(`agents.0.${ulidAt(start + 10 * dayMs, 1)}`)
        yield* first.write("table", { rows: 1 })
        yield* first.write("table", { rows: 2 })
        yield* second.write("table", [])
        expect(yield* first.read("table")).toEqual({ rows: 2 })

        yield* TestClock.setTime(start + 30 * dayMs)
        yield* second.sweep
        expect(yield* first.read("table")).toEqual({ rows: 2 })
        yield* TestClock.setTime(start + 31 * dayMs)
        yield* second.sweep
        expect(yield* Effect.flip(first.read("table"))).toMatchObject({ _tag: "FileNotFound" })
        expect(yield* second.read("table")).toEqual([])

        yield* second.forget
        expect(yield* Files.use(({ listObjects }) => listObjects("kept/"))).toEqual([])
      }).pipe(Effect.provide(filesIn(folder)))
    })
  )
})
