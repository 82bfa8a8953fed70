import { describe, expect } from "bun:test"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { crawlFetch } from "../../../handlers/crawl-fetch/index.ts"
import { Files } from "../../../runtime/files.ts"
import { RetryAfter } from "../../../runtime/handler.ts"
import { it } from "../../support/effect.ts"
import { filesIn, settings, temporaryFolder } from "../../support/folder.ts"
import { onLoopback } from "../../support/network.ts"
import { runHandler } from "../../support/recording.ts"
import { aSite, page } from "../../support/site.ts"

const fetched = (url: string, over: Readonly<Record<string, unknown>> = {}, folder?: string) =>
  Effect.gen(function* () {
    const files = folder ?? (yield* temporaryFolder)
    return yield* runHandler(crawlFetch, { url, delayMs: 0, ...over }).pipe(
      Effect.provide(settings({ files })),
      onLoopback()
    )
  })

const status = (code: number, headers: Readonly<Record<string, string>> = {}) =>
  new Response("x", { status: code, headers: { "content-type": "text/html", ...headers } })

describe("a page", () => {
  it.live("is fetched, kept, and read", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { asked, origin } = yield* aSite({
        "/a": page("Tea & cake", ["/b", "http://other.test/", "#top"])
      })
      const output = yield* fetched(
        `${origin}/a?utm_source=x#frag`,
        { userAgent: "Sample/1.0 (+http://me.test)" },
        folder
      )
      expect(output).toMatchObject({
        url: `${origin}/a`,
        status: 200,
        type: "text/html",
        title: "Tea & cake",
        links: [`${origin}/b`, "http://other.test/", `${origin}/a`]
      })
      const kept = yield* Files.use(({ read }) => read(output.file!)).pipe(Effect.provide(filesIn(folder)))
      expect(new TextDecoder().decode(kept)).toContain("<p>Tea & cake</p>")
      expect(asked.map(({ path, userAgent }) => [path, userAgent])).toEqual([
        ["/robots.txt", "Sample/1.0 (+http://me.test)"],
        ["/a", "Sample/1.0 (+http://me.test)"]
      ])
    })
  )

  it.live(
    "tells of its links only those that belong to the scope, as many as are wanted, and how many more there are",
    () =>
      Effect.gen(function* () {
        const { origin } = yield* aSite({
          "/": page("x", ["/docs/1", "/blog/2", "/docs/3", "/docs/4", "http://b.test/docs/5"])
        })
        const of = (linksMax: number) => fetched(`${origin}/`, { scope: { pathPrefix: "/docs/" }, linksMax })
        expect(yield* of(2)).toMatchObject({
          links: [`${origin}/docs/1`, `${origin}/docs/3`],
          linksLeftOut: 1
        })
        expect(yield* of(3)).toMatchObject({ linksLeftOut: 0 })
      })
  )

  it.live("that is not there, of another kind, or too large, is a result, and its body is not read", () =>
    Effect.gen(function* () {
      const endless = () =>
        new Response(new ReadableStream({ pull: (it) => it.enqueue(new Uint8Array(60_000)) }), {
          headers: { "content-type": "text/html" }
        })
      const { origin } = yield* aSite({
        "/gone": status(410),
        "/film": () => new Response(endless().body, { headers: { "content-type": "video/mp4" } }),
        "/huge": endless
      })
      expect(yield* fetched(`${origin}/gone`)).toMatchObject({ status: 410, skipped: "status" })
      expect(yield* fetched(`${origin}/film`)).toMatchObject({ skipped: "type", type: "video/mp4" })
      expect(yield* fetched(`${origin}/huge`, { bytesMax: 200_000 })).toMatchObject({
        skipped: "size",
        links: []
      })
    })
  )

  it.live("that says so is neither kept nor followed", () =>
    Effect.gen(function* () {
      const { origin } = yield* aSite({
        "/meta": page("x", ["/b"], `<meta name="robots" content="noindex, nofollow">`),
        "/header": () =>
          new Response(page("x", ["/b"]), {
            headers: { "content-type": "text/html", "x-robots-tag": "noindex" }
          })
      })
      const meta = yield* fetched(`${origin}/meta`)
      expect(meta).toMatchObject({ skipped: "noindex", links: [] })
      expect(meta.file).toBeUndefined()
      expect(yield* fetched(`${origin}/header`)).toMatchObject({ skipped: "noindex", links: [`${origin}/b`] })
    })
  )

  it.live("may be in another charset", () =>
    Effect.gen(function* () {
      const latin = Buffer.from("<meta charset=iso-8859-1><title>Käse</title>", "latin1")
      const { origin } = yield* aSite({
        "/": () => new Response(latin, { headers: { "content-type": "text/html" } })
      })
      expect((yield* fetched(`${origin}/`)).title).toBe("Käse")
    })
  )
})

