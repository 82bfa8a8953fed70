import { describe, expect } from "bun:test"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as path from "node:path"
import { fetchBytes } from "../../../handlers/network/fetch.ts"
import { Network } from "../../../runtime/network/network.ts"
import { it } from "../../support/effect.ts"
import { localServer, onLoopback } from "../../support/network.ts"

const bytesMax = 1_000_000
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const tls = (name: string) => Bun.file(path.join(import.meta.dir, "../../support/tls", name)).text()

describe("a guarded request", () => {
  it.live("gives the body, its type, and where it was found", () =>
    Effect.gen(function* () {
      const { port } = yield* localServer((request) =>
        new URL(request.url).pathname === "/old"
          ? Response.redirect("/new?x=1", 301)
          : new Response("hello", { headers: { "content-type": "text/plain; charset=utf-8" } })
      )

      const fetched = yield* fetchBytes(`http://127.0.0.1:${port}/old`, { bytesMax })

      expect(text(fetched.bytes)).toBe("hello")
      expect(fetched.type).toBe("text/plain; charset=utf-8")
      expect(fetched.url.href).toBe(`http://127.0.0.1:${port}/new?x=1`)
    }).pipe(onLoopback())
  )

  it.live("counts the bytes after decompressing them", () =>
    Effect.gen(function* () {
      const bomb = Bun.gzipSync(new Uint8Array(2_000_000))
      const { port } = yield* localServer(
        () => new Response(bomb, { headers: { "content-encoding": "gzip" } })
      )

      const refused = yield* Effect.flip(fetchBytes(`http://127.0.0.1:${port}/`, { bytesMax: 100_000 }))

      expect(bomb.byteLength).toBeLessThan(10_000)
      expect(refused).toMatchObject({ _tag: "BodyTooLarge", bytesMax: 100_000 })
    }).pipe(onLoopback())
  )

  it.live("stops reading once the body is too large, and lets the server know", () =>
    Effect.gen(function* () {
      const cancelled = Promise.withResolvers<void>()
      const { port } = yield* localServer(
        () =>
          new Response(
            new ReadableStream({
              pull: (controller) => controller.enqueue(new Uint8Array(10_000)),
              cancel: () => cancelled.resolve()
            })
          )
      )

      const refused = yield* Effect.flip(fetchBytes(`http://127.0.0.1:${port}/`, { bytesMax: 50_000 }))

      expect(refused).toMatchObject({ _tag: "BodyTooLarge" })
      yield* Effect.promise(() => cancelled.promise)
    }).pipe(onLoopback())
  )

  it.live("ends when it is interrupted", () =>
    Effect.gen(function* () {
      const arrived = Promise.withResolvers<void>()
      const cancelled = Promise.withResolvers<void>()
      const { port } = yield* localServer(
        () =>
          new Response(
            new ReadableStream({
              pull: (controller) => {
                controller.enqueue(new Uint8Array(10))
                arrived.resolve()
                return new Promise(() => {})
              },
              cancel: () => cancelled.resolve()
            })
          )
      )
      const request = yield* Effect.forkChild(fetchBytes(`http://127.0.0.1:${port}/`, { bytesMax }))
      yield* Effect.promise(() => arrived.promise)

      yield* Fiber.interrupt(request)

      yield* Effect.promise(() => cancelled.promise)
    }).pipe(onLoopback())
  )

  it.effect("gives up after a minute", () =>
    Effect.gen(function* () {
      const arrived = Promise.withResolvers<void>()
      const { port } = yield* localServer(() => {
        arrived.resolve()
        return new Promise<Response>(() => {})
      })
      const request = yield* Effect.forkChild(
        Effect.flip(fetchBytes(`http://127.0.0.1:${port}/`, { bytesMax }))
      )
      yield* Effect.promise(() => arrived.promise)

      yield* TestClock.adjust("60 seconds")

      expect(yield* Fiber.join(request)).toMatchObject({ _tag: "FetchFailed", reason: "not read within 1m" })
    }).pipe(onLoopback())
  )
})

describe("an answer that is no success", () => {
  for (const status of [400, 401, 403, 404, 410, 451, 304]) {
    it.live(`is refused for good when it is ${status}`, () =>
      Effect.gen(function* () {
        const { port } = yield* localServer(() => new Response(null, { status }))
        const refused = yield* Effect.flip(fetchBytes(`http://127.0.0.1:${port}/`, { bytesMax }))
        expect(refused).toMatchObject({ name: "UrlRefused" })
        expect(refused.message).toContain(String(status))
      }).pipe(onLoopback())
    )
  }

  for (const status of [408, 425, 429, 500, 502, 503]) {
    it.live(`is worth another try when it is ${status}`, () =>
      Effect.gen(function* () {
        const { port } = yield* localServer(() => new Response("later", { status }))
        const failed = yield* Effect.flip(fetchBytes(`http://127.0.0.1:${port}/`, { bytesMax }))
        expect(failed).toMatchObject({ _tag: "FetchFailed", reason: `the server answered ${status}` })
      }).pipe(onLoopback())
    )
  }

  it.live("or no answer at all is worth another try", () =>
    Effect.gen(function* () {
      const failed = yield* Effect.flip(fetchBytes("http://127.0.0.1:1/", { bytesMax }))
      expect(failed).toMatchObject({ _tag: "FetchFailed" })
    }).pipe(onLoopback())
  )

  it.live("or a name that cannot be found is worth another try", () =>
    Effect.gen(function* () {
      const failed = yield* Effect.flip(fetchBytes("http://nowhere.test/", { bytesMax }))
      expect(failed).toMatchObject({ _tag: "FetchFailed", reason: "not found" })
    }).pipe(onLoopback({ resolve: () => Promise.reject(new Error("not found")) }))
  )
})

