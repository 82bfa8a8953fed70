/** The dashboard as it is served: whole, from this server alone, wherever the app is mounted, and without a word of data. */
import { describe, expect, test } from "bun:test"
import { readdir } from "node:fs/promises"
import { Context, Effect, Layer, Redacted } from "effect"
import { Hono } from "hono"
import { anyone } from "../../../actors/access/caller.ts"
import { KeyOperator } from "../../../actors/access/keys.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
// @ts-expect-error A page's script has no types.
import { addresses as table } from "../../../api/http/dashboard/page/addresses.js"
import { httpOver } from "../../../api/http/index.ts"
import { routeTable } from "../../../api/http/route-table.ts"
import * as Server from "../../../api/http/server.ts"
import { mayUse, Role, scopes } from "../../../runtime/roles.ts"
import { anApi, jsonBody, memoryApi, promise } from "../../support/api.ts"
import { it } from "../../support/effect.ts"

const folder = `${import.meta.dir}/../../../api/http/dashboard/page`
const addresses = table as Readonly<
  Record<
    string,
    { readonly method: string; readonly path: string; readonly needs: string; readonly reach: string }
  >
>

const filesOfPage = (await readdir(folder)).filter((name) => name !== "index.html")
const textOf = (name: string) => Bun.file(`${folder}/${name}`).text()
const scripts = filesOfPage.filter((name) => name.endsWith(".js"))

type Fetch = (address: string) => Promise<Response>

/** What a text loads: a page by `src` and `href`, a script by its imports. */
const namedIn = (text: string, type: string) =>
  type.startsWith("text/html")
    ? [...text.matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, name]) => name!)
    : type.startsWith("text/javascript")
      ? [...text.matchAll(/from "([^"]+)"/g)].map(([, name]) => name!)
      : []

/** Loads a page as a browser does, with all that it names; gives what was answered at which address. */
const browse = async (at: string, fetch: Fetch) => {
  const loaded = new Map<string, Response>()
  const load = async (address: string): Promise<void> => {
    if (loaded.has(address)) return
    const response = await fetch(address)
    loaded.set(address, response)
    const text = await response.clone().text()
    const names = namedIn(text, response.headers.get("content-type") ?? "")
    await Promise.all(names.map((name) => load(new URL(name, address).href)))
  }
  await load(at)
  return loaded
}

const nameIn = (address: string) => address.slice(address.lastIndexOf("/") + 1)

/** All of the page's own files, below one address. */
const wholeBelow = (at: string) => filesOfPage.map((name) => `${at}/dashboard/${name}`).toSorted()

const found = (loaded: ReadonlyMap<string, Response>, page: string) =>
  [...loaded.keys()].filter((address) => address !== page).toSorted()

describe("the dashboard", () => {
  promise("is served whole, each file as what it is, and asks again before it uses what it has", () =>
    Effect.gen(function* () {
      const { request } = yield* anApi()
      const fetch: Fetch = (address) => Effect.runPromise(request(new URL(address).pathname))

      const loaded = yield* Effect.promise(() => browse("http://a/dashboard", fetch))

      expect(found(loaded, "http://a/dashboard")).toEqual(wholeBelow("http://a"))
      for (const [address, { headers, status }] of loaded) {
        const type = headers.get("content-type")!
        const [, ending = "html"] = /\.(\w+)$/.exec(nameIn(address)) ?? []
        expect({ address, status }).toEqual({ address, status: 200 })
        expect(type).toStartWith(
          { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" }[ending]!
        )
        expect(headers.get("x-content-type-options")).toBe("nosniff")
        expect(headers.get("cache-control")).toBe("private, no-cache")
        const etag = headers.get("etag")!
        const again = yield* request(new URL(address).pathname, { headers: { "if-none-match": etag } })
        expect({ address, status: again.status }).toEqual({ address, status: 304 })
        // A browser lays the headers of a 304 over those that it has kept.
        expect(again.headers.get("content-security-policy")).toBe(headers.get("content-security-policy"))
      }
    })
  )

  promise("may run its own files, ask its own server, and nothing else", () =>
    Effect.gen(function* () {
      const { request } = yield* anApi()
      const policy = (yield* request("/dashboard")).headers.get("content-security-policy")!

      const directives = Object.fromEntries(
        policy.split("; ").map((one) => [one.slice(0, one.indexOf(" ")), one.slice(one.indexOf(" ") + 1)])
      )
      expect(directives).toEqual({
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'"
      })
    })
  )

  promise("is there with a slash too many, and says of a file that it has not that there is none", () =>
    Effect.gen(function* () {
      const { ask, request } = yield* anApi()
      const fetch: Fetch = (address) => Effect.runPromise(request(new URL(address).pathname))

      const loaded = yield* Effect.promise(() => browse("http://a/dashboard/", fetch))

      expect(found(loaded, "http://a/dashboard/")).toEqual(wholeBelow("http://a"))
      for (const name of ["absent.js", "index.html", "..%2Fpage.ts", "constructor", "__proto__"])
        expect(yield* ask(`/dashboard/${name}`)).toMatchObject({
          status: 404,
          body: { type: "file-not-found" }
        })
    })
  )

  for (const [path, at] of [
    ["/troupe", "/troupe"],
    ["/of/:customer/tasks", "/of/ada/tasks"]
  ] as const) {
    test(`works below ${path}, since all its addresses are relative`, async () => {
      await using troupe = await httpOver(memoryApi, { open: true })
      const app = new Hono().route(path, troupe.app)
      const page = `http://a${at}/dashboard`

      const loaded = await browse(page, async (address) => app.request(address))

      expect(found(loaded, page)).toEqual(wholeBelow(`http://a${at}`))
      expect([...loaded.values()].map(({ status }) => status)).toEqual([...loaded].map(() => 200))
    })
  }

  promise("works behind a proxy that takes a part of the address away", () =>
    Effect.gen(function* () {
      const { request } = yield* anApi()
      const page = "https://ops.example.com/tools/troupe/dashboard"
      const proxied: Fetch = (address) =>
        Effect.runPromise(request(new URL(address).pathname.replace("/tools/troupe", "")))

      const loaded = yield* Effect.promise(() => browse(page, proxied))

      expect(found(loaded, page)).toEqual(wholeBelow("https://ops.example.com/tools/troupe"))
      expect([...loaded.values()].map(({ status }) => status)).toEqual([...loaded].map(() => 200))
    })
  )

  it.live("shows who has no key the page, which says nothing, and refuses all that the page asks for", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(Layer.provideMerge(Server.layerWith({}), Shutdown.layer))
      const { url } = Context.get(context, Server.HttpServer)
      yield* KeyOperator.use((keys) => keys.create(anyone, { role: "admin", label: "a secret label" }))
      const answers = yield* Effect.promise(async () => {
        const loaded = await browse(`${url}/dashboard`, (address) => fetch(address))
        const texts = await Promise.all([...loaded.values()].map((response) => response.text()))
        const asked = await Promise.all(
          Object.values(addresses).map(async ({ method, path }) => {
            const init = method === "GET" ? {} : { ...jsonBody({}), method }
            return (await fetch(`${url}${path.replace(/:\w+/g, "x")}`, init)).status
          })
        )
        return { loaded, texts, asked }
      })

      expect([...answers.loaded.values()].map(({ status }) => status)).toEqual(
        [...answers.loaded].map(() => 200)
      )
      expect(answers.loaded.size).toBe(filesOfPage.length + 1)
      expect(answers.texts.join()).not.toContain("a secret label")
      expect(answers.asked).toEqual(Object.keys(addresses).map(() => 401))
    }).pipe(Effect.provide(memoryApi))
  )
})

