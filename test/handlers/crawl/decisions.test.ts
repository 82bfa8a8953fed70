import { describe, expect, test } from "bun:test"
import { isTrap, keyOf, normalise, shapeOf } from "../../../handlers/crawl/address.ts"
import {
  apply,
  begin,
  digest,
  emptyFrontier,
  type Fetched,
  joined,
  nextWave,
  type Outcome,
  parted,
  waveMax
} from "../../../handlers/crawl/frontier.ts"
import { within } from "../../../handlers/crawl/scope.ts"

describe("addresses are one page", () => {
  for (const [one, other] of [
    ["HTTP://Example.com:80/a", "http://example.com/a"],
    ["http://example.com", "http://example.com/"],
    ["http://example.com/a#top", "http://example.com/a"],
    ["http://example.com/a?", "http://example.com/a"],
    ["http://example.com/%7euser/%c3%bc", "http://example.com/~user/ü"],
    ["http://example.com/a/../b/./c", "http://example.com/b/c"],
    ["http://example.com/a?x=1&y=2", "http://example.com/a?y=2&x=1"],
    ["http://example.com/a?utm_source=x&id=1&gclid=7", "http://example.com/a?id=1"],
    ["http://example.com/a;jsessionid=77", "http://example.com/a"],
    ["http://example.com/a", "https://example.com/a"]
  ] as const) {
    test(`${one} and ${other}`, () => expect(keyOf(normalise(one)!)).toBe(keyOf(normalise(other)!)))
  }

  test("and these are two", () => {
    const keys = ["/a", "/A", "/a/", "/a?x=1", "/a?x=2", "/b"].map((path) =>
      keyOf(normalise(path, "http://a.test/")!)
    )
    expect(new Set(keys).size).toBe(keys.length)
  })

  test("and these are none", () => {
    for (const wrong of [
      "mailto:a@b",
      "javascript:x()",
      "http://u:p@a.test/",
      "ftp://a.test/",
      "data:text/html,x",
      "http://",
      `http://a.test/${"x".repeat(2_100)}`
    ]) {
      expect(normalise(wrong), wrong).toBeUndefined()
    }
  })
})

describe("a trap", () => {
  test("is a path that goes in a circle, is very deep, or has very many parameters", () => {
    expect(isTrap("http://a.test/a/b/a/b/a/b/a/b")).toBe(true)
    expect(isTrap(`http://a.test/${Array.from({ length: 21 }, (_, at) => at).join("/")}`)).toBe(true)
    expect(isTrap(`http://a.test/?${Array.from({ length: 13 }, (_, at) => `p${at}=1`).join("&")}`)).toBe(true)
    expect(isTrap("http://a.test/docs/docs/guide/a?x=1")).toBe(false)
  })

  test("has pages of one shape: what differs is numbers and values", () => {
    expect(shapeOf("http://a.test/cal/2026/11?view=day")).toBe(shapeOf("http://a.test/cal/1999/1?view=week"))
    expect(shapeOf("http://a.test/cal/2026")).not.toBe(shapeOf("http://a.test/blog/2026"))
  })
})

describe("a scope", () => {
  const start = ["http://a.test:81/docs/"]

  test("is the hosts it begins with, ports included", () => {
    const belongs = within({}, start)
    expect(belongs("http://a.test:81/x")).toBe(true)
    expect(belongs("http://a.test:82/x")).toBe(false)
    expect(belongs("http://b.test:81/x")).toBe(false)
  })

  test("may be hosts by their names, a path, and patterns", () => {
    expect(within({ hosts: ["*.b.test"] }, start)("http://www.b.test:99/")).toBe(true)
    expect(within({ hosts: ["*.b.test"] }, start)("http://a.test:81/")).toBe(false)
    const belongs = within(
      { pathPrefix: "/docs/", include: ["/docs/*.html", "/docs/"], exclude: ["*draft*", "*?print=*"] },
      start
    )
    expect(belongs("http://a.test:81/docs/a/b.html")).toBe(true)
    expect(belongs("http://a.test:81/docs/")).toBe(true)
    expect(belongs("http://a.test:81/docs/a.pdf")).toBe(false)
    expect(belongs("http://a.test:81/docs/draft-1.html")).toBe(false)
    expect(belongs("http://a.test:81/docs/a.html?print=1")).toBe(false)
    expect(belongs("http://a.test:81/blog/a.html")).toBe(false)
  })

  test("looks no longer at a pattern that was made to take long", () => {
    const before = process.cpuUsage()
    expect(within({ include: ["*a*a*a*a*a*a*ab"] }, start)(`http://a.test:81/${"a".repeat(2_000)}`)).toBe(
      false
    )
    // Time of the processor, as the machine may be busy.
    expect(process.cpuUsage(before).user).toBeLessThan(500_000)
  })
})