describe("robots.txt", () => {
  it.live("is asked first, and what it does not allow is not fetched", () =>
    Effect.gen(function* () {
      const { origin, paths } = yield* aSite({
        "/robots.txt": "User-agent: *\nDisallow: /private",
        "/moved": status(301, { location: "/private/b" })
      })
      expect(yield* Effect.flip(fetched(`${origin}/private/a`))).toMatchObject({ name: "RobotsDisallowed" })
      expect(yield* Effect.flip(fetched(`${origin}/moved`))).toMatchObject({ name: "RobotsDisallowed" })
      expect(paths()).toEqual(["/moved"])
    })
  )

  it.live("that cannot be read keeps everything from being fetched, until it can", () =>
    Effect.gen(function* () {
      const { origin, paths } = yield* aSite({ "/robots.txt": status(503), "/a": page("x") })
      expect(yield* Effect.flip(fetched(`${origin}/a`))).toMatchObject({ _tag: "RobotsUnavailable" })
      expect(paths()).toEqual([])
    })
  )
})

describe("a redirect", () => {
  it.live("on the same host is followed, and one to another host is told", () =>
    Effect.gen(function* () {
      const { origin, paths } = yield* aSite({
        "/1": status(302, { location: "/2" }),
        "/2": status(301, { location: "/3" }),
        "/3": page("arrived"),
        "/away": status(301, { location: "http://other.test/x#y" })
      })
      expect(yield* fetched(`${origin}/1`)).toMatchObject({ url: `${origin}/3`, title: "arrived" })
      expect(yield* fetched(`${origin}/away`)).toMatchObject({
        skipped: "redirect",
        redirect: "http://other.test/x"
      })
      expect(paths()).toEqual(["/1", "/2", "/3", "/away"])
    })
  )

  it.live("that leads in a circle ends, and so does one to no page", () =>
    Effect.gen(function* () {
      const { origin, paths } = yield* aSite({
        "/a": status(302, { location: "/b" }),
        "/b": status(302, { location: "/a" }),
        "/file": status(302, { location: "file:///etc/passwd" })
      })
      expect(yield* Effect.flip(fetched(`${origin}/a`))).toMatchObject({ name: "UrlRefused" })
      expect(paths().length).toBe(6)
      expect(yield* Effect.flip(fetched(`${origin}/file`))).toMatchObject({ name: "UrlRefused" })
    })
  )
})

describe("a host", () => {
  it.live("that wants to be left alone says for how long; one that fails is tried again", () =>
    Effect.gen(function* () {
      const { origin } = yield* aSite({
        "/busy": status(429, { "retry-after": "30" }),
        "/broken": status(500)
      })
      const busy = yield* Effect.flip(fetched(`${origin}/busy`))
      expect(busy).toBeInstanceOf(RetryAfter)
      expect(busy).toMatchObject({ afterMs: 30_000 })
      expect(yield* Effect.flip(fetched(`${origin}/broken`))).toMatchObject({ _tag: "FetchFailed" })
    })
  )

  it.live("that says of when to come back what nobody can read is tried again as one that fails", () =>
    Effect.gen(function* () {
      const { origin } = yield* aSite({ "/busy": status(503, { "retry-after": "-1" }) })
      expect(yield* Effect.flip(fetched(`${origin}/busy`))).toMatchObject({ _tag: "FetchFailed" })
    })
  )

  it.effect("that is slow is given up after a minute", () =>
    Effect.gen(function* () {
      const arrived = Promise.withResolvers<void>()
      const { origin } = yield* aSite({
        "/slow": () => {
          arrived.resolve()
          return new Promise<Response>(() => {})
        }
      })
      const fetching = yield* Effect.forkChild(Effect.flip(fetched(`${origin}/slow`)))
      yield* Effect.promise(() => arrived.promise)

      yield* TestClock.adjust("60 seconds")

      expect(yield* Fiber.join(fetching)).toMatchObject({ _tag: "FetchFailed", reason: "not read within 1m" })
    })
  )

  it.live("at an address that is not allowed is not asked, not even for its robots.txt", () =>
    Effect.gen(function* () {
      const { asked, origin } = yield* aSite({ "/": page("secret") })
      const files = yield* temporaryFolder
      const refused = yield* Effect.flip(
        Effect.provide(runHandler(crawlFetch, { url: `${origin}/`, delayMs: 0 }), settings({ files }))
      )
      expect(refused).toMatchObject({ name: "AddressNotAllowed" })
      expect(asked).toEqual([])
    })
  )
})
