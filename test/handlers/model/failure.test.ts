import { describe, expect, test } from "bun:test"
import { failureOf } from "../../../handlers/model/failure.ts"

const now = Date.UTC(2030, 0, 1)

const answered = (statusCode: number, responseHeaders: Record<string, string> = {}) =>
  failureOf(
    "m",
    Object.assign(new Error("said so"), {
      statusCode,
      responseHeaders,
      isRetryable: statusCode === 408 || statusCode === 409 || statusCode === 429 || statusCode >= 500
    }),
    now
  )

describe("a provider's failure", () => {
  test("429 that says when to come back pauses the limit of models and uses up no attempt", () => {
    expect(answered(429, { "retry-after": "7" })).toMatchObject({
      name: "RetryAfter",
      afterMs: 7_000,
      counted: false,
      limit: "model",
      message: expect.stringContaining("429")
    })
  })

  test("503 that says when to come back is a failed try then", () => {
    expect(answered(503, { "retry-after": "7" })).toMatchObject({ afterMs: 7_000, counted: true })
  })

  test("429, 408 and 500 that do not are tried again as the retry policy says", () => {
    for (const status of [408, 429, 500, 529]) {
      expect(answered(status)).toMatchObject({ _tag: "ProviderUnavailable" })
    }
  })

  test("400, 401, 403, 404 and 422 are fatal, whatever else they say", () => {
    for (const status of [400, 401, 403, 404, 422]) {
      expect(answered(status, { "retry-after": "7" })).toMatchObject({ name: "ProviderRefused" })
    }
  })

  test("one without an answer may pass", () => {
    expect(failureOf("m", new Error("ECONNRESET"), now)).toMatchObject({ _tag: "ProviderUnavailable" })
    expect(failureOf("m", "odd", now)).toMatchObject({ reason: "odd" })
  })
})
