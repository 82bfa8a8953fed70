import { describe, expect, test } from "bun:test"
import { Effect, Layer } from "effect"
import { dropped, EmbeddingCache } from "../../../handlers/embedding/cache.ts"
import { Files } from "../../../runtime/files.ts"
import { Tenant } from "../../../runtime/tenant.ts"
import { it } from "../../support/effect.ts"
import { filesIn, temporaryFolder } from "../../support/folder.ts"

const vector = (...components: ReadonlyArray<number>) => new Float32Array(components)

/** Does something with a fresh cache on a folder, as each process has its own. */
const withCache = <A, E>(
  folder: string,
  use: (cache: EmbeddingCache["Service"]) => Effect.Effect<A, E, Files>,
  embeddingsCache = 100
) =>
  Effect.flatMap(EmbeddingCache, use).pipe(
    Effect.provide(EmbeddingCache.layer.pipe(Layer.provideMerge(filesIn(folder, { embeddingsCache }))))
  )

const texts = (count: number) => Array.from({ length: count }, (_, at) => `text ${at}`)

describe("a vector of a text", () => {
  it.live("is found by other processes, for the same text and model", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* withCache(folder, ({ write }) => write("m", [["a", vector(0.5, -0.25)]]))
      const found = yield* withCache(folder, ({ read }) => read("m", ["b", "a"]))
      expect(found).toEqual([undefined, vector(0.5, -0.25)])
      expect(yield* withCache(folder, ({ read }) => read("other", ["a"]))).toEqual([undefined])
    })
  )

  it.live("is not found by another tenant", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* withCache(folder, ({ write }) => write("m", [["a", vector(1)]]))
      const found = withCache(folder, ({ read }) => read("m", ["a"]))
      expect(yield* Effect.provideService(found, Tenant, "acme")).toEqual([undefined])
    })
  )

  it.live("that is damaged is not there", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const names = yield* withCache(folder, ({ read, write }) =>
        Effect.gen(function* () {
          const files = yield* Files
          yield* write("m", [["a", vector(1, 2)]])
          const names = yield* files.listObjects("embeddings/")
          yield* files.writeObject(names[0]!, new Uint8Array(7))
          expect(yield* read("m", ["a"])).toEqual([undefined])
          return names
        })
      )
      expect(names.length).toBe(1)
    })
  )

  it.live("is kept while there are no more than may be, and a few", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const max = 64
      const count = Effect.flatMap(Files, ({ listObjects }) =>
        Effect.map(listObjects("embeddings/"), (all) => all.length)
      )
      for (let at = 0; at < 200; at += 10) {
        yield* withCache(
          folder,
          ({ write }) =>
            write(
              "m",
              texts(at + 10)
                .slice(at)
                .map((text) => [text, vector(1)])
            ),
          max
        )
        const there = yield* withCache(folder, () => count, max)
        expect(there).toBeLessThanOrEqual(max)
        expect(there).toBeGreaterThanOrEqual(Math.min(at + 10, 50))
      }
    })
  )

  it.live("is not kept where none may be", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const found = yield* withCache(
        folder,
        ({ read, write }) => Effect.andThen(write("m", [["a", vector(1)]]), read("m", ["a"])),
        0
      )
      expect(found).toEqual([undefined])
    })
  )
})

test("what goes is some part of all, wherever it begins", () => {
  expect(dropped(100, 90, 0)).toEqual([0, 10])
  expect(dropped(100, 90, 0.95)).toEqual([95, 105])
  expect(dropped(80, 90, 0.5)).toEqual([40, 40])
})
