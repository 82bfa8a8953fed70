/** Sending traces to a collector that does not do its part. */
import { describe, expect, setDefaultTimeout } from "bun:test"
import { Effect, Layer, Logger } from "effect"
import { Complaints, makeComplaints } from "../../../runtime/telemetry/complaints.ts"
import * as Telemetry from "../../../runtime/telemetry/tracing.ts"
import { it } from "../../support/effect.ts"

// The exporter tries three times more, a second apart, before it gives up and its scope is closed.
setDefaultTimeout(30_000)

/** What a collector is asked for, and how many of these wait for an answer at once. */
const collecting = (answer: () => Promise<Response>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const seen = { waiting: 0, most: 0 }
      const server = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        idleTimeout: 0,
        fetch: async () => {
          seen.waiting += 1
          seen.most = Math.max(seen.most, seen.waiting)
          return answer().finally(() => (seen.waiting -= 1))
        }
      })
      return { seen, server, url: `http://127.0.0.1:${server.port}` }
    }),
    ({ server }) => Effect.promise(() => server.stop(true))
  )

/** The lines that are logged while so many spans are exported, until one is there that holds a text. */
const exportedTo = Effect.fnUntraced(function* (
  url: string,
  { spans, until, environment }: { spans: number; until: string; environment?: Record<string, string> }
) {
  const lines: Array<string> = []
  const log = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
  const tracing = Telemetry.layer({
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_BSP_SCHEDULE_DELAY: "20",
    ...environment
  }).pipe(Layer.provideMerge(Layer.succeed(Complaints, makeComplaints())), Layer.provideMerge(log))
  yield* Effect.scoped(
    Effect.gen(function* () {
      const { begin } = yield* Telemetry.Tracing
      for (let at = 0; at < spans; at += 1) begin("a span").end()
      while (!lines.some((line) => line.includes(until))) yield* Effect.sleep("5 millis")
    }).pipe(Effect.provide(tracing))
  )
  return lines
})

const never = () => new Promise<Response>(() => {})

describe("a collector", () => {
  it.live(
    "that takes connections and never answers is waited for by few requests, however many spans there are",
    () =>
      Effect.gen(function* () {
        const { seen, url } = yield* collecting(never)

        const lines = yield* exportedTo(url, {
          spans: 60_000,
          until: "requests wait",
          environment: { OTEL_EXPORTER_OTLP_TIMEOUT: "2000" }
        })

        expect(seen.most).toBeLessThanOrEqual(16)
        expect(lines[0]).toBe(
          `traces are not taken, and dropped for up to a minute: 16 requests wait for an answer of ${url}/v1/traces`
        )
      })
  )

  it.live("that does not answer in time is complained of once", () =>
    Effect.gen(function* () {
      const { url } = yield* collecting(never)

      const lines = yield* exportedTo(url, {
        spans: 1,
        until: "answer within",
        environment: { OTEL_EXPORTER_OTLP_TIMEOUT: "100" }
      })

      expect(lines).toEqual([
        `traces are not taken, and dropped for up to a minute: ${url}/v1/traces does not answer within 100ms`
      ])
    })
  )

  it.live("that refuses what it is sent is complained of with its status", () =>
    Effect.gen(function* () {
      const { url } = yield* collecting(() => Promise.resolve(new Response(null, { status: 401 })))

      const lines = yield* exportedTo(url, { spans: 1, until: "401" })

      expect(lines).toEqual([
        `traces are not taken, and dropped for up to a minute: ${url}/v1/traces answers with the status 401`
      ])
    })
  )

  it.live("that is not there is complained of, too", () =>
    Effect.gen(function* () {
      const lines = yield* exportedTo("http://127.0.0.1:1", { spans: 1, until: "not taken" })

      expect(lines).toHaveLength(1)
    })
  )
})
