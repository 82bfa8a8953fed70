import { describe, expect, test } from "bun:test"
import {
  type Features,
  featuresOfWords,
  likenesses,
  partsOf
} from "../../../handlers/document-process/meaning.ts"
import { sentences } from "../../../handlers/text/sentences.ts"

const pumps = [
  "The pump of the northern well lifts water into the tank.",
  "A pump that stands still lifts no water, so the tank runs dry.",
  "The tank feeds every well and pump of the town.",
  "Engineers test each pump and the water of the tank in spring.",
  "Water from the well is clean when the pump is new."
]
const birds = [
  "Swallows build nests of mud under the roof of the barn.",
  "A nest holds five eggs, and both swallows feed the young birds.",
  "Young birds leave the nest after three weeks.",
  "In autumn the swallows leave the barn and fly south.",
  "Birds that fly south find their nest under the same roof again."
]
const text = [...pumps, ...birds].join(" ")

const partsBy = (features: ReadonlyArray<Features>, tokensMin = 1) =>
  partsOf(sentences(text), likenesses(features), ({ end, start }) => end - start, tokensMin).map(
    ({ end, start }) => text.slice(start, end)
  )

describe("a text of two subjects", () => {
  test("falls into two parts where the words change", () => {
    const parts = partsBy(
      sentences(text).map(({ end, start }) => featuresOfWords(text.slice(start, end))),
      100
    )
    expect(parts).toEqual([pumps.join(" "), birds.join(" ")])
  })

  test("falls into two parts where the vectors change", () => {
    const vectors = [...pumps, ...birds].map((_, at) =>
      Float32Array.from([at < 5 ? 1 : 0.1, at < 5 ? 0.1 : 1, 0.2 + (at % 3) / 10])
    )
    expect(partsBy(vectors)).toEqual([pumps.join(" "), birds.join(" ")])
  })
})

describe("the parts of any text", () => {
  test("hold all of its sentences, in order", () => {
    const features = sentences(text).map(({ end, start }) => featuresOfWords(text.slice(start, end)))
    for (const least of [1, 60, 200, 10_000]) expect(partsBy(features, least).join(" ")).toBe(text)
  })

  test("are not shorter than asked for, unless there is no more", () => {
    const features = sentences(text).map(({ end, start }) => featuresOfWords(text.slice(start, end)))
    for (const part of partsBy(features, 200)) expect(part.length).toBeGreaterThanOrEqual(200)
    expect(partsBy(features, 10_000).length).toBe(1)
  })

  test("takes no longer than its length, whether it never turns or always does", () => {
    const spans = Array.from({ length: 400_000 }, (_, at) => ({ start: at * 10, end: at * 10 + 9 }))
    const ways = { never: () => 0, always: (at: number) => at % 2 }
    const began = performance.now()

    for (const way of Object.values(ways)) {
      const parts = partsOf(
        spans,
        spans.slice(1).map((_, at) => way(at)),
        ({ end, start }) => end - start,
        50
      )
      expect([parts[0]!.start, parts.at(-1)!.end]).toEqual([0, spans.at(-1)!.end])
    }

    expect(performance.now() - began).toBeLessThan(3_000)
  })

  test("are one where nothing changes, and none where there is nothing", () => {
    const same = sentences(text).map(() => Float32Array.from([1, 2, 3]))
    expect(partsBy(same).length).toBe(1)
    expect(partsOf([], [], () => 1, 1)).toEqual([])
  })

  test("are found although sentences have no words that count", () => {
    expect(likenesses([featuresOfWords("of the"), featuresOfWords("and a")])).toEqual([0])
  })
})
