/** The metrics of a process without an API. */
import { describe, expect } from "bun:test"
import { Effect, Layer, Logger } from "effect"
import * as MetricsServer from "../../../api/http/metrics-server.ts"
import { Settings, type SettingsShape } from "../../../runtime/config.ts"
import { it } from "../../support/effect.ts"
import { readExposition, valueOf } from "../../support/exposition.ts"
import { answerTo } from "../../support/socket.ts"

/** Serves, and gives the address that it has logged. */
const serving = Effect.fnUntraced(function* (over: Partial<SettingsShape>) {
  let said = ""
  const hearing = Logger.make<unknown, void>(({ message }) => void (said += String(message)))
  yield* Layer.build(
    MetricsServer.layer("worker").pipe(
      Layer.provide(Settings.layer(over, {})),
      Layer.provide(Logger.layer([hearing]))
    )
  )
  return /http:\S+(?=\/metrics)/.exec(said)?.[0]
})

const get = (url: string, init?: RequestInit) => Effect.promise(() => fetch(url, init))

describe("a process without an API", () => {
  it.live("tells of itself, and that it lives, where it is told to", () =>
    Effect.gen(function* () {
      const url = yield* serving({ metricsPort: 0 })

      const response = yield* get(`${url}/metrics`)
      const all = readExposition(yield* Effect.promise(() => response.text()))
      expect(valueOf(all, "process_resident_memory_bytes", { process: "worker" })).toBeGreaterThan(0)
      expect(all.has("troupe_queue_depth")).toBe(false)
      expect((yield* get(`${url}/healthz`)).status).toBe(200)
      expect((yield* get(`${url}/v1/tasks`)).status).toBe(404)
      expect((yield* get(`${url}/metrics`, { method: "POST" })).status).toBe(405)
    }).pipe(Effect.scoped)
  )

  it.live("tells a check that names no host, as HTTP/1.0 needs none, that it lives", () =>
    Effect.gen(function* () {
      const url = yield* serving({ metricsPort: 0 })

      const answer = yield* answerTo(Number(new URL(url!).port), "GET /healthz HTTP/1.0\r\n\r\n")

      expect(answer).toStartWith("HTTP/1.1 200")
    }).pipe(Effect.scoped)
  )

  it.live("listens nowhere unless it is told to", () =>
    Effect.gen(function* () {
      expect(yield* serving({})).toBeUndefined()
    }).pipe(Effect.scoped)
  )

  it.live("does not start where somebody else listens", () =>
    Effect.gen(function* () {
      const url = yield* serving({ metricsPort: 0 })
      const error = yield* Effect.flip(serving({ metricsPort: Number(new URL(url!).port) }))
      expect(error.message).toStartWith("TROUPE_METRICS_PORT: cannot listen on 127.0.0.1 port")
    }).pipe(Effect.scoped)
  )
})
