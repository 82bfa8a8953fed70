/** The scripts of the dashboard against a real API, without a browser: streams that break, an API that goes away, a key that ends. */
import { afterAll, beforeAll, describe, expect } from "bun:test"
import { Context, Duration, Effect, Layer, Redacted, Schedule } from "effect"
import { parseHTML } from "linkedom"
import { anyone } from "../../../actors/access/caller.ts"
import { KeyOperator } from "../../../actors/access/keys.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import * as Server from "../../../api/http/server.ts"
import { Settings } from "../../../runtime/config.ts"
import { anApi, promise } from "../../support/api.ts"
import { aWorker } from "../../support/worker.ts"

/** One of the page's scripts, which have no types. */
const script = (name: string) => import(`../../../api/http/dashboard/page/${name}.js`)

/** Where the scripts think that the API is: above their own folder. */
const root = new URL("../../../api/http/dashboard/", import.meta.url).href

const html = await Bun.file(`${import.meta.dir}/../../../api/http/dashboard/page/index.html`).text()
const { document, Event: PageEvent } = parseHTML(html)
const kept = new Map<string, string>()

/** Who answers what the scripts ask; each test says it. */
let answer: (path: string, init: RequestInit) => Promise<Response>
/** What was asked, in order. */
let asked: Array<string> = []

const realFetch = globalThis.fetch

/** What the page does when its address changes, and what it does every second. */
let onHash = () => {}
let ticking: ReturnType<typeof setInterval> | undefined

/** What a form of the document says; a real one reads no other forms than its browser's. */
class PageForm {
  readonly #fields: ReadonlyArray<readonly [string, string]>
  constructor(form: Element) {
    this.#fields = [...form.querySelectorAll("input")].map((field) => [
      field.getAttribute("name") ?? "",
      field.value
    ])
  }
  [Symbol.iterator]() {
    return this.#fields[Symbol.iterator]()
  }
}

