/** What the log says of requests, and what it never does. */
import { describe, expect } from "bun:test"
import { Effect, Logger } from "effect"
import type { AccessLog } from "../../../api/http/access-log.ts"
import { anApi, framesOf, jsonBody, memoryApi } from "../../support/api.ts"
import { it } from "../../support/effect.ts"

/** An API whose lines are gathered. */
const logged = (which: AccessLog, lines: Array<string>) => {
  const gather = Logger.make(
    (options) => void lines.push(JSON.stringify(Logger.formatStructured.log(options)))
  )
  return Effect.provide(anApi({ accessLog: which }), Logger.layer([gather]))
}

const requests = (lines: ReadonlyArray<string>) =>
  lines.map((line) => JSON.parse(line)).filter(({ message }) => message === "request")

describe("the access log", () => {
  it.live(
    "has a line for each request: its route, how it went and whose it was, and nothing that it said",
    () =>
      Effect.gen(function* () {
        const lines: Array<string> = []
        const { ask } = yield* logged("all", lines)
        const headers = { "content-type": "application/json", "x-request-id": "r1" }
        yield* ask("/v1/tasks", { ...jsonBody({ name: "test", input: "canary-body" }), headers })
        yield* ask("/v1/tasks?key=canary-query&ticket=canary-ticket")
        yield* ask("/canary-path", { headers: { authorization: "Bearer canary-key" } })

        expect(requests(lines).map(({ annotations }) => annotations)).toMatchObject([
          { method: "POST", route: "/v1/tasks", status: 202, request: "r1", tenant: "default" },
          { method: "GET", route: "/v1/tasks" },
          { method: "GET", route: "none", status: 404 }
        ])
        const [{ annotations }] = requests(lines)
        expect(annotations.bytes).toBeGreaterThan(100)
        expect(annotations.ms).toBeGreaterThanOrEqual(0)
        expect(lines.join("\n")).not.toContain("canary")
      }).pipe(Effect.provide(memoryApi))
  )

  it.live("has the line of a stream when it ends", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const { request, submit, ask } = yield* logged("all", lines)
      const id = yield* submit()
      const frames = framesOf(yield* request(`/v1/tasks/${id}/events`))
      yield* frames.one
      const streams = () => requests(lines).filter(({ annotations }) => annotations.route.endsWith("/events"))
      expect(streams()).toEqual([])

      yield* ask(`/v1/tasks/${id}/cancel`, { method: "POST" })
      yield* frames.rest
      expect(streams()).toMatchObject([{ annotations: { status: 200, bytes: expect.any(Number) } }])
    }).pipe(Effect.provide(memoryApi))
  )

  it.live("says only what is our fault, or nothing, where that is asked for", () =>
    Effect.gen(function* () {
      for (const which of ["errors", "none"] as const) {
        const lines: Array<string> = []
        const { ask } = yield* logged(which, lines)
        yield* ask("/v1/tasks")
        yield* ask("/v1/tasks/x")
        expect(requests(lines)).toEqual([])
      }
    }).pipe(Effect.provide(memoryApi))
  )
})
