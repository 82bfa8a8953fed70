/** What pages of strangers, and those of friends, may do with the API in a browser. */
import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { anyone } from "../../../actors/access/caller.ts"
import { KeyOperator } from "../../../actors/access/keys.ts"
import { anApi, jsonBody, promise } from "../../support/api.ts"

const friend = "https://app.example.com"
const stranger = "https://evil.example.com"

const from = (origin: string, init: RequestInit = {}): RequestInit => ({
  ...init,
  headers: { ...(init.headers as Record<string, string>), origin, "sec-fetch-site": "cross-site" }
})

const preflight = (origin: string): RequestInit => ({
  ...from(origin, { method: "OPTIONS" }),
  headers: {
    origin,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type"
  }
})

describe("a page of another origin", () => {
  promise("reads answers when its origin is on the list, and only then", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi({ origins: [friend] })

      const allowed = yield* ask("/v1/tasks", from(friend))
      expect(allowed.headers.get("access-control-allow-origin")).toBe(friend)
      expect(allowed.headers.get("access-control-expose-headers")).toContain("x-request-id")
      expect(allowed.headers.get("access-control-allow-credentials")).toBeNull()
      expect((yield* ask("/v1/tasks", from(stranger))).headers.get("access-control-allow-origin")).toBeNull()
      const asked = yield* ask("/v1/tasks", preflight(friend))
      expect(asked.status).toBe(204)
      expect(asked.headers.get("access-control-allow-methods")).toContain("POST")
      expect(
        (yield* ask("/v1/tasks", preflight(stranger))).headers.get("access-control-allow-origin")
      ).toBeNull()
    })
  )

  promise("reads nothing where there is no list", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()

      expect((yield* ask("/v1/tasks", from(friend))).headers.get("access-control-allow-origin")).toBeNull()
      expect((yield* ask("/v1/tasks", preflight(friend))).status).toBe(405)
    })
  )

  promise("cannot make a browser send what a form may: nothing is purged, paused or uploaded", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi({ origins: [friend] })
      const id = yield* submit()
      const form = new FormData()
      form.set("file", new Blob(["text"]))
      for (const [path, init] of [
        ["/v1/queues/default/purge", { method: "POST" }],
        [`/v1/tasks/${id}/cancel`, { method: "POST", headers: { "content-type": "text/plain" }, body: "{}" }],
        ["/v1/files", { method: "POST", body: form }]
      ] as const) {
        const refused = yield* ask(path, from(stranger, init))
        expect(refused).toMatchObject({ status: 403, body: { type: "origin-refused" } })
      }

      expect((yield* ask(`/v1/tasks/${id}`)).body.state).toBe("queued")
      expect((yield* ask(`/v1/tasks/${id}/cancel`, from(friend, { method: "POST" }))).status).toBe(202)
    })
  )

  promise("is no concern of programs, which say nothing of origins", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()

      expect((yield* ask(`/v1/tasks/${yield* submit()}/cancel`, { method: "POST" })).status).toBe(202)
    })
  )

  promise("finds no server of this machine under a name of its own, unless it has a key", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi({ local: true, origins: [friend] })
      const named = (host: string, more: Record<string, string> = {}): RequestInit => ({
        headers: { host, ...more }
      })

      expect(yield* ask("/v1/tasks", named("rebound.example.com"))).toMatchObject({
        status: 421,
        body: { type: "wrong-host" }
      })
      for (const host of ["localhost:4000", "127.0.0.1", "[::1]:4000", "app.example.com"]) {
        expect((yield* ask("/v1/tasks", named(host))).status).toBe(200)
      }
      expect((yield* ask("/healthz", named("rebound.example.com"))).status).toBe(200)
      // Where no ticket is taken, none makes anybody known.
      expect((yield* ask("/metrics?ticket=x", named("rebound.example.com"))).status).toBe(421)
      const shown = named("proxied.example.com", { authorization: "Bearer x" })
      expect((yield* ask("/v1/tasks", shown)).status).not.toBe(421)
    })
  )
})

describe("a web socket of this machine", () => {
  promise("opens under a name of its own only to who shows a key, while everybody is let in", () =>
    Effect.gen(function* () {
      const { request } = yield* anApi({ local: true, origins: [friend] })
      const opened = (host: string) => {
        const headers = { host, origin: `http://${host}`, upgrade: "websocket" }
        return Effect.map(request("/v1/ws", { headers }, { upgrade: () => true }), ({ status }) => status)
      }

      expect(yield* opened("rebound.example.com:4000")).toBe(421)
      expect(yield* opened("localhost:4000")).toBe(200)

      yield* (yield* KeyOperator).create(anyone, { role: "admin" })
      // From the first key on, which is known within a second, nobody is let in who does not show one, in a frame of it.
      yield* Effect.repeat(Effect.delay(opened("proxied.example.com"), "20 millis"), {
        until: (status) => status === 200
      })
    })
  )
})

