import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { testTroupe } from "../../../api/testing/index.ts"
import { crawlDiscover } from "../../../handlers/crawl-discover/index.ts"
import { crawlFetch } from "../../../handlers/crawl-fetch/index.ts"
import { Files } from "../../../runtime/files.ts"
import { it } from "../../support/effect.ts"
import { filesIn, temporaryFolder } from "../../support/folder.ts"
import { aSite, page } from "../../support/site.ts"
import { memorySystem, redisSystem } from "../../support/system.ts"

interface Output {
  readonly pages: ReadonlyArray<{ readonly url: string; readonly depth: number; readonly file?: string }>
  readonly list: string
  readonly fetched: number
  readonly kept: number
  readonly duplicates: number
  readonly failed: number
  readonly leftOut: Readonly<Record<string, number>>
}

/** What a crawl finds, on a whole system. */
const crawled = (input: Readonly<Record<string, unknown>>, system = memorySystem) =>
  Effect.gen(function* () {
    const files = yield* temporaryFolder
    const ended = yield* Dispatcher.use(({ ask }) =>
      ask({ name: "crawl.discover", input: { delayMs: 0, ...input } })
    ).pipe(Effect.provide(system([crawlDiscover, crawlFetch], { files, networks: ["127.0.0.0/8"] })))
    if (ended.state !== "succeeded") throw new Error(JSON.stringify(ended))
    const output = ended.output as Output
    const list = yield* Files.use(({ read }) => read(output.list)).pipe(Effect.provide(filesIn(files)))
    const lines = new TextDecoder().decode(list).trim().split("\n")
    return { output, list: lines.map((line) => JSON.parse(line) as Record<string, unknown>) }
  })

