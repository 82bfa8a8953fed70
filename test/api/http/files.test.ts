import { describe, expect } from "bun:test"
import { Effect, Fiber } from "effect"
import { createHash } from "node:crypto"
import { readdir } from "node:fs/promises"
import { Settings } from "../../../runtime/config.ts"
import { aLeavingClient, anApi, promise } from "../../support/api.ts"

const bytes = new TextEncoder().encode("page one\r\npage two\n\0ä")
const sha256 = createHash("sha256").update(bytes).digest("hex")
const raw = (body: BodyInit, type = "application/pdf"): RequestInit => ({
  method: "POST",
  headers: { "content-type": type },
  body
})

const form = (...parts: ReadonlyArray<readonly [name: string, value: string | File]>): RequestInit => {
  const data = new FormData()
  for (const [name, value] of parts) {
    if (typeof value === "string") data.append(name, value)
    else data.append(name, value)
  }
  return { method: "POST", body: data }
}

const aFile = (body: BlobPart = bytes, type = "application/pdf") => new File([body], "guide.pdf", { type })

/** Nothing is kept of what was refused, not even a part. */
const nothingIsKept = Effect.gen(function* () {
  const { files } = yield* Settings
  const entries = yield* Effect.promise(() => readdir(files, { recursive: true, withFileTypes: true }))
  expect(entries.filter((entry) => entry.isFile())).toEqual([])
})

describe("an uploaded file", () => {
  promise("is described, and comes back as it went", () =>
    Effect.gen(function* () {
      const { ask, request } = yield* anApi()

      const { body, headers, status } = yield* ask("/v1/files", raw(bytes))

      expect(status).toBe(201)
      expect(body).toEqual({
        id: expect.stringMatching(/^[0-9a-f]{32}$/),
        bytes: bytes.length,
        sha256,
        type: "application/pdf"
      })
      expect(headers.get("location")).toBe(`/v1/files/${body.id}`)
      const file = yield* request(`/v1/files/${body.id}`)
      expect(new Uint8Array(yield* Effect.promise(() => file.arrayBuffer()))).toEqual(bytes)
      expect(file.headers.get("content-type")).toBe("application/pdf")
      expect(file.headers.get("content-length")).toBe(String(bytes.length))
    })
  )

  promise("may be one of a form", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()

      const { body, status } = yield* ask(
        "/v1/files",
        form(["note", "for you"], ["file", aFile()], ["other", "text"])
      )

      expect(status).toBe(201)
      expect(body).toMatchObject({ bytes: bytes.length, sha256, type: "application/pdf" })
    })
  )

  promise("may be JSON in a form, and is a file all the same", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()

      expect((yield* ask("/v1/files", form(["file", aFile("{}", "application/json")]))).body).toMatchObject({
        bytes: 2,
        type: "application/json"
      })
    })
  )

  promise("may be empty", () =>
    Effect.gen(function* () {
      const { ask, request } = yield* anApi()

      const { body } = yield* ask("/v1/files", { method: "POST" })

      expect(body).toMatchObject({ bytes: 0, type: "application/octet-stream" })
      const file = yield* request(`/v1/files/${body.id}`)
      expect(yield* Effect.promise(() => file.text())).toBe("")
    })
  )

  promise("cannot run as part of this site in a browser that is led to it", () =>
    Effect.gen(function* () {
      const { ask, request } = yield* anApi()
      const { body } = yield* ask("/v1/files", raw("<script>alert(1)</script>", "text/html"))

      const { headers } = yield* request(`/v1/files/${body.id}`)

      expect(headers.get("content-disposition")).toBe("attachment")
      expect(headers.get("content-security-policy")).toContain("sandbox")
      expect(headers.get("x-content-type-options")).toBe("nosniff")
    })
  )

  promise("is described by HEAD, which opens nothing", () =>
    Effect.gen(function* () {
      const { ask, request } = yield* anApi()
      const { body } = yield* ask("/v1/files", raw(bytes))

      const response = yield* request(`/v1/files/${body.id}`, { method: "HEAD" })

      expect(response.status).toBe(200)
      expect(response.headers.get("content-length")).toBe(String(bytes.length))
      expect(response.body).toBeNull()
    })
  )

  promise("is gone once it was deleted", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const { body } = yield* ask("/v1/files", raw(bytes))

      expect((yield* ask(`/v1/files/${body.id}`, { method: "DELETE" })).status).toBe(204)

      expect(yield* ask(`/v1/files/${body.id}`)).toMatchObject({
        status: 404,
        body: { type: "file-not-found" }
      })
      expect((yield* ask(`/v1/files/${body.id}`, { method: "DELETE" })).status).toBe(404)
      yield* nothingIsKept
    })
  )

  promise("is not found under an id that leads elsewhere", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      for (const id of ["x", "..%2f..%2fpackage.json", "%00", "A".repeat(32)]) {
        expect(yield* ask(`/v1/files/${id}`)).toMatchObject({ status: 404, body: { type: "file-not-found" } })
      }
    })
  )
})

