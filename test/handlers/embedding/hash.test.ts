import { describe, expect, test } from "bun:test"
import { hashDimensions, hashVector } from "../../../handlers/embedding/hash.ts"

const likeness = (a: string, b: string) => {
  const [one, other] = [hashVector(a), hashVector(b)]
  return one.reduce((sum, component, at) => sum + component * other[at]!, 0)
}

describe("a vector without a model", () => {
  test("has length 1, and is the same for the same text", () => {
    expect(hashVector("A worker lost its lease.").length).toBe(hashDimensions)
    expect(likeness("A worker lost its lease.", "A worker lost its lease.")).toBeCloseTo(1, 5)
  })

  test("is the same on every machine", () => {
    const vector = hashVector("lease")
    const nonzero = [...vector.entries()].filter(([, component]) => component !== 0)
    expect(nonzero.map(([at, component]) => `${at}:${component.toFixed(4)}`)).toMatchInlineSnapshot(`
      [
        "52:0.2149",
        "113:0.2149",
        "119:0.2149",
        "143:-0.6676",
        "172:-0.2149",
        "176:-0.2149",
        "221:0.2149",
        "250:0.2149",
        "375:0.2149",
        "402:-0.2149",
        "410:-0.2149",
        "477:-0.2149",
        "510:-0.2149",
      ]
    `)
  })

  test("is nearer to a text that shares words, and forms of words", () => {
    const text = "The worker's lease has expired, and its tasks run elsewhere."
    const same = likeness(text, "Tasks of workers whose leases expire are run elsewhere")
    expect(same).toBeGreaterThan(0.4)
    expect(likeness(text, "Interest rates rose in March")).toBeLessThan(0.15)
    expect(likeness("retrying", "retried")).toBeGreaterThan(likeness("retrying", "crawling"))
  })

  test("does not depend on how long a text is", () => {
    const text = "Leases are renewed while a worker lives. "
    expect(likeness(text, text.repeat(20))).toBeGreaterThan(0.9)
  })

  test("is all zeros for a text without a word", () => {
    expect(hashVector("?! …").every((component) => component === 0)).toBe(true)
  })
})