describe("a crawl", () => {
  for (const [store, system] of [
    ["memory", memorySystem],
    ["Redis", redisSystem]
  ] as const) {
    it.live(`on ${store} fetches each page of a site once, and keeps what it found`, () =>
      Effect.gen(function* () {
        const { origin, paths } = yield* aSite({
          "/": page("home", ["/a", "/b/", "/a?utm_campaign=x", "/missing", "http://other.test/"]),
          "/a": page("a", ["/", "/b/", "/c"]),
          "/b/": page("b", ["../c", "/a#x"]),
          "/c": page("c")
        })
        const { list, output } = yield* crawled({ start: [`${origin}/`] }, system)
        expect(paths().sort()).toEqual(["/", "/a", "/b/", "/c", "/missing"])
        expect(output).toMatchObject({ fetched: 5, kept: 4, duplicates: 0, failed: 0, leftOut: {} })
        expect(output.pages.map(({ depth, url }) => [url.slice(origin.length), depth])).toEqual([
          ["/", 0],
          ["/a", 1],
          ["/b/", 1],
          ["/c", 2]
        ])
        expect(output.pages.every(({ file }) => file !== undefined)).toBe(true)
        expect(list).toContainEqual({
          url: `${origin}/missing`,
          depth: 1,
          status: 404,
          bytes: 0,
          skipped: "status"
        })
      })
    )
  }

  it.live(
    "takes addresses of any length, and of a page that is nothing but links no more than it can use",
    () =>
      Effect.gen(function* () {
        const long = (name: string) => `/${name}/${"x".repeat(1_900)}`
        const many = (name: string, count: number) =>
          Array.from({ length: count }, (_, at) => long(`${name}-${at}`))
        const { origin, paths } = yield* aSite((path) => {
          if (path === "/robots.txt") return undefined
          if (path === "/") return page("home", many("start", 60))
          // The same text, so that each is said to be the first of them.
          return path.startsWith("/start") ? page("the same", many("further", 1_000)) : page(path)
        })

        const { list, output } = yield* crawled({ start: [`${origin}/`], pagesMax: 130, sitemaps: false })

        expect(output).toMatchObject({ failed: 0, duplicates: 59 })
        expect(list.filter(({ duplicateOf }) => duplicateOf === origin + long("start-0")).length).toBe(59)
        expect(new Set(paths()).size).toBe(paths().length)
        // Of a thousand links with two thousand letters each, as many as a wave remembers.
        const further = paths().filter((path) => path.startsWith("/further"))
        expect(further.length).toBeGreaterThan(50)
        expect(further.length).toBeLessThan(70)
        expect(output.leftOut["links"]).toBeGreaterThan(900)
      }),
    30_000
  )

  it.live("begins with what sitemaps name, indexes and packed ones among them", () =>
    Effect.gen(function* () {
      let origin = ""
      const site = yield* aSite((path) => {
        const loc = (at: string) => `<loc>${origin}${at}</loc>`
        if (path === "/robots.txt") return new Response(`Sitemap: ${origin}/sitemap-index.xml`)
        if (path === "/sitemap-index.xml")
          return new Response(
            `<sitemapindex><sitemap>${loc("/sitemap-1.xml.gz")}</sitemap><sitemap>${loc("/sitemap-index.xml")}</sitemap></sitemapindex>`
          )
        if (path === "/sitemap-1.xml.gz") {
          const xml = `<urlset><url>${loc("/hidden")}</url><url><loc>http://other.test/x</loc></url></urlset>`
          return new Response(Bun.gzipSync(new TextEncoder().encode(xml)))
        }
        return ["/", "/hidden"].includes(path) ? page(path) : undefined
      })
      origin = site.origin
      yield* crawled({ start: [`${origin}/`] })
      expect(site.paths().sort()).toEqual(["/", "/hidden"])
    })
  )

  it.live("gets out of traps: endless calendars, circles, huge pages, pages that are all the same", () =>
    Effect.gen(function* () {
      const { origin, paths } = yield* aSite((path) => {
        if (path === "/")
          return page("home", [
            "/cal?day=1",
            "/round/",
            "/huge",
            "/loop",
            ...[1, 2, 3].map((id) => `/same/x${id}`)
          ])
        if (path.startsWith("/cal")) return page(path, [`/cal?day=${Number(path.split("=")[1]) + 1}`])
        if (path.startsWith("/round/")) return page(path, ["round/"])
        if (path === "/huge")
          return new Response(new ReadableStream({ pull: (it) => it.enqueue(new Uint8Array(50_000)) }), {
            headers: { "content-type": "text/html" }
          })
        if (path === "/loop") return new Response(null, { status: 302, headers: { location: "/loop" } })
        return path.startsWith("/same/") ? page("the same", [`${path}/deeper`]) : undefined
      })
      const { output } = yield* crawled({
        start: [`${origin}/`],
        similarMax: 6,
        depthMax: 30,
        bytesMax: 300_000
      })
      expect(paths().filter((path) => path.startsWith("/cal")).length).toBe(6)
      expect(paths().filter((path) => path.startsWith("/round")).length).toBe(3)
      expect(
        paths()
          .filter((path) => path.startsWith("/same"))
          .sort()
      ).toEqual(["/same/x1", "/same/x1/deeper", "/same/x2", "/same/x3"])
      expect(output).toMatchObject({ duplicates: 3, failed: 1, leftOut: { similar: 1, trap: 1 } })
    })
  )

  it.live("asks for no more pages than it may, and none that robots.txt does not allow", () =>
    Effect.gen(function* () {
      const { origin, paths } = yield* aSite((path) =>
        path === "/robots.txt"
          ? new Response("User-agent: *\nDisallow: /no")
          : page(
              path,
              Array.from(
                { length: 30 },
                (_, at) => `/${at % 2 === 0 ? "no" : "yes"}-${"abcdefghijklmnopqrstuvwxyzäöüß"[at]}`
              )
            )
      )
      const { output } = yield* crawled({ start: [`${origin}/`], pagesMax: 20 })
      expect(paths().some((path) => path.startsWith("/no"))).toBe(false)
      expect(output.fetched + output.leftOut["robots"]!).toBe(20)
    })
  )

  it.live("follows all links of a page that has hundreds", () =>
    Effect.gen(function* () {
      const links = Array.from({ length: 230 }, (_, at) => `/page-${at}`)
      const { origin, paths } = yield* aSite((path) => page(path, path === "/" ? links : []))
      const { output } = yield* crawled({ start: [`${origin}/`], pagesMax: 1_000, connections: 8 })
      expect(new Set(paths())).toEqual(new Set(["/", ...links]))
      expect(output).toMatchObject({ fetched: 231, leftOut: {} })
    })
  )

  it.live("says how many links it was not told of a page that has thousands", () =>
    Effect.gen(function* () {
      const links = Array.from({ length: 2_005 }, (_, at) => `/page-${at}`)
      const { origin } = yield* aSite((path) => page(path, path === "/" ? links : []))
      const { output } = yield* crawled({ start: [`${origin}/`], pagesMax: 3 })
      expect(output).toMatchObject({ fetched: 3, leftOut: { links: 5, pages: 1_998 } })
    })
  )

  it.live("tells each page the hosts that it began with, and not all addresses", () =>
    Effect.gen(function* () {
      const { origin } = yield* aSite((path) => page(path))
      const files = yield* temporaryFolder
      const start = Array.from({ length: 40 }, (_, at) => `${origin}/start-${at}`)
      yield* Effect.promise(async () => {
        await using troupe = await testTroupe({
          handlers: [crawlDiscover, crawlFetch],
          settings: { files, networks: ["127.0.0.0/8"] }
        })
        const crawl = await troupe.submit(crawlDiscover, { start, delayMs: 0, connections: 8 })
        await troupe.idle()
        expect(await crawl.state()).toBe("succeeded")
        const pages = troupe.runs(crawlFetch)
        expect(new Set(pages.map(({ id }) => id)).size).toBe(40)
        for (const { input } of pages) expect(input).toMatchObject({ start: [origin] })
      })
    })
  )

  it.live("obeys a robots.txt that is longer than what a task remembers", () =>
    Effect.gen(function* () {
      const sitemaps = "Sitemap: http://other.test/map.xml\n".repeat(12_000)
      const { origin, paths } = yield* aSite({
        "/robots.txt": `User-agent: *\n${sitemaps}Disallow: /no`,
        "/": page("home", ["/no", "/yes"]),
        "/yes": page("yes")
      })
      const { output } = yield* crawled({ start: [`${origin}/`], sitemaps: false })
      expect(paths()).toEqual(["/", "/yes"])
      expect(output.leftOut).toEqual({ robots: 1 })
    })
  )

  it.live("waits until the robots.txt it begins with can be read, and fetches nothing before", () =>
    Effect.gen(function* () {
      const { origin, paths } = yield* aSite({
        "/robots.txt": new Response(null, { status: 500 }),
        "/": page("x")
      })
      const files = yield* temporaryFolder
      const ended = yield* Dispatcher.use(({ ask }) =>
        ask({
          name: "crawl.discover",
          input: { start: [`${origin}/`] },
          retry: { attempts: 2, backoff: { fixedMs: 1 } }
        })
      ).pipe(Effect.provide(memorySystem([crawlDiscover, crawlFetch], { files, networks: ["127.0.0.0/8"] })))
      expect(ended).toMatchObject({ state: "failed", error: { type: "RobotsUnavailable" } })
      expect(paths()).toEqual([])
    })
  )

  it.live("asks one host for one page at a time, with the pause it wishes, and several hosts at once", () =>
    Effect.gen(function* () {
      const slow = (path: string) => async () => {
        await Bun.sleep(15)
        return new Response(page(path), { headers: { "content-type": "text/html" } })
      }
      const site = (name: string) =>
        aSite((path) =>
          path === "/robots.txt"
            ? new Response("User-agent: *\nCrawl-delay: 0.05")
            : path === "/"
              ? page(name, ["/p1", "/p2", "/p3"])
              : path.startsWith("/p")
                ? slow(path)
                : undefined
        )
      const [one, other] = yield* Effect.all([site("one"), site("other")])
      yield* crawled({ start: [`${one.origin}/`, `${other.origin}/`] })
      const gaps = [one, other].flatMap(({ asked }) => {
        const pages = asked.filter(({ path }) => /^\/(p\d)?$/.test(path))
        expect(pages.length).toBe(4)
        return pages.slice(1).map(({ at }, before) => at - pages[before]!.until)
      })
      expect(Math.min(...gaps)).toBeGreaterThan(48)
      const spans = [one, other].map(({ asked }) => [asked[2]!.at, asked.at(-1)!.until] as const)
      expect(Math.max(spans[0]![0], spans[1]![0])).toBeLessThan(Math.min(spans[0]![1], spans[1]![1]))
    })
  )
})