describe("an answer", () => {
  promise("lets a browser run, frame and guess nothing of it", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const { headers } = yield* ask("/v1/tasks")

      expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'")
      expect(headers.get("x-content-type-options")).toBe("nosniff")
      expect(headers.get("x-frame-options")).toBe("DENY")
      expect(headers.get("referrer-policy")).toBe("no-referrer")
    })
  )

  promise("has an id, which is the caller's if it gave a sound one", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const withId = (id: string) => ask("/nothing", { headers: { "x-request-id": id } })

      expect((yield* withId("order-4711")).headers.get("x-request-id")).toBe("order-4711")
      const long = yield* withId("x".repeat(300))
      expect(long.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/)
      const unsound = yield* withId("a b<script>")
      expect(unsound.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/)
    })
  )

  promise("is not said again to who has it", () =>
    Effect.gen(function* () {
      const { ask, post, request } = yield* anApi()
      const { body } = yield* post("/v1/tasks", { name: "test", input: { some: "input" } })
      const file = yield* ask("/v1/files", {
        method: "POST",
        body: "text",
        headers: { "content-type": "text/plain" }
      })
      for (const path of [
        `/v1/tasks/${body.id}`,
        `/v1/tasks/${body.id}/input`,
        `/v1/files/${file.body.id}`
      ]) {
        const first = yield* request(path)
        const etag = first.headers.get("etag")!
        expect(etag).toMatch(/^"[0-9a-f]+"$/)
        const again = yield* request(path, { headers: { "if-none-match": `W/"other", ${etag}` } })
        expect([again.status, yield* Effect.promise(() => again.text())]).toEqual([304, ""])
        expect((yield* request(path, { headers: { "if-none-match": '"other"' } })).status).toBe(200)
      }
      const { headers } = yield* ask(`/v1/tasks/${body.id}`)
      yield* ask(`/v1/tasks/${body.id}/cancel`, { method: "POST" })
      const changed = { headers: { "if-none-match": headers.get("etag")! } }
      expect((yield* ask(`/v1/tasks/${body.id}`, changed)).body.state).toBe("cancelled")
    })
  )

  promise("that says to come back has no name: it is another one next time", () =>
    Effect.gen(function* () {
      const { request, submit } = yield* anApi()
      const id = yield* submit()
      const init = { headers: { "if-none-match": "*" } }

      const pending = yield* request(`/v1/tasks/${id}/result`, init)
      expect(pending.status).toBe(202)
      expect(pending.headers.get("etag")).toBeNull()
    })
  )
})

describe("the page of the API", () => {
  promise("needs nothing from elsewhere, and runs only what its policy names", () =>
    Effect.gen(function* () {
      const { request } = yield* anApi()
      const page = yield* request("/docs")
      const html = yield* Effect.promise(() => page.text())
      const policy = page.headers.get("content-security-policy")!

      expect(page.status).toBe(200)
      expect(html).not.toMatch(/<(?:script|link|img|iframe)[^>]+(?:src|href)=/)
      expect(html).toContain("submitTask")
      expect(policy).toContain("default-src 'none'")
      expect(policy).not.toContain("unsafe")
      for (const [tag, directive] of [
        ["script", "script-src"],
        ["style", "style-src"]
      ] as const) {
        const [, text] = new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(html)!
        const digest = new Bun.CryptoHasher("sha256").update(text!).digest("base64")
        expect(policy).toContain(`${directive} 'sha256-${digest}'`)
      }
    })
  )

  promise(
    "runs when it is opened again, too: the policy goes along with the word that nothing has changed",
    () =>
      Effect.gen(function* () {
        const { request } = yield* anApi()
        const page = yield* request("/docs")
        const again = yield* request("/docs", { headers: { "if-none-match": page.headers.get("etag")! } })
        expect(again.status).toBe(304)
        expect(again.headers.get("content-security-policy")).toBe(page.headers.get("content-security-policy"))
      })
  )
})

describe("a request that cannot be read as a whole", () => {
  promise("is refused where a parameter is given twice, as one of them would be lost", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()

      expect(yield* ask("/v1/tasks?state=failed&state=queued")).toMatchObject({
        status: 400,
        body: { type: "invalid-parameter", errors: [{ path: "state", message: "is given twice" }] }
      })
      expect((yield* ask("/v1/tasks", jsonBody("[".repeat(100) + "]".repeat(100)))).status).toBe(422)
    })
  )
})
