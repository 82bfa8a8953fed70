import { describe, expect } from "bun:test"
import { Effect, Layer } from "effect"
import { directives, readPage } from "../../../handlers/crawl/page.ts"
import { Robots, rulesOf, tokenOf } from "../../../handlers/crawl/robots.ts"
import { fetchSitemap, readSitemap } from "../../../handlers/crawl/sitemap.ts"
import { it } from "../../support/effect.ts"
import { filesIn, temporaryFolder } from "../../support/folder.ts"
import { localServer, onLoopback } from "../../support/network.ts"

const read = (html: string, url = "http://a.test/dir/page") => readPage(html, url, "Troupe")

describe("a page", () => {
  it.live("tells its title and its links, as a browser would follow them", () =>
    Effect.gen(function* () {
      const page = yield* read(`<!doctype html><title> The
        page </title><base href="/base/"><a href="one">1</a><a href=" /two#x ">2</a><area href="//b.test/three">
        <a href="one#again">1</a><a href="mailto:a@b">m</a><a href="javascript:x()">j</a><a>no</a>
        <a rel="nofollow sponsored" href="/no">n</a><a href="?q=1&amp;r=2">q</a><link rel="next" href="/next">`)
      expect(page.title).toBe("The page")
      expect(page.links).toEqual([
        "http://a.test/base/one",
        "http://a.test/two",
        "http://b.test/three",
        "http://a.test/base/?q=1&r=2",
        "http://a.test/next"
      ])
    })
  )

  it.live("tells how many of its links were not looked at", () =>
    Effect.gen(function* () {
      const linking = (count: number) =>
        Array.from({ length: count }, (_, at) => `<a href="/${at}">${at}</a>`).join("")
      expect(yield* read(linking(10_000))).toMatchObject({ linksUnread: 0 })
      const { links, linksUnread } = yield* read(`${linking(10_007)}<a rel="nofollow" href="/no">n</a>`)
      expect([links.length, linksUnread]).toEqual([10_000, 7])
    })
  )

  it.live("is read though it is no proper HTML, is empty, or has no end", () =>
    Effect.gen(function* () {
      expect((yield* read("<a href=/x><b><p></a></i><a href='/y'>")).links).toEqual([
        "http://a.test/x",
        "http://a.test/y"
      ])
      expect((yield* read("")).links).toEqual([])
      expect((yield* read("<a href")).links).toEqual([])
    })
  )

  it.live(
    "takes no longer than its length, however it was made to take long",
    () =>
      Effect.gen(function* () {
        for (const part of [
          "<div>",
          "<p>text <a href=/x>link</a> ",
          "<b><i></b>",
          "<table><tr>",
          "&amp;",
          "<!--"
        ]) {
          const html = part.repeat(Math.ceil(2_000_000 / part.length))
          const before = performance.now()
          yield* read(html)
          expect(performance.now() - before, part).toBeLessThan(3_000)
        }
      }),
    30_000
  )

  it.live("has the same hash where its text is the same, whatever is around it", () =>
    Effect.gen(function* () {
      const one = yield* read("<body class=a><p>Some  text</p><script>session=1</script>")
      const other = yield* read("<body class=b><div>Some text</div><script>session=2</script>")
      const third = yield* read("<p>Some other text")
      expect(one.hash).toBe(other.hash)
      expect(one.hash).not.toBe(third.hash)
    })
  )

  it.live("says who it really is, and who may keep or follow it", () =>
    Effect.gen(function* () {
      const page = yield* read(
        `<link rel="canonical" href="/real"><meta name="robots" content="noindex"><meta name="other" content="nofollow">`
      )
      expect(page).toMatchObject({ canonical: "http://a.test/real", noindex: true, nofollow: false })
      expect((yield* read(`<link rel="canonical" href="/dir/page">`)).canonical).toBeUndefined()
      expect(yield* read(`<meta name="TROUPE" content="none">`)).toMatchObject({
        noindex: true,
        nofollow: true
      })
      expect(directives("googlebot: noindex, nofollow", "troupe")).toEqual({ noindex: false, nofollow: true })
      expect(directives("troupe: noindex", "Troupe")).toEqual({ noindex: true, nofollow: false })
    })
  )
})