describe("a URL that leads to this machine", () => {
  for (const host of ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0"]) {
    it.live(`is refused when its host is written ${host}, before anything is sent`, () =>
      Effect.gen(function* () {
        const { port, seen } = yield* localServer(() => new Response("secret"))
        const refused = yield* Effect.flip(fetchBytes(`http://${host}:${port}/`, { bytesMax }))
        expect(refused).toMatchObject({ name: "AddressNotAllowed" })
        expect(seen).toEqual([])
      })
    )
  }

  it.live("is refused when only one of its name's addresses is private", () =>
    Effect.gen(function* () {
      const { port, seen } = yield* localServer(() => new Response("secret"))
      const refused = yield* Effect.flip(fetchBytes(`http://both.test:${port}/`, { bytesMax })).pipe(
        Effect.updateService(Network, (real) => ({
          ...real,
          resolve: () => Promise.resolve(["93.184.216.34", "127.0.0.1"])
        }))
      )
      expect(refused).toMatchObject({ name: "AddressNotAllowed" })
      expect(seen).toEqual([])
    })
  )

  it.live("is refused when a public page redirects to it", () =>
    Effect.gen(function* () {
      const inner = yield* localServer(() => new Response("secret"))
      const outer = yield* localServer(() => Response.redirect(`http://127.0.0.2:${inner.port}/`, 302))

      const refused = yield* Effect.flip(fetchBytes(`http://public.test:${outer.port}/`, { bytesMax }))

      expect(refused).toMatchObject({ name: "AddressNotAllowed" })
      expect(outer.seen.length).toBe(1)
      expect(inner.seen).toEqual([])
    }).pipe(onLoopback())
  )

  it.live("is not reached by a name whose address changes after the check", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const { port, seen } = yield* localServer(() => new Response("public"))
      const rebinding = (host: string) => {
        asked.push(host)
        return Promise.resolve([asked.length === 1 ? "127.0.0.1" : "127.0.0.2"])
      }

      const { bytes } = yield* fetchBytes(`http://rebind.test:${port}/`, { bytesMax }).pipe(
        onLoopback({ resolve: rebinding })
      )

      expect(text(bytes)).toBe("public")
      expect(asked).toEqual(["rebind.test"])
      expect(seen).toEqual([`http://rebind.test:${port}/`])
    })
  )
})

describe("a redirect", () => {
  const chain = (length: number) =>
    localServer((request) => {
      const step = Number(new URL(request.url).pathname.slice(1))
      return step < length ? Response.redirect(`/${step + 1}`, 307) : new Response("arrived")
    })

  it.live("is followed five times", () =>
    Effect.gen(function* () {
      const { port } = yield* chain(5)
      const { bytes } = yield* fetchBytes(`http://127.0.0.1:${port}/0`, { bytesMax })
      expect(text(bytes)).toBe("arrived")
    }).pipe(onLoopback())
  )

  it.live("is not followed a sixth time", () =>
    Effect.gen(function* () {
      const { port, seen } = yield* chain(6)
      const refused = yield* Effect.flip(fetchBytes(`http://127.0.0.1:${port}/0`, { bytesMax }))
      expect(refused).toMatchObject({ name: "UrlRefused" })
      expect(seen.length).toBe(6)
    }).pipe(onLoopback())
  )

  for (const target of ["file:///etc/passwd", "ftp://127.0.0.1/", "data:text/plain,hello", "http://"]) {
    it.live(`to ${target} is refused`, () =>
      Effect.gen(function* () {
        const { port } = yield* localServer(
          () => new Response(null, { status: 302, headers: { location: target } })
        )
        const refused = yield* Effect.flip(fetchBytes(`http://127.0.0.1:${port}/`, { bytesMax }))
        expect(refused).toMatchObject({ name: "AddressNotAllowed" })
      }).pipe(onLoopback())
    )
  }
})

describe("over TLS", () => {
  const secureServer = Effect.gen(function* () {
    const [key, cert, authority] = yield* Effect.promise(() =>
      Promise.all([tls("key.pem"), tls("certificate.pem"), tls("authority.pem")])
    )
    const { port } = yield* localServer(() => new Response("secure"), { tls: { key, cert } })
    return { port, authority }
  })

  it.live("the certificate must be for the name, though the connection goes to the address", () =>
    Effect.gen(function* () {
      const { authority, port } = yield* secureServer
      const get = (host: string) =>
        fetchBytes(`https://${host}:${port}/`, { bytesMax }).pipe(onLoopback({ authority }))

      expect(text((yield* get("documents.test")).bytes)).toBe("secure")
      expect(yield* Effect.flip(get("other.test"))).toMatchObject({ _tag: "FetchFailed" })
    })
  )

  it.live("the certificate must be signed by an authority that is trusted", () =>
    Effect.gen(function* () {
      const { port } = yield* secureServer
      const failed = yield* Effect.flip(fetchBytes(`https://documents.test:${port}/`, { bytesMax }))
      expect(failed).toMatchObject({ _tag: "FetchFailed" })
    }).pipe(onLoopback())
  )
})

describe("a URL with a password", () => {
  it.live("is refused, because it would be kept with the task", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(fetchBytes("https://user:secret@example.com/", { bytesMax }))
      expect(refused).toMatchObject({ name: "UrlRefused" })
      expect(refused.message).not.toContain("secret")
    })
  )
})
