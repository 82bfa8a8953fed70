import { describe, expect } from "bun:test"
import { Effect, Stream } from "effect"
import { withhold } from "../../../handlers/secrets/withhold.ts"
import { it } from "../../support/effect.ts"

const secrets = [
  { name: "LONG", value: "s3cret-token" },
  { name: "SHORT", value: "s3cret" },
  { name: "TINY", value: "abc" }
]

/** What is left of a text that comes in pieces of so many bytes. */
const left = (text: string, size: number) => {
  const bytes = new TextEncoder().encode(text)
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size)
  )
  return Stream.fromIterable(pieces).pipe(
    withhold(secrets),
    Stream.runCollect,
    Effect.map((out) => Buffer.concat(out).toString())
  )
}

describe("a secret in what comes back", () => {
  it.live("is replaced, however the bytes are cut", () =>
    Effect.gen(function* () {
      const text = `{"a":"s3cret-token","b":"s3cret","c":"s3cret-toke","abc":"ü s3cret-token"} s3cre`
      const clean = `{"a":"[secret LONG]","b":"[secret SHORT]","c":"[secret SHORT]-toke","abc":"ü [secret LONG]"} s3cre`
      for (const size of [1, 2, 3, 5, 7, 11, 12, 13, 64, 1_000]) {
        expect(yield* left(text, size), `pieces of ${size}`).toBe(clean)
      }
    })
  )

  it.live("leaves nothing out of what has none", () =>
    Effect.gen(function* () {
      expect(yield* left("x".repeat(1_000), 7)).toBe("x".repeat(1_000))
      expect(yield* left("", 7)).toBe("")
    })
  )
})