describe("what the dashboard asks", () => {
  test("is in the API's own table, with what it takes, and stands in one file alone", async () => {
    const known = Object.fromEntries(
      routeTable.map(({ method, name, needs, path, reach }) => [name, { method, path, needs, reach }])
    )

    for (const [name, address] of Object.entries(addresses))
      expect({ name, ...address }).toEqual({ name, ...known[name] } as never)
    for (const name of scripts.filter((one) => one !== "addresses.js"))
      expect({ name, hasAddress: /["'`/]v1\b/.test(await textOf(name)) }).toEqual({ name, hasAddress: false })
  })

  test("is asked by a name of that table, and each of them is asked", async () => {
    const texts = (await Promise.all(scripts.filter((name) => name !== "addresses.js").map(textOf))).join(
      "\n"
    )

    const asked = [...texts.matchAll(/\b(?:ask|follow|can|open)\("(\w+)"/g)].map(([, name]) => name!)
    expect(asked.filter((name) => addresses[name] === undefined)).toEqual([])
    expect(Object.keys(addresses).filter((name) => !texts.includes(`"${name}"`))).toEqual([])
  })

  promise(
    "is let through behind a proxy that ends TLS, where the browser's origin is not the server's own",
    () =>
      Effect.gen(function* () {
        const { ask } = yield* anApi()
        const init = {
          ...jsonBody({}),
          headers: { "content-type": "application/json", origin: "https://ops.example.com" }
        }

        expect((yield* ask("/v1/queues/default/pause", init)).status).toBe(200)
      })
  )
})

describe("the scripts of the dashboard", () => {
  test("make no HTML of texts, and keep nothing beyond the tab", async () => {
    const forbidden =
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\b|new Function|localStorage|document\.cookie|indexedDB|console\.log/
    for (const name of scripts) {
      expect({ name, found: forbidden.exec(await textOf(name))?.[0] }).toEqual({ name, found: undefined })
    }
  })

  test("take nothing from elsewhere", async () => {
    for (const name of [...filesOfPage, "index.html"]) {
      const text = (await textOf(name)).replaceAll("http://www.w3.org/2000/svg", "")
      expect({ name, found: /(?:https?:)?\/\/[\w-]+\.[\w.]+/.exec(text)?.[0] }).toEqual({
        name,
        found: undefined
      })
      expect(text).not.toMatch(/@import|url\(/)
    }
  })
})

describe("a caller who asks who it is", () => {
  promise("is told that nobody is asked for a key, where there is none", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()

      expect((yield* ask("/v1/caller")).body).toEqual({ tenant: "default", role: "admin", may: [...scopes] })
    })
  )

  promise("is told its key, its tenant and what its role may do", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      for (const role of Role.literals) {
        const made = yield* KeyOperator.use((keys) => keys.create(anyone, { role, tenant: "acme" }))

        const answer = yield* ask("/v1/caller", {
          headers: { authorization: `Bearer ${Redacted.value(made.key)}` }
        })

        expect(answer.body).toEqual({
          tenant: "acme",
          role,
          key: made.id,
          may: scopes.filter((scope) => mayUse(role, scope))
        })
        expect(answer.headers.get("cache-control")).toBe("no-store")
      }
    })
  )
})
