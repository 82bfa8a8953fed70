import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { bodyBytesMax } from "../../../api/http/body.ts"
import { depthMax } from "../../../runtime/input.ts"
import { anApi, jsonBody, nothingWaits, promise } from "../../support/api.ts"

/** Arrays in each other, `depth` of them. */
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)

/** A body that comes in pieces and says nothing of its length. */
const inPieces = (piece: string, count: number): RequestInit => {
  let left = count
  const bytes = new TextEncoder().encode(piece)
  return {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: new ReadableStream({
      pull: (controller) => (left-- > 0 ? controller.enqueue(bytes) : controller.close())
    })
  }
}

describe("a body", () => {
  for (const [what, body, status, type] of [
    ["nested too deep", `{"name":"test","input":${nested(depthMax)}}`, 422, "body-refused"],
    [
      "nested so deep that a parser would fall over",
      `{"name":"test","input":${nested(400_000)}}`,
      422,
      "body-refused"
    ],
    ["empty", "", 400, "malformed-body"],
    ["cut short", `{"name":"te`, 400, "malformed-body"],
    ["no JSON", "name=test", 400, "malformed-body"],
    ["two values", "{}{}", 400, "malformed-body"]
  ] as const) {
    promise(`that is ${what} is refused`, () =>
      Effect.gen(function* () {
        const { post } = yield* anApi()

        expect(yield* post("/v1/tasks", body)).toMatchObject({ status, body: { type, status } })
        yield* nothingWaits
      })
    )
  }

  promise("may be nested as deep as allowed, and not polluted by what it holds", () =>
    Effect.gen(function* () {
      const { post } = yield* anApi()

      expect((yield* post("/v1/tasks", `{"name":"test","input":${nested(depthMax - 1)}}`)).status).toBe(202)
      expect((yield* post("/v1/tasks", `{"name":"test","input":"__proto__ [[[[ {{{{"}`)).status).toBe(202)
      expect("polluted" in {}).toBe(false)
    })
  )

  promise("that is not UTF-8 is refused", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const body = new Uint8Array([0x22, 0xc3, 0x28, 0x22])

      const response = yield* ask("/v1/tasks", { ...jsonBody(""), body })

      expect(response).toMatchObject({
        status: 400,
        body: { type: "malformed-body", detail: expect.stringContaining("UTF-8") }
      })
    })
  )

  promise("that says it is larger than allowed is refused unread", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const body = JSON.stringify({ name: "test", input: "x".repeat(bodyBytesMax) })

      const response = yield* ask("/v1/tasks", jsonBody(body))

      expect(response).toMatchObject({ status: 413, body: { type: "body-too-large" } })
      yield* nothingWaits
    })
  )

  promise("that does not say how large it is is refused once it is too large, and not read to its end", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      let pieces = 0
      const endless = inPieces("", 0)
      const piece = new Uint8Array(64 * 1024).fill(0x20)
      const body = new ReadableStream({ pull: (controller) => (pieces++, controller.enqueue(piece)) })

      const response = yield* ask("/v1/tasks", { ...endless, body })

      expect(response).toMatchObject({ status: 413, body: { type: "body-too-large" } })
      expect(pieces).toBeLessThan(20)
    })
  )

  promise("that lies about its length is measured", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const init = inPieces(" ".repeat(64 * 1024), 100)

      const response = yield* ask("/v1/tasks", {
        ...init,
        headers: { "content-type": "application/json", "content-length": "2" }
      })

      expect(response).toMatchObject({ status: 413, body: { type: "body-too-large" } })
    })
  )

  promise("that breaks off is refused", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const body = new ReadableStream({ pull: (controller) => controller.error(new Error("gone")) })

      expect(yield* ask("/v1/tasks", { ...jsonBody(""), body })).toMatchObject({
        status: 400,
        body: { type: "malformed-body" }
      })
    })
  )

  promise("of another media type is refused, as is one without any", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const body = `{"name":"test"}`
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json"]) {
        const init = { method: "POST", headers: { "content-type": type }, body }
        expect(yield* ask("/v1/tasks", init)).toMatchObject({
          status: 415,
          body: { type: "unsupported-media-type" }
        })
      }

      const bare = { method: "POST", body: new TextEncoder().encode(body) }
      expect(yield* ask("/v1/tasks", bare)).toMatchObject({
        status: 415,
        body: { detail: expect.stringContaining("missing") }
      })
    })
  )

  promise("that is compressed is refused, since a small one could unfold into a large one", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const headers = { "content-type": "application/json", "content-encoding": "gzip" }

      const response = yield* ask("/v1/tasks", { method: "POST", headers, body: Bun.gzipSync("{}") })

      expect(response).toMatchObject({ status: 415, body: { type: "unsupported-media-type" } })
    })
  )
})