const inBrowser = {
  document,
  location: { hash: "" },
  FormData: PageForm,
  scrollTo: () => {},
  addEventListener: (_: "hashchange", listener: () => void) => {
    onHash = listener
  },
  sessionStorage: {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, text: string) => void kept.set(name, text),
    removeItem: (name: string) => void kept.delete(name)
  },
  fetch: (address: string, init: RequestInit = {}) => {
    if (!String(address).startsWith(root)) return realFetch(address, init)
    const path = `/${address.slice(root.length)}`
    asked.push(`${init.method} ${path}`)
    return answer(path, init)
  }
}
const outside = Object.keys(inBrowser).map(
  (name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const
)

const look = (state: "visible" | "hidden") => {
  Object.defineProperty(document, "visibilityState", { configurable: true, value: state })
  document.dispatchEvent(new PageEvent("visibilitychange"))
}

beforeAll(() => {
  for (const [name, value] of Object.entries(inBrowser))
    Object.defineProperty(globalThis, name, { configurable: true, writable: true, value })
})

afterAll(async () => {
  ;(await script("notices")).hush()
  clearInterval(ticking)
  for (const [name, before] of outside) {
    if (before === undefined) Reflect.deleteProperty(globalThis, name)
    else Object.defineProperty(globalThis, name, before)
  }
})

/** Waits for what a test expects to see. */
const until = (isThere: () => boolean, what: string) =>
  Effect.promise(async () => {
    for (let waited = 0; !isThere(); waited += 5) {
      if (waited > 10_000) throw new Error(`not seen: ${what}`)
      await Bun.sleep(5)
    }
  })

/** An API on a port that the scripts ask, and what can be done to it. */
const anApiBehind = Effect.gen(function* () {
  const settings = { ...(yield* Settings), grace: Duration.zero }
  const context = yield* Layer.build(
    Layer.provideMerge(Server.layerWith({}), Shutdown.layer).pipe(
      Layer.provide(Layer.succeed(Settings, settings))
    )
  )
  const { url } = Context.get(context, Server.HttpServer)
  const through = (path: string, init: RequestInit) => realFetch(`${url}${path}`, init)
  asked = []
  answer = through
  look("visible")
  return { ...(yield* anApi()), through }
})

interface Page {
  readonly data: unknown
  readonly error: Error | undefined
}

/** Opens a view as the page does. */
const open = (hash: string, onKeyWanted = () => {}) =>
  Effect.gen(function* () {
    const [{ openPage }, { routeOf }, { viewOf }, { noNews }] = yield* Effect.promise(() =>
      Promise.all(["page", "route", "views", "feed"].map(script))
    )
    const route = routeOf(hash)
    const caller = { tenant: "default", role: "admin", may: ["follow", "submit", "read", "operate", "admin"] }
    const opened = openPage({
      caller,
      route,
      view: viewOf(route),
      feed: () => noNews,
      onDraw: () => {},
      onKeyWanted
    })
    const running = opened.run() as Promise<void>
    yield* Effect.addFinalizer(() =>
      Effect.promise(() => {
        opened.close()
        return running
      })
    )
    return opened as { readonly page: Page & Record<string, unknown>; readonly tell: () => void }
  })

describe("a stream of the dashboard", () => {
  promise("goes on where it was when it breaks, and tells each event once, up to the end", () =>
    Effect.gen(function* () {
      const { submit, through } = yield* anApiBehind
      const { follow } = yield* Effect.promise(() => script("stream"))
      const id = yield* submit()
      const run = yield* (yield* aWorker()).claimOne
      const cut = new AbortController()
      const connections: Array<boolean> = []
      const chunks: Array<unknown> = []
      // The first connection is one that breaks.
      answer = (path, init) => {
        answer = through
        return through(path, { ...init, signal: AbortSignal.any([init.signal!, cut.signal]) })
      }
      const following = follow("followTask", {
        parts: { id },
        signal: new AbortController().signal,
        onState: (isConnected: boolean) => connections.push(isConnected),
        onFrames: (frames: ReadonlyArray<{ event: string; data: { chunk: unknown } }>) => {
          for (const { data, event } of frames) if (event === "chunk") chunks.push(data.chunk)
        }
      }) as Promise<void>
      yield* run.chunks("one", "two")
      yield* until(() => chunks.length === 2, "two chunks")

      cut.abort()
      yield* until(() => connections.length === 2, "the broken connection")
      yield* run.chunks("three")
      yield* run.succeed("done")
      yield* Effect.promise(() => following)

      expect(chunks).toEqual(["one", "two", "three"])
      expect(connections).toEqual([true, false, true])
      expect(asked).toEqual([`GET /v1/tasks/${id}/events`, `GET /v1/tasks/${id}/events?after=1-2`])
    })
  )

  promise("is closed while nobody looks, and misses nothing of what came meanwhile", () =>
    Effect.gen(function* () {
      const { submit } = yield* anApiBehind
      const { follow } = yield* Effect.promise(() => script("stream"))
      const id = yield* submit()
      const run = yield* (yield* aWorker()).claimOne
      const connections: Array<boolean> = []
      const chunks: Array<unknown> = []
      const following = follow("followTask", {
        parts: { id },
        signal: new AbortController().signal,
        onState: (isConnected: boolean) => connections.push(isConnected),
        onFrames: (frames: ReadonlyArray<{ event: string; data: { chunk: unknown } }>) => {
          for (const { data, event } of frames) if (event === "chunk") chunks.push(data.chunk)
        }
      }) as Promise<void>
      yield* run.chunks("one")
      yield* until(() => chunks.length === 1, "a chunk")

      look("hidden")
      yield* until(() => connections.at(-1) === false, "the closed connection")
      yield* run.chunks("two")
      yield* run.succeed("done")
      const before = asked.length
      look("visible")
      yield* Effect.promise(() => following)

      expect(chunks).toEqual(["one", "two"])
      expect(before).toBe(1)
    })
  )

  promise("ends with the problem where it is refused for good", () =>
    Effect.gen(function* () {
      yield* anApiBehind
      const { follow } = yield* Effect.promise(() => script("stream"))

      const refused = yield* Effect.promise(() =>
        follow("followTask", {
          parts: { id: "nonsense" },
          signal: new AbortController().signal,
          onFrames: () => {}
        }).catch((error: unknown) => error)
      )

      expect(refused).toMatchObject({ status: 404, type: "invalid-id" })
      expect(asked).toHaveLength(1)
    })
  )
})

describe("the news of the dashboard", () => {
  promise("end where there are too many, until somebody asks for them again", () =>
    Effect.gen(function* () {
      const { submit, through } = yield* anApiBehind
      const { makeLive } = yield* Effect.promise(() => script("live"))
      const many = Array.from(
        { length: 700 },
        (_, at) => `event: task.submitted\nid: p@e.${at}\ndata: {"task":"t${at}"}\n\n`
      )
      let flooding: AbortSignal | undefined
      answer = async (_, { signal }) => {
        flooding = signal!
        return new Response(
          new ReadableStream({ start: (to) => to.enqueue(new TextEncoder().encode(many.join(""))) })
        )
      }
      const live = makeLive({ onNews: () => {}, onRefused: () => {} })
      yield* Effect.addFinalizer(() => Effect.sync(() => live.want(false)))

      live.want(true)
      yield* until(() => live.feed.isFlooded, "the flood")
      live.want(true)
      expect(flooding!.aborted).toBe(true)
      expect(asked).toHaveLength(1)
      answer = through
      live.again()
      yield* until(() => asked.length === 2, "that it listens again")
      yield* Effect.repeat(submit(), {
        until: () => live.feed.news.length > 0,
        schedule: Schedule.spaced("20 millis")
      })

      expect(asked[1]).toBe(asked[0])
      expect(live.feed.isFlooded).toBe(false)
      expect(live.feed.news[0]).toMatchObject({ type: "task.submitted" })
    })
  )
})

describe("a view of the dashboard", () => {
  promise("keeps what it shows while the API is away, and is fresh once that is back", () =>
    Effect.gen(function* () {
      const { submit, through } = yield* anApiBehind
      const id = yield* submit()
      const { page } = yield* open("#/tasks")
      const shown = () =>
        (page.data as { tasks: ReadonlyArray<{ id: string }> } | undefined)?.tasks.map((one) => one.id)
      yield* until(() => shown()?.length === 1, "the task")
      const reload = page["reload"] as () => void

      answer = () => Promise.reject(new TypeError("fetch failed"))
      reload()
      yield* until(() => page.error !== undefined, "that the API is away")
      expect(page.error!.message).toBe("The API does not answer")
      expect(shown()).toEqual([id])
      const next = yield* submit()
      answer = through
      yield* until(() => page.error === undefined, "that the API is back")

      expect(shown()).toEqual([next, id])
    })
  )

  promise("says what stands before the API, when that answers in its place", () =>
    Effect.gen(function* () {
      yield* anApiBehind
      answer = async () => new Response("<html>Sign in</html>", { headers: { "content-type": "text/html" } })
      const { page } = yield* open("#/tasks")
      yield* until(() => page.error !== undefined, "what is wrong")
      expect(page.error!.message).toContain("a proxy may want you to sign in")

      answer = async () => new Response("bad gateway", { status: 502 })
      ;(page["reload"] as () => void)()
      yield* until(() => page.error!.message.includes("502"), "the proxy's answer")
    })
  )

  promise("asks for nothing while nobody looks", () =>
    Effect.gen(function* () {
      yield* anApiBehind
      look("hidden")
      const { page } = yield* open("#/tasks")
      yield* Effect.promise(() => Bun.sleep(0))
      expect(asked).toEqual([])

      look("visible")
      yield* until(() => page.data !== undefined, "the tasks")
      expect(asked).toEqual(["GET /v1/tasks?limit=50"])
    })
  )

  promise("wants a key once the one that it shows counts no more, and shows it in a header alone", () =>
    Effect.gen(function* () {
      const { through } = yield* anApiBehind
      const { session } = yield* Effect.promise(() => script("session"))
      const keys = yield* KeyOperator
      const made = yield* keys.create(anyone, { role: "admin" })
      session.keep(Redacted.value(made.key))
      let shown: string | null = null
      answer = (path, init) => {
        shown = new Headers(init.headers).get("authorization")
        return through(path, init)
      }
      let wanted = 0
      const { page } = yield* open("#/tasks", () => (wanted += 1))
      yield* until(() => page.data !== undefined, "the tasks")
      expect(shown!).toBe(`Bearer ${Redacted.value(made.key)}`)

      session.forget()
      ;(page["reload"] as () => void)()
      yield* until(() => wanted === 1, "that a key is wanted")

      expect(kept.size).toBe(0)
      expect(asked.join()).not.toContain("troupe_")
    })
  )
})

describe("what cannot be taken back", () => {
  interface Tree {
    readonly tag: string
    readonly props: { readonly onclick?: () => void }
  }

  const press = (page: Page & Record<string, unknown>, label: string) =>
    Effect.promise(async () => {
      const { elementsOf, textOf } = await script("tree")
      const view = page["view"] as { draw: (page: unknown) => unknown }
      const trees = [view.draw(page)].flat(9).filter(Boolean)
      const button = (elementsOf(trees) as ReadonlyArray<Tree>).find(
        (one) => one.tag === "button" && textOf(one) === label
      )
      if (button === undefined) throw new Error(`there is no button ${label}`)
      button.props.onclick!()
    })

  /** A dead letter of the time that the tests' workers write: 2030-01-01T09:00:00.000Z. */
  const aLetter = (api: Effect.Success<typeof anApiBehind>) =>
    Effect.gen(function* () {
      const id = yield* api.submit()
      const run = yield* (yield* aWorker()).claimOne
      yield* run.fail({ type: "Broken", message: "it is broken" })
      return id
    })

  /** What was asked of one address, with its body. */
  const said: Array<readonly [path: string, body: unknown]> = []

  /** An API whose clock says that it is an hour later than that. */
  const anHourLater = Effect.gen(function* () {
    const api = yield* anApiBehind
    said.length = 0
    answer = async (path, init) => {
      if (init.method === "POST") said.push([path, await new Response(init.body).json()])
      const response = await api.through(path, init)
      const headers = new Headers(response.headers)
      headers.set("date", "Tue, 01 Jan 2030 10:00:00 GMT")
      return new Response(response.body, { status: response.status, headers })
    }
    return api
  })

  promise("is counted, asked about, and done to what was counted: to nothing that fails later", () =>
    Effect.gen(function* () {
      const api = yield* anHourLater
      yield* aLetter(api)
      const { page } = yield* open("#/dead")
      yield* until(() => page.data !== undefined, "the dead letters")
      const asks: Array<{ title: string; button: string }> = []
      page["inquire"] = async (inquiry: { title: string; button: string }) => {
        asks.push(inquiry)
        return {}
      }

      yield* press(page, "Drop all of them…")
      yield* until(() => page["isActing"] === false, "that it was done")

      expect(asks).toMatchObject([{ title: "Drop 1 dead letter?", button: "Drop 1 dead letter" }])
      expect((yield* api.ask("/v1/dead")).body.dead).toEqual([])
      const meant = { to: expect.stringMatching(/^2030-01-01T10:00:0/) }
      expect(said).toEqual([
        ["/v1/dead/purge?dryRun=1", meant],
        ["/v1/dead/purge", meant]
      ])
      expect(said[1]![1]).toEqual(said[0]![1])
    })
  )

  promise("is not done where nobody says yes, and nobody is asked about nothing", () =>
    Effect.gen(function* () {
      const api = yield* anHourLater
      const id = yield* aLetter(api)
      const { page } = yield* open("#/dead")
      yield* until(() => page.data !== undefined, "the dead letters")
      let inquiries = 0
      page["inquire"] = async () => {
        inquiries += 1
        return undefined
      }

      yield* press(page, "Drop all of them…")
      yield* until(() => page["isActing"] === false, "the question")
      expect(inquiries).toBe(1)
      expect((yield* api.ask("/v1/dead")).body.dead).toMatchObject([{ id }])
      yield* api.post("/v1/dead/purge", {})
      yield* press(page, "Drop all of them…")
      yield* until(() => page["isActing"] === false, "that there is nothing to do")

      expect(inquiries).toBe(1)
      expect(said.map(([path]) => path)).toEqual(["/v1/dead/purge?dryRun=1", "/v1/dead/purge?dryRun=1"])
      expect(document.getElementById("said")!.textContent).toContain("no dead letter is meant")
    })
  )
})

describe("the page as a whole", () => {
  const main = document.getElementById("main")!
  const shows = (text: string) => until(() => main.textContent.includes(text), text)

  const go = (hash: string) => {
    inBrowser.location.hash = hash
    onHash()
  }

  const menu = () => [...document.querySelectorAll(".menu a")].map((link) => link.textContent)

  const showKey = (key: string) => {
    const form = main.querySelector("form") as unknown as { onsubmit: (event: object) => void }
    main.querySelector("input")!.value = key
    form.onsubmit({ preventDefault: () => {}, target: form })
  }

  const forget = () => (document.querySelector(".quiet") as { onclick: () => void } | null)?.onclick()

  promise(
    "asks for a key where there is one, shows what that may see, and forgets all of it with the key",
    () =>
      Effect.gen(function* () {
        const api = yield* anApiBehind
        const keys = yield* KeyOperator
        const keyOf = (role: string, tenant: string) =>
          Effect.map(keys.create(anyone, { role, tenant }), ({ key }) => Redacted.value(key))
        const ours = yield* keyOf("operate", "default")
        const acmes = yield* keyOf("read", "acme")
        const bearer = { headers: { authorization: `Bearer ${ours}`, "content-type": "application/json" } }
        yield* api.ask("/v1/tasks", {
          ...bearer,
          method: "POST",
          body: JSON.stringify({ name: "test", key: "ours-only" })
        })
        yield* Effect.addFinalizer(() => Effect.sync(forget))

        yield* Effect.promise(async () => {
          const { setInterval } = globalThis
          Object.assign(globalThis, {
            setInterval: (tick: () => void, ms: number) => (ticking = setInterval(tick, ms))
          })
          await script("main")
          globalThis.setInterval = setInterval
        })
        yield* shows("Show a key")
        expect(menu()).toEqual([])
        showKey("schlüssel")
        yield* shows("That is no key.")
        showKey("troupe_nonsense")
        yield* shows("This key is not known, is revoked, or is over.")
        showKey(ours)
        yield* shows("As it happens")
        expect(menu()).toEqual([
          "Overview",
          "Tasks",
          "Queues",
          "Dead letters",
          "Workers",
          "Schedules",
          "Agents"
        ])
        go("#/tasks")
        yield* shows("ours-only")
        go("#/nonsense")
        yield* shows("There is no such view")
        go("#/tasks")
        yield* shows("ours-only")

        forget()
        expect(document.body.textContent).not.toContain("ours-only")
        expect(kept.size).toBe(0)
        expect(menu()).toEqual([])
        const before = asked.length
        showKey(acmes)
        yield* shows("There is no such task.")
        expect(menu()).toEqual(["Overview", "Tasks", "Dead letters", "Schedules", "Agents"])
        go("#/queues")
        yield* shows("of the role read and the tenant acme, and may not see this")
        expect(asked.slice(before).filter((one) => /queues|stats|workers|nodes/.test(one))).toEqual([])
      })
  )
})
