import { describe, expect, test } from "bun:test"
import { pageOf } from "../../../api/http/paging.ts"

const ids = ["c", "a", "e", "b", "d"]
const page = (query: { readonly limit?: number; readonly cursor?: string }) => pageOf(ids, (id) => id, query)

describe("a page of what is known as a whole", () => {
  test("goes on where the last one ended, until there is no more", () => {
    expect(page({ limit: 2 })).toEqual({ items: ["a", "b"], next: "b" })
    expect(page({ limit: 2, cursor: "b" })).toEqual({ items: ["c", "d"], next: "d" })
    expect(page({ limit: 2, cursor: "d" })).toEqual({ items: ["e"] })
    expect(page({ limit: 5 })).toEqual({ items: ["a", "b", "c", "d", "e"] })
  })

  test("goes on even if the one it ended with has gone", () => {
    expect(page({ limit: 1, cursor: "bb" })).toEqual({ items: ["c"], next: "c" })
  })
})