describe("a sitemap", () => {
  const xml = (entries: string, root = "urlset") =>
    `<?xml version="1.0"?><${root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">${entries}</${root}>`

  it.live("is looked through so far only, whatever it is full of", () =>
    Effect.sync(() => {
      const junk = 150_000
      const page = "http://a.test/page"
      expect(readSitemap("\n".repeat(junk) + page).addresses).toEqual([page])
      expect(readSitemap("no address\n".repeat(junk) + page).addresses).toEqual([])
      expect(readSitemap(xml("<loc>no address</loc>".repeat(junk) + `<loc>${page}</loc>`)).addresses).toEqual(
        []
      )
    })
  )

  it.live("names pages, or further sitemaps, or is a text with a line for each", () =>
    Effect.sync(() => {
      expect(
        readSitemap(
          xml(
            "<url><loc> http://a.test/?a=1&amp;b=2 </loc></url><url><loc><![CDATA[http://a.test/c]]></loc></url>"
          )
        )
      ).toEqual({
        kind: "pages",
        addresses: ["http://a.test/?a=1&b=2", "http://a.test/c"]
      })
      expect(readSitemap(xml("<sitemap><loc>http://a.test/s.xml</loc></sitemap>", "sitemapindex")).kind).toBe(
        "index"
      )
      expect(readSitemap("http://a.test/1\r\nhttp://a.test/2\nftp://a.test/3\n").addresses).toHaveLength(2)
      expect(readSitemap("<html><a href='http://a.test/'>not found</a>").addresses).toEqual([])
    })
  )

  it.live("may be packed, and a small one that unpacks to a huge one is not read", () =>
    Effect.gen(function* () {
      const packed = Bun.gzipSync(new TextEncoder().encode(xml("<url><loc>http://a.test/packed</loc></url>")))
      const bomb = Bun.gzipSync(
        new TextEncoder().encode(
          xml("<url><loc>http://a.test/bomb</loc></url>") + " ".repeat(60 * 1024 * 1024)
        )
      )
      const { port } = yield* localServer(
        (request) => new Response(request.url.endsWith("bomb") ? bomb : packed)
      )
      const fetched = (path: string) =>
        fetchSitemap(`http://a.test:${port}/${path}`, "Troupe").pipe(onLoopback())
      expect((yield* fetched("sitemap.xml.gz")).addresses).toEqual(["http://a.test/packed"])
      expect(bomb.byteLength).toBeLessThan(100_000)
      expect((yield* fetched("bomb")).addresses).toEqual([])
    })
  )
})

