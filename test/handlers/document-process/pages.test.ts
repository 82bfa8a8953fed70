import { describe, expect, test } from "bun:test"
import { merge, withoutRunningLines } from "../../../handlers/document-process/pages.ts"

describe("pages", () => {
  test("become one text that says where each begins", () => {
    const { pageStarts, text } = merge(["First.", "", "Third."])
    expect(text).toBe("First.\n\nThird.")
    expect(pageStarts).toEqual([0, 6, 8])
  })

  test("are joined in the middle of a sentence that runs over their end", () => {
    expect(merge(["The lease is", "fifteen seconds."]).text).toBe("The lease is fifteen seconds.")
    expect(merge(["A heading", "Then text."]).text).toBe("A heading\n\nThen text.")
  })

  test("lose heads and feet that differ only by number", () => {
    const pages = Array.from(
      { length: 6 },
      (_, at) => `The guide ${at}\n\nBody ${"abcdef"[at]}\n\nPage ${at} of 6`
    )
    expect(withoutRunningLines(pages)).toEqual(["Body a", "Body b", "Body c", "Body d", "Body e", "Body f"])
  })

  test("keep what is too long for a head, as where a form fills every page", () => {
    const pages = Array.from({ length: 6 }, (_, at) => `Form ${at} ${"of the town's wells ".repeat(20)}`)
    expect(withoutRunningLines(pages)).toEqual(pages)
  })

  test("keep what is only on few of them, or when they are few", () => {
    const pages = ["Same\n\na", "Same\n\nb", "Same\n\nc"]
    expect(withoutRunningLines(pages)).toEqual(pages)
    const mixed = ["Same\n\na", "Same\n\nb", "c\n\nd", "e\n\nf", "g\n\nh", "i\n\nj"]
    expect(withoutRunningLines(mixed)).toEqual(mixed)
  })
})
