/** The API inside another app, under an address of that app's own. */
import { describe, expect, test } from "bun:test"
import { Effect } from "effect"
import { Hono } from "hono"
import { httpOver } from "../../../api/http/index.ts"
import { type Document, operationsOf } from "../../support/openapi.ts"
import { memoryApi, jsonBody } from "../../support/api.ts"
import { aSocket } from "../../support/web-socket.ts"

const aHost = async (path: string) => {
  const troupe = await httpOver(memoryApi, { open: true })
  const app = new Hono()
    .get("/", (c) => c.text("ours"))
    .route(path, troupe.app)
    .get(`${path}/v1/ours`, (c) => c.text("ours, too"))
  return { app, websocket: troupe.websocket, [Symbol.asyncDispose]: troupe.close }
}

describe("the API in another app", () => {
  for (const [path, at] of [
    ["/troupe", "/troupe"],
    ["/of/:customer/tasks", "/of/ada/tasks"]
  ] as const) {
    test(`answers below ${path}, and its links lead there`, async () => {
      await using host = await aHost(path)
      const submitted = await host.app.request(`${at}/v1/tasks`, jsonBody({ name: "test" }))
      const location = submitted.headers.get("location")!
      const { links } = (await submitted.json()) as { links: Record<string, string> }

      expect(submitted.status).toBe(202)
      expect(location).toStartWith(`${at}/v1/tasks/default.0.`)
      for (const link of [location, links["self"]!, links["input"]!, links["result"]!]) {
        expect((await host.app.request(link)).status).toBeLessThan(300)
      }
      const schedule = { id: "daily", name: "test", cron: "0 9 * * *" }
      const made = await host.app.request(`${at}/v1/schedules`, jsonBody(schedule))
      expect(made.headers.get("location")).toBe(`${at}/v1/schedules/daily`)
      const document = (await (await host.app.request(`${at}/openapi.json`)).json()) as Document & {
        readonly servers: unknown
      }
      expect(document.servers).toEqual([{ url: at }])
      expect(operationsOf(document).length).toBeGreaterThan(40)
    })
  }

  test("leaves the rest of that app alone", async () => {
    await using host = await aHost("/troupe")

    expect(await (await host.app.request("/")).text()).toBe("ours")
    expect((await host.app.request("/v1/tasks")).status).toBe(404)
    expect((await host.app.request("/troupe/v1/tasks")).status).toBe(200)
  })

  test("has its web socket where that app's server is given it", async () => {
    await using host = await aHost("/troupe")
    using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: host.app.fetch,
      websocket: host.websocket
    })

    const submitted = await Effect.gen(function* () {
      const { ask } = yield* aSocket(`http://127.0.0.1:${server.port}/troupe/v1/ws`)
      return yield* ask({ op: "submit", name: "test", input: 1 })
    }).pipe(Effect.scoped, Effect.runPromise)

    expect(submitted).toMatchObject({
      ok: true,
      links: { self: expect.stringMatching(/^\/troupe\/v1\/tasks\//) }
    })
  })

  test("says that web sockets are not served where it was not", async () => {
    await using host = await aHost("/troupe")
    using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: host.app.fetch })
    const upgrade = {
      connection: "upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": btoa("0123456789abcdef")
    }

    const answer = await fetch(`http://127.0.0.1:${server.port}/troupe/v1/ws`, { headers: upgrade })

    expect(answer.status).toBe(426)
    expect(await answer.json()).toMatchObject({ type: "upgrade-needed" })
  })

  test("lets nobody in without a key, unless it is told to", async () => {
    await using troupe = await httpOver(memoryApi)

    expect((await troupe.app.request("/v1/tasks")).status).toBe(401)
    expect((await troupe.app.request("/healthz")).status).toBe(200)
  })
})
