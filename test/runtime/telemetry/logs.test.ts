/** What a log line tells. */
import { describe, expect } from "bun:test"
import { Cause, Effect, Logger } from "effect"
import { Following } from "../../../runtime/telemetry/following.ts"
import { jsonLine } from "../../../runtime/telemetry/logs.ts"
import { it } from "../../support/effect.ts"

const linesOf = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const keeping = Logger.map(jsonLine, (line) => void lines.push(line))
    yield* Effect.provide(effect, Logger.layer([keeping]))
    for (const line of lines) expect(line).not.toContain("\n")
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  })

describe("a line of JSON", () => {
  it.live("has time, level, message, host, process and annotations as fields", () =>
    Effect.gen(function* () {
      const [line] = yield* linesOf(
        Effect.annotateLogs(Effect.logWarning("two\nlines", "of text"), { task: "default.0.X", attempt: 2 })
      )
      expect(line).toEqual({
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        level: "warn",
        message: "two\nlines of text",
        host: expect.any(String),
        pid: process.pid,
        task: "default.0.X",
        attempt: 2
      })
    })
  )

  it.live("tells an error by its type and message, a cause, and what has no end", () =>
    Effect.gen(function* () {
      const endless: Record<string, unknown> = {}
      endless["self"] = endless
      const [error, cause, other] = yield* linesOf(
        Effect.gen(function* () {
          yield* Effect.logError("it failed", new RangeError("too far"))
          yield* Effect.logError("it died", Cause.die(new Error("of this")))
          yield* Effect.logInfo("look", endless)
        })
      )
      expect(error).toMatchObject({
        message: "it failed RangeError: too far",
        details: [{ type: "RangeError" }]
      })
      expect(cause).toMatchObject({ message: "it died", cause: expect.stringContaining("of this") })
      expect(other).toMatchObject({ message: "look" })
    })
  )

  it.live("names the trace that the fiber follows", () =>
    Effect.gen(function* () {
      const [line] = yield* linesOf(
        Effect.provideService(Effect.logInfo("here"), Following, {
          traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        })
      )
      expect(line).toMatchObject({
        trace_id: "0af7651916cd43dd8448eb211c80319c",
        span_id: "b7ad6b7169203331"
      })
    })
  )
})