describe("a frontier", () => {
  const url = (path: string) => `http://a.test${path}`
  const page = (path: string, over: Partial<Fetched> = {}): Outcome => ({
    page: { url: url(path), status: 200, bytes: 1, hash: `hash of ${path}`, links: [], file: "f", ...over }
  })
  const aFrontier = (over: Partial<Parameters<typeof emptyFrontier>[0]> = {}) =>
    emptyFrontier({ pagesMax: 10, depthMax: 2, similarMax: 3, belongs: within({}, [url("/")]), ...over })

  /** Crawls a site given as what each path links to, and tells which paths were asked for. */
  const crawl = (
    links: (path: string) => ReadonlyArray<string>,
    over: Parameters<typeof aFrontier>[0] = {}
  ) => {
    const frontier = aFrontier(over)
    begin(frontier, [url("/")])
    const asked: Array<string> = []
    for (let wave = nextWave(frontier); wave.length > 0; wave = nextWave(frontier)) {
      const paths = wave.map((target) => target.url.slice("http://a.test".length))
      asked.push(...paths)
      const learned = digest(
        frontier,
        wave,
        paths.map((path) => page(path, { links: links(path).map(url) }))
      )
      // As a later run of the task is given it.
      apply(frontier, JSON.parse(JSON.stringify(learned)) as typeof learned)
    }
    return { asked, frontier }
  }

  test("asks for each page once, as deep as it may", () => {
    const { asked } = crawl((path) => [`${path}a/`, "/", "/b/", `${path}#x`])
    expect(asked).toEqual(["/", "/a/", "/b/", "/a/a/", "/b/a/"])
  })

  test("ends, whatever an endless calendar links to", () => {
    const { asked, frontier } = crawl(
      (path) => [
        `/cal?month=${Number(path.split("=")[1] ?? 0) + 1}`,
        `/cal?month=${Number(path.split("=")[1] ?? 0) - 1}`
      ],
      { depthMax: 50, pagesMax: 1_000 }
    )
    expect(asked.length).toBe(4)
    expect(frontier.leftOut["similar"]).toBeGreaterThan(0)
  })

  test("asks for no more pages than it may, and says so", () => {
    const { asked, frontier } = crawl(
      () => Array.from({ length: 300 }, (_, at) => `/${String.fromCodePoint(0x4e00 + at)}`),
      {
        pagesMax: 250
      }
    )
    expect(asked.length).toBe(250)
    expect(frontier.leftOut).toEqual({ pages: expect.any(Number) as number })
    expect(waveMax).toBeLessThan(250)
  })

  test("says how many links its pages have beyond those that it was told", () => {
    const frontier = aFrontier()
    begin(frontier, [url("/one"), url("/two"), url("/three")])
    const { leftOut } = digest(frontier, nextWave(frontier), [
      page("/one", { hash: "same", linksLeftOut: 60 }),
      page("/two", { linksLeftOut: 7 }),
      // Its links are not followed.
      page("/three", { hash: "same", linksLeftOut: 60 })
    ])
    expect(leftOut).toEqual({ links: 67 })
  })

  test("follows no links of a page whose text it knows", () => {
    const frontier = aFrontier()
    begin(frontier, [url("/one"), url("/two")])
    const wave = nextWave(frontier)
    const learned = digest(frontier, wave, [
      page("/one", { hash: "same", links: [url("/from-one")] }),
      page("/two", { hash: "same", links: [url("/from-two")] })
    ])
    expect(learned.found).toEqual([{ url: url("/from-one"), depth: 1 }])
    expect(learned.visits[1]).toMatchObject({ duplicateOf: url("/one") })
  })

  test("takes a page for the one that it says it is, and asks for that", () => {
    const frontier = aFrontier()
    begin(frontier, [url("/a?color=red")])
    const learned = digest(frontier, nextWave(frontier), [
      page("/a?color=red", { canonical: url("/a"), links: [url("/b")] })
    ])
    expect(learned.visits[0]).toMatchObject({ duplicateOf: url("/a") })
    expect(learned.found).toEqual([{ url: url("/a"), depth: 0 }])
  })

  test("asks for where a redirect to another host leads, if that belongs to it", () => {
    const frontier = aFrontier({ belongs: within({ hosts: ["a.test", "b.test"] }, []) })
    begin(frontier, [url("/old"), url("/away")])
    const learned = digest(frontier, nextWave(frontier), [
      page("/old", { redirect: "http://b.test/new", skipped: "redirect" }),
      page("/away", { redirect: "http://evil.test/", skipped: "redirect" })
    ])
    expect(learned.found).toEqual([{ url: "http://b.test/new", depth: 0 }])
  })

  test("asks a host no more of which nothing comes", () => {
    const frontier = aFrontier({ pagesMax: 300, similarMax: 300 })
    begin(
      frontier,
      Array.from({ length: 150 }, (_, at) => url(`/${at}`))
    )
    const wave = nextWave(frontier)
    apply(
      frontier,
      digest(
        frontier,
        wave,
        wave.map(() => ({ error: "FetchFailed" }))
      )
    )
    expect(nextWave(frontier)).toEqual([])
    expect(frontier.leftOut).toEqual({ host: 50 })
  })

  test("remembers of a wave no more in a step than one may hold, and nothing is lost by that", () => {
    const frontier = aFrontier({ pagesMax: 5_000, similarMax: 5_000 })
    const long = "x".repeat(1_900)
    begin(
      frontier,
      Array.from({ length: 100 }, (_, at) => url(`/${at}/${long}`))
    )
    const wave = nextWave(frontier)

    const learned = digest(
      frontier,
      wave,
      wave.map((_, at) =>
        page(`/${at}/${long}`, {
          title: "t".repeat(300),
          ...(at % 2 === 0 ? { canonical: url(`/${long}/one`) } : {}),
          links: Array.from({ length: 20 }, (_, link) => url(`/${long}/${at}/${link}`))
        })
      )
    )
    const parts = parted(learned)

    expect(JSON.stringify(learned).length).toBeGreaterThan(262_144)
    for (const part of parts) expect(JSON.stringify(part).length).toBeLessThan(200_000)
    expect(joined(parts)).toEqual(learned)
    expect(learned.leftOut["found"]).toBeGreaterThan(500)
  })

  test("remembers of a wave of which nothing came that there was one", () => {
    const nothing = { visits: [], found: [], leftOut: { robots: 3 } }
    expect(joined(parted(nothing))).toEqual(nothing)
  })
})