describe("robots.txt", () => {
  const text = `
    User-agent: *
    Disallow: /private
    Crawl-delay: 2
    User-agent: Troupe
    Disallow: /*.cgi$
    Allow: /private/open
    Disallow: /private
    Sitemap: http://a.test/map.xml`

  it.live("is read for whom it names, the longest rule first", () =>
    Effect.gen(function* () {
      const own = yield* rulesOf("http://a.test", { text }, "Troupe/1.0 (+http://x.test)")
      expect(
        ["/", "/private/open/x", "/a.cgi?x"].map((path) => own.isAllowed(`http://a.test${path}`))
      ).toEqual([true, true, true])
      expect(
        ["/private", "/private/x", "/a.cgi"].map((path) => own.isAllowed(`http://a.test${path}`))
      ).toEqual([false, false, false])
      expect(own.sitemaps).toEqual(["http://a.test/map.xml"])
      const other = yield* rulesOf("http://a.test", { text }, "Other")
      expect(other.delayMs).toBe(2_000)
      expect(other.isAllowed("http://a.test/private/open")).toBe(false)
      expect(tokenOf("My-Bot/2 (x)")).toBe("My-Bot")
    })
  )

  const readOf = (answer: () => Response) =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { port, seen } = yield* localServer(answer)
      const origin = `http://a.test:${port}`
      const ask = Effect.flatMap(Robots, ({ of }) => of(origin, "Troupe"))
      const [said, again] = yield* Effect.all([ask, ask]).pipe(
        Effect.provide(Robots.layer.pipe(Layer.provide(filesIn(folder)))),
        onLoopback()
      )
      expect(again).toEqual(said)
      const rules = yield* rulesOf(origin, said, "Troupe")
      return { allows: (path: string) => rules.isAllowed(origin + path), asked: seen.length }
    })

  const asked = (answer: () => Response) =>
    Effect.map(readOf(answer), ({ allows, asked }) => ({ allowed: allows("/page"), asked }))

  it.live("that is not there allows everything, and is asked for once", () =>
    Effect.gen(function* () {
      expect(yield* asked(() => new Response(null, { status: 404 }))).toEqual({ allowed: true, asked: 1 })
      expect(yield* asked(() => new Response(null, { status: 403 }))).toEqual({ allowed: true, asked: 1 })
    })
  )

  it.live("that cannot be read allows nothing", () =>
    Effect.gen(function* () {
      for (const status of [500, 503, 429]) {
        expect(yield* asked(() => new Response(null, { status }))).toMatchObject({ allowed: false })
      }
    })
  )

  it.live("that is long is obeyed up to 512 KiB, and to the end of a line", () =>
    Effect.gen(function* () {
      const begin = "User-agent: *\n"
      const filling = (length: number) =>
        "# a line of a comment that says nothing at all".padEnd(length - 1) + "\n"
      const long = (length: number) =>
        begin + filling(1_024).repeat(length / 1_024 - 1) + filling(1_024 - begin.length)
      const far = yield* readOf(() => new Response(`${long(500 * 1_024)}Disallow: /private\n`))
      expect([far.allows("/private"), far.allows("/page")]).toEqual([false, true])

      // The limit is after the first letters of what must not be read as `Disallow: /`.
      const cut = `${long(511 * 1_024)}Disallow: /one\n`
      const left = 512 * 1_024 - cut.length - "Disallow: /".length
      const over = yield* readOf(
        () => new Response(`${cut}${filling(left)}Disallow: /two\nDisallow: /three\n`)
      )
      expect(["/one", "/two", "/page"].map(over.allows)).toEqual([false, true, true])
    })
  )

  it.live("whose last line has no end is read to its end", () =>
    Effect.gen(function* () {
      const { allows } = yield* readOf(() => new Response("User-agent: *\nDisallow: /last"))
      expect([allows("/last"), allows("/page")]).toEqual([false, true])
    })
  )

  it.live("that names very many crawlers takes no longer than its length", () =>
    Effect.gen(function* () {
      const names = Array.from({ length: 3_000 }, (_, at) => `User-agent: a${at}\n`).join("")
      const text = `${names}User-agent: troupe/2\n${"Disallow: /x\n".repeat(3_000)}User-agent: *\nDisallow: /\n`
      const before = performance.now()
      const { isAllowed } = yield* rulesOf("http://a.test", { text }, "Troupe/1.0")
      expect(performance.now() - before).toBeLessThan(1_000)
      expect(["/", "/x"].map((path) => isAllowed(`http://a.test${path}`))).toEqual([true, false])
    })
  )

  it.live("that is full of stars counts up to 32 Ki characters of these, so that no page takes long", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 40_000 }, () => `Disallow: /${"*a".repeat(16)}*z`)
      const rules = ["Disallow: /*a*b", ...many, "Disallow: /*c", "Disallow: /x"]
      const text = ["User-agent: *", ...rules].join("\n")
      const { isAllowed } = yield* rulesOf("http://a.test", { text }, "Troupe/1.0")
      const long = `http://a.test/${"a".repeat(2_000)}`
      const began = performance.now()

      expect(isAllowed(long)).toBe(true)

      expect(performance.now() - began).toBeLessThan(2_000)
      expect(["b", "c"].map((end) => isAllowed(long + end))).toEqual([false, true])
      expect(isAllowed("http://a.test/x")).toBe(false)
    })
  )

  it.live("that is huge, or redirects for ever, does no harm", () =>
    Effect.gen(function* () {
      const huge = () =>
        new Response(new ReadableStream({ pull: (it) => it.enqueue(new Uint8Array(65_536).fill(10)) }))
      expect(yield* asked(huge)).toEqual({ allowed: true, asked: 1 })
      expect(yield* asked(() => Response.redirect("/robots.txt", 302))).toMatchObject({ allowed: true })
    })
  )
})
