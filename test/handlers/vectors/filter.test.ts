import { describe, expect, test } from "bun:test"
import { Result, Schema } from "effect"
import { batchesOf } from "../../../handlers/vectors/batches.ts"
import { Filter, fits, Metadata } from "../../../handlers/vectors/filter.ts"
import { expressionOf as inPinecone } from "../../../handlers/vectors/pinecone.ts"
import { expressionOf as inRedis } from "../../../handlers/vectors/redis-filter.ts"
import { condition } from "../../../handlers/vectors/sql.ts"
import { readVectorsPlace } from "../../../runtime/vectors-place.ts"

const page: Metadata = { kind: "pdf", page: 12, draft: false, code: "12" }

describe("a filter", () => {
  test.each<[Filter, boolean]>([
    [{ kind: "pdf" }, true],
    [{ kind: "html" }, false],
    [{ kind: { in: ["html", "pdf"] } }, true],
    [{ kind: { eq: "pdf" }, page: { gte: 12, lte: 12 } }, true],
    [{ page: { gt: 12 } }, false],
    [{ page: { lt: 12 } }, false],
    [{ page: 12 }, true],
    [{ page: "12" }, false],
    [{ code: { gte: 1 } }, false],
    [{ code: 12 }, false],
    [{ draft: false }, true],
    [{ draft: 0 }, false],
    [{ toString: { in: [1] } }, false],
    [{ nothing: 1 }, false],
    [{ kind: "pdf", nothing: 1 }, false]
  ])("%j of a page's fields: %p", (filter, expected) => {
    expect(fits(filter, page)).toBe(expected)
  })

  test.each([
    [{ "a'b": 1 }, "a field is named by"],
    [{ year: 1, "a.b": 2 }, "a field is named by"],
    [{ a: { near: 1 } }, "give one of"],
    [{ a: { in: [] } }, "length"],
    [{}, "must name a field"],
    [{ a: null }, "a"],
    [{ a: { gte: 1, near: 2 } }, "near"]
  ])("%j is none", (filter, fault) => {
    const read = Schema.decodeUnknownResult(Filter)(filter)
    expect(Result.isFailure(read) && String(read.failure)).toContain(fault)
  })

  test("is said to PostgreSQL with no value of it in the text", () => {
    expect(condition({ kind: { in: ["a", "b'c"] }, page: { gt: 3 } }, 4)).toEqual({
      text:
        "metadata @> any($4::text[]::jsonb[]) and " +
        "case when jsonb_typeof(metadata -> 'page') = 'number' then (metadata -> 'page')::float8 > $5::float8 else false end",
      values: [['{"kind":"a"}', '{"kind":"b\'c"}'], 3]
    })
  })

  test("is said to Redis, but for texts that it cannot read", () => {
    const said = (filter: Filter) => Result.getOrUndefined(inRedis(filter))
    expect(said({ kind: "pdf", page: { gte: 3, lt: 9.5 }, draft: true })).toBe(
      '.kind == "pdf" and .page >= 3 and .page < 9.5 and .draft == 1'
    )
    expect(said({ kind: { in: ["a", 'b "c"', 3] } })).toBe(`.kind in ["a", 'b "c"', 3]`)
    expect(said({ kind: `a "b" it's` })).toBe(undefined)
    expect(said({ kind: "a\\" })).toBe(undefined)
  })

  test("is said to Pinecone", () => {
    expect(inPinecone({ kind: "pdf" })).toEqual({ kind: { $in: ["pdf"] } })
    expect(inPinecone({ kind: "pdf", page: { gt: 1, lte: 3 } })).toEqual({
      $and: [{ kind: { $in: ["pdf"] } }, { page: { $gt: 1 } }, { page: { $lte: 3 } }]
    })
  })
})

test.each([
  [{ "a b": 1 }, "a field is named by"],
  [Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`f${at}`, at])), "more than 64 fields"],
  [
    Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`f${at}`, "x".repeat(2_000)])),
    "16384 characters"
  ]
])("metadata are refused that no store could hold", (metadata, fault) => {
  const read = Schema.decodeResult(Metadata)(metadata)
  expect(Result.isFailure(read) && String(read.failure)).toContain(fault)
})

test("items are written in batches of a size", () => {
  const sizes = (items: ReadonlyArray<number>) =>
    batchesOf(items, { count: 3, bytes: 10 }, (one) => one).map((batch) => batch.join(" "))
  expect(sizes([1, 1, 1, 1])).toEqual(["1 1 1", "1"])
  expect(sizes([5, 5, 1, 99, 2])).toEqual(["5 5", "1", "99", "2"])
  expect(sizes([])).toEqual([])
})

test.each([
  ["pglite", { kind: "pglite", folder: undefined }],
  ["pglite:/data/vectors", { kind: "pglite", folder: "/data/vectors" }],
  ["postgres://me:secret@db/app", { kind: "postgres", url: "postgres://me:secret@db/app" }],
  ["redis", { kind: "redis", url: undefined }],
  ["rediss://cache:6380", { kind: "redis", url: "rediss://cache:6380" }],
  [
    "pinecone:https://docs-abc.svc.pinecone.io/",
    { kind: "pinecone", url: "https://docs-abc.svc.pinecone.io" }
  ],
  ["pglite:", undefined],
  ["pinecone:docs", undefined],
  ["mysql://db", undefined]
])("vectors are kept in %s", (text, place) => {
  expect<unknown>(Result.getOrUndefined(readVectorsPlace(text))).toEqual(place)
})
