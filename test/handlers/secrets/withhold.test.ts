import { describe, expect } from "bun:test"
import { Effect, Stream } from "effect"
import { type Withheld, withholding } from "../../../handlers/secrets/withhold.ts"
import { it } from "../../support/effect.ts"

const secrets = [
  { name: "LONG", value: "s3cret-token" },
  { name: "SHORT", value: "s3cret" },
  { name: "TINY", value: "abc" }
]

/** What is left of a text that comes in pieces of so many bytes. */
const left = (text: string, size: number, withheld: ReadonlyArray<Withheld> = secrets) => {
  const bytes = new TextEncoder().encode(text)
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size)
  )
  return Stream.fromIterable(pieces).pipe(
    withholding(withheld).bytes,
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

  const odd = `a/b="ö\\<🎈 &1'`
  const ways: ReadonlyArray<readonly [string, string]> = [
    ["a part of a URL", encodeURIComponent(odd)],
    ["a part of a URL in small letters", encodeURIComponent(odd).toLowerCase()],
    ["a URL that was made of it", new URL(`http://a.test/?q=${odd}z`).search.slice(3, -1)],
    ["a path that was made of it", new URL(`http://a.test/?q=/${odd}z`).href.split("q=/")[1]!.slice(0, -1)],
    ["a form", new URLSearchParams({ q: odd }).toString().slice(2)],
    ["JSON", JSON.stringify(odd).slice(1, -1)],
    ["JSON in a script", JSON.stringify(odd).slice(1, -1).replaceAll("/", "\\/").replaceAll("<", "\\u003C")],
    ["JSON in ASCII", odd.replace(/./gs, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)],
    ["a name whose case does not matter", odd.replace("a/b", "A/B")]
  ]
  for (const [what, written] of ways) {
    it.live(`is replaced as it stands in ${what}`, () =>
      Effect.gen(function* () {
        const withheld = [{ name: "ODD", value: odd }]
        expect(withholding(withheld).text(`<${written}>`)).toBe("<[secret ODD]>")
        for (const size of [1, 7, 1_000]) {
          expect(yield* left(`<${written}>${written}`, size, withheld)).toBe("<[secret ODD]>[secret ODD]")
        }
      })
    )
  }

  it.live("is known without the blanks around it, which are not sent", () =>
    Effect.sync(() => {
      expect(withholding([{ name: "FILE", value: "s3cret\n" }]).text(`"s3cret"`)).toBe(`"[secret FILE]"`)
    })
  )

  it.live("leaves nothing out of what has none", () =>
    Effect.gen(function* () {
      expect(yield* left("x".repeat(1_000), 7)).toBe("x".repeat(1_000))
      expect(yield* left("", 7)).toBe("")
    })
  )
})