describe("an upload that is refused", () => {
  const tooLarge = {
    status: 413,
    body: { type: "file-too-large", detail: "the file has more than 1000 bytes" }
  }
  const large = new Uint8Array(1_001)
  /** In pieces, so that it does not say how large it is. */
  const stream = (size: number) => {
    let left = size
    return new ReadableStream({
      pull: (controller) =>
        left > 0 ? controller.enqueue(new Uint8Array(Math.min(100, (left -= 100) + 100))) : controller.close()
    })
  }

  for (const [what, init] of [
    ["says it is too large", () => ({ ...raw(large), headers: { "content-length": "1001" } })],
    ["is too large in the end", () => raw(stream(1_100))],
    ["is too large in a form", () => form(["file", aFile(large)])]
  ] as const) {
    promise(`${what} and leaves nothing`, () =>
      Effect.gen(function* () {
        const { ask } = yield* anApi({ fileBytesMax: 1_000 })

        expect(yield* ask("/v1/files", init())).toMatchObject(tooLarge)
        yield* nothingIsKept
      })
    )
  }

  promise("is as large as allowed, and is not refused", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi({ fileBytesMax: 1_000 })

      expect((yield* ask("/v1/files", raw(stream(1_000)))).status).toBe(201)
      expect((yield* ask("/v1/files", form(["file", aFile(new Uint8Array(1_000))]))).status).toBe(201)
    })
  )

  promise("breaks off and leaves nothing", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      let pulls = 0
      const body = new ReadableStream({
        pull: (controller) => (pulls++ < 3 ? controller.enqueue(bytes) : controller.error(new Error("gone")))
      })

      expect(yield* ask("/v1/files", raw(body))).toMatchObject({
        status: 400,
        body: { type: "upload-broken" }
      })
      yield* nothingIsKept
    })
  )

  promise("is given up by its sender and leaves nothing", () =>
    Effect.gen(function* () {
      const { request } = yield* anApi()
      const sender = aLeavingClient()
      const body = new ReadableStream({ start: (controller) => controller.enqueue(bytes) })
      const answer = yield* Effect.forkScoped(request("/v1/files", { ...raw(body), signal: sender.signal }), {
        startImmediately: true
      })

      sender.leave()

      expect((yield* Fiber.join(answer)).status).toBe(499)
      yield* nothingIsKept
    })
  )

  const multipart = (text: string): RequestInit => raw(text, "multipart/form-data; boundary=b")
  const part = (name: string) =>
    `--b\r\ncontent-disposition: form-data; name="${name}"; filename="x"\r\ncontent-type: text/plain\r\n\r\nabc\r\n`
  for (const [what, init, expected] of [
    [
      "is a form without a file",
      () => form(["note", "for you"]),
      { status: 422, body: { type: "body-refused" } }
    ],
    [
      "is a form with two files",
      () => form(["a", aFile()], ["b", aFile()]),
      { status: 422, body: { type: "body-refused" } }
    ],
    ["is a form that ends too soon", () => multipart(part("a")), { status: 400 }],
    ["is a form cut off within a file", () => multipart(part("a").slice(0, -3)), { status: 400 }],
    ["is no form at all", () => multipart("abc"), { status: 400 }],
    [
      "is a form without a boundary",
      () => raw("abc", "multipart/form-data"),
      { status: 400, body: { type: "malformed-body" } }
    ],
    [
      "is an empty form",
      () => ({ method: "POST", headers: { "content-type": "multipart/form-data; boundary=b" } }),
      { status: 422 }
    ],
    ["is compressed", () => ({ ...raw(bytes), headers: { "content-encoding": "gzip" } }), { status: 415 }]
  ] as const) {
    promise(`${what} and leaves nothing`, () =>
      Effect.gen(function* () {
        const { ask } = yield* anApi()

        expect(yield* ask("/v1/files", init())).toMatchObject(expected)
        yield* nothingIsKept
      })
    )
  }
})
