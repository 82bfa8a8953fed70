/** Folders of PGlite for tests: making one takes seconds, so it is made once and copied. */
import { Effect, Exit, Scope } from "effect"
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { pgliteDatabase } from "../../handlers/vectors/pglite.ts"
import { atTheEnd } from "./end.ts"

const template = Effect.runSync(
  Effect.cached(
    Effect.gen(function* () {
      const folder = yield* Effect.promise(() => mkdtemp(path.join(tmpdir(), "troupe-pglite-")))
      atTheEnd(() => rm(folder, { recursive: true, force: true }))
      yield* Effect.scoped(
        Effect.flatMap(pgliteDatabase(folder), ({ transaction }) =>
          transaction([{ text: "select 1", values: [] }])
        )
      )
      return folder
    })
  )
)

/** Puts a fresh database where a keeper of `folder` looks for it. */
export const pgliteIn = (folder: string) =>
  Effect.flatMap(template, (from) =>
    Effect.promise(() => cp(path.join(from, "data"), path.join(folder, "data"), { recursive: true }))
  )

/**
 * One that all tests of a process share, in a folder whose path is too long for a socket; it closes after the last.
 */
export const sharedPglite = Effect.runSync(
  Effect.cached(
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const above = yield* Effect.promise(() => mkdtemp(path.join(tmpdir(), "troupe-pglite-")))
      const folder = path.join(above, "long".repeat(16), "longer".repeat(16))
      yield* Effect.promise(() => mkdir(folder, { recursive: true }))
      yield* pgliteIn(folder)
      const run = Effect.runPromiseWith(yield* Effect.context<never>())
      atTheEnd(async () => {
        await run(Scope.close(scope, Exit.void))
        await rm(above, { recursive: true, force: true })
      })
      return { folder, database: yield* Scope.provide(pgliteDatabase(folder), scope) }
    })
  )
)
