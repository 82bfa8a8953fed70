/** What the dashboard decides in the browser: the scripts of its page, held over plain values and a document without a browser. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { parseHTML } from "linkedom"

/** One of the page's scripts, which have no types. */
const script = (name: string) => import(`../../../api/http/dashboard/page/${name}.js`)

/** What scripts of a page find in a browser. */
const { document } = parseHTML("<html><body><main></main></body></html>")
const kept = new Map<string, string>()
const inBrowser = {
  document,
  sessionStorage: {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, text: string) => void kept.set(name, text),
    removeItem: (name: string) => void kept.delete(name)
  }
}
const outside = Object.keys(inBrowser).map(
  (name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const
)

beforeAll(() => {
  for (const [name, value] of Object.entries(inBrowser))
    Object.defineProperty(globalThis, name, { configurable: true, writable: true, value })
})

afterAll(() => {
  for (const [name, before] of outside) {
    if (before === undefined) Reflect.deleteProperty(globalThis, name)
    else Object.defineProperty(globalThis, name, before)
  }
})

const now = Date.parse("2030-01-31T12:00:00.000Z")
const hostile = `<img src=x onerror="alert(1)"> javascript:alert(1) "'&`

describe("what people read", () => {
  test("says durations in the two units that matter", async () => {
    const { duration } = await script("format")
    const said: ReadonlyArray<readonly [number, string]> = [
      [-5, "0 ms"],
      [812.4, "812 ms"],
      [5_240, "5.2 s"],
      [59_999, "59 s"],
      [60_000, "1 min"],
      [190_000, "3 min 10 s"],
      [7_500_000, "2 h 5 min"],
      [4 * 86_400_000 + 3 * 3_600_000, "4 d 3 h"]
    ]

    for (const [ms, text] of said) expect(duration(ms)).toBe(text)
  })

  test("says how far away a time is, and no day where it is today's", async () => {
    const { away, clockTime } = await script("format")

    expect(away(now - 90_500, now)).toBe("1 min 30 s ago")
    expect(away(now + 61_000, now)).toBe("in 1 min 1 s")
    expect(away(now + 400, now)).toBe("now")
    expect(clockTime("2030-01-31T09:05:00.000Z", now, "UTC")).toBe("09:05:00")
    expect(clockTime("2030-01-30T09:05:00.000Z", now, "UTC")).toBe("30 Jan 2030, 09:05:00")
  })

  test("rounds nothing up to all, and bytes to what they are", async () => {
    const { bytes, many, percent, rate } = await script("format")

    expect([percent(1), percent(0.99996), percent(0.5), percent(0)]).toEqual([
      "100 %",
      "99.9 %",
      "50 %",
      "0 %"
    ])
    expect([bytes(0), bytes(1_023), bytes(89_620_480)]).toEqual(["0 B", "1023 B", "85.5 MiB"])
    expect([rate(0.8), rate(1_234.4)]).toEqual(["0.8", "1,234"])
    expect([many(1, "task"), many(12_345, "task")]).toEqual(["1 task", "12,345 tasks"])
  })

  test("gives a time to a field for local times, and takes the same one back", async () => {
    const { fromLocalField, localField } = await script("format")

    expect(fromLocalField(localField("2030-01-31T09:05:00.000Z"))).toBe("2030-01-31T09:05:00.000Z")
    expect([localField(undefined), localField("nonsense")]).toEqual(["", ""])
    expect([fromLocalField(""), fromLocalField("nonsense")]).toEqual([undefined, undefined])
  })
})

describe("what an address says", () => {
  test("is the view, what it is about and its filters, and comes back as it was", async () => {
    const { hrefOf, routeOf } = await script("route")
    const parts = ["shop.cart", "user 7/ä?#&%"]
    const query = { error: hostile, queue: "default" }

    expect(routeOf(hrefOf("agents", parts, query))).toEqual({ view: "agents", parts, query })
    expect(routeOf("")).toEqual({ view: "overview", parts: [], query: {} })
    expect(routeOf("#/tasks?state=failed&x=a?b")).toEqual({
      view: "tasks",
      parts: [],
      query: { state: "failed", x: "a?b" }
    })
    expect(routeOf("#/tasks/%E0%A4%A")).toMatchObject({ parts: ["%E0%A4%A"] })
  })

  test("begins at the first page where the filter is another one", async () => {
    const { filtered, paged, routeOf } = await script("route")
    const route = routeOf("#/tasks?state=failed&cursor=abc")

    expect(filtered(route, { state: "queued" })).toBe("#/tasks?state=queued")
    expect(filtered(route, { state: undefined })).toBe("#/tasks")
    expect(paged(route, "def")).toBe("#/tasks?state=failed&cursor=def")
    expect(paged(route, undefined)).toBe("#/tasks?state=failed")
  })

  test("means a view that there is, or none", async () => {
    const { routeOf } = await script("route")
    const { menu, viewOf } = await script("views")

    for (const name of Object.keys(menu)) expect(viewOf(routeOf(`#/${name}`))).toBe(menu[name])
    for (const hash of [
      "#/tasks/a/b",
      "#/agents/a",
      "#/queues/a",
      "#/constructor",
      "#/__proto__",
      "#/nonsense"
    ])
      expect({ hash, view: viewOf(routeOf(hash)) }).toEqual({ hash, view: undefined })
    expect(viewOf(routeOf("#/agents/a/b")).needs).toBe("getAgent")
  })
})

describe("an address of the API", () => {
  test("has its parts encoded, and no parameter that is empty", async () => {
    const { pathOf } = await script("addresses")

    expect(pathOf("getAgent", { type: "shop.cart", key: "a/b?c" })).toBe("v1/agents/shop.cart/a%2Fb%3Fc")
    expect(pathOf("listTasks", {}, { state: "", name: undefined, limit: 50, tag: "a&b" })).toBe(
      "v1/tasks?limit=50&tag=a%26b"
    )
  })

  test("is offered to who may ask it: by the role, and to the tenant default what is everybody's", async () => {
    const { may } = await script("addresses")
    const reader = { tenant: "default", may: ["follow", "read"] }
    const ofAcme = { tenant: "acme", may: ["follow", "submit", "read", "operate"] }

    expect([may(reader, "listQueues"), may(reader, "pauseQueue"), may(reader, "listKeys")]).toEqual([
      true,
      false,
      false
    ])
    expect([may(ofAcme, "listQueues"), may(ofAcme, "retryDead"), may(ofAcme, "listTasks")]).toEqual([
      false,
      true,
      true
    ])
  })
})

describe("the pace of a view", () => {
  test("is slow where nothing happens, and leaves a slow API four times as long as it took", async () => {
    const { newsPauseMs, pauseMs, quietMs, newsMs } = await script("pace")

    expect(pauseMs({ tookMs: 20 })).toBe(quietMs)
    expect(pauseMs({ tookMs: 3_000 })).toBe(12_000)
    expect(pauseMs({ tookMs: 20, every: 2_000 })).toBe(2_000)
    expect(newsPauseMs({ tookMs: 20 })).toBe(newsMs)
    expect(newsPauseMs({ tookMs: 3_000 })).toBe(12_000)
  })

  test("backs off from an API that is away, and comes back when it was told to", async () => {
    const { awayMaxMs, pauseMs } = await script("pace")

    expect([1, 2, 3, 4, 9].map((failures) => pauseMs({ failures }))).toEqual([
      1_000,
      2_000,
      4_000,
      awayMaxMs,
      awayMaxMs
    ])
    expect(pauseMs({ failures: 1, retryAfterMs: 30_000 })).toBe(30_000)
  })

  test("is broken by a bell, also by one that rang before anybody waited, and by the end", async () => {
    const { makeBell } = await script("pace")
    const { signal } = new AbortController()
    const hour = 3_600_000

    const early = makeBell()
    early.ring()
    await early.wait(hour, signal)
    const late = makeBell()
    const waiting = late.wait(hour, signal)
    late.ring(hour)
    late.ring(0)
    // What comes later than what is due already puts nothing off.
    late.ring(hour)
    await waiting
    const over = new AbortController()
    const ending = makeBell().wait(hour, over.signal)
    over.abort()
    await ending
    await makeBell().wait(hour, over.signal)
  })
})

describe("a stream of events", () => {
  const text =
    ': alive\n\nevent: state\ndata: {"a":1}\n\nid: 1-1\r\nevent: log\r\ndata: one\r\ndata: two\r\n\r\nevent: empty\n\nid: 1-2\ndata: é\n\n'

  test("is read alike wherever it is cut", async () => {
    const { makeFrames } = await script("frames")
    const whole = makeFrames()(text)

    expect(whole).toEqual([
      { event: "state", id: undefined, data: '{"a":1}' },
      { event: "log", id: "1-1", data: "one\ntwo" },
      { event: "message", id: "1-2", data: "é" }
    ])
    for (let at = 0; at <= text.length; at++) {
      const frames = makeFrames()
      expect([...frames(text.slice(0, at)), ...frames(text.slice(at))]).toEqual(whole)
    }
  })
})

describe("the news of all tasks", () => {
  const frame = (number: number) => ({
    event: "task.submitted",
    id: `p@e.${number}`,
    data: { type: "task.submitted", task: `t${number}` }
  })
  const frames = (count: number) => Array.from({ length: count }, (_, number) => frame(number))

  test("are kept newest first, and not for ever", async () => {
    const { noNews, noteNews } = await script("feed")
    const { news } = noteNews(noteNews(noNews, [frame(1), frame(2)], 0), frames(100), 5_000)

    expect(
      noteNews(noNews, [frame(1), frame(2)], 0).news.map(({ place }: { place: string }) => place)
    ).toEqual(["p@e.2", "p@e.1"])
    expect(news).toHaveLength(50)
    expect(news[0].task).toBe("t99")
  })

  test("are too many when more come than can be read, and are not again for coming slowly", async () => {
    const { noNews, noteNews } = await script("feed")

    const calm = [0, 3_000, 6_000].reduce((feed, at) => noteNews(feed, frames(500), at), noNews)
    expect(calm.isFlooded).toBe(false)
    const flooded = [0, 500].reduce((feed, at) => noteNews(feed, frames(500), at), noNews)
    expect(flooded.isFlooded).toBe(true)
    expect(noteNews(flooded, [frame(1)], 60_000).isFlooded).toBe(true)
  })

  test("say that some were missed", async () => {
    const { noNews, noteNews } = await script("feed")

    expect(noteNews(noNews, [{ event: "gap", id: "x", data: { queue: "*" } }], 0)).toMatchObject({
      hasGap: true,
      news: []
    })
  })
})

describe("what a task puts out", () => {
  test("is put together, and is void when another attempt begins", async () => {
    const { noteEvents, nothingFollowed } = await script("followed")
    const chunk = (attempt: number, seq: number, chunk: unknown) => ({
      event: "chunk",
      data: { attempt, seq, chunk }
    })

    const first = noteEvents(nothingFollowed, [
      { event: "state", data: { state: "running", attempt: 1 } },
      chunk(1, 1, "one "),
      chunk(1, 2, "two"),
      { event: "progress", data: { attempt: 1, seq: 3, fraction: 0.5, message: "half" } },
      { event: "log", data: { attempt: 1, seq: 4, level: "info", message: hostile } }
    ])
    expect(first).toMatchObject({ text: "one two", progress: { fraction: 0.5, message: "half" } })
    const second = noteEvents(first, [
      { event: "attempt", data: { attempt: 2, reset: true } },
      chunk(2, 1, { tool: "search" }),
      { event: "gap", data: { attempt: 2, from: 2, to: 11 } },
      { event: "toString", data: {} },
      { event: "end", data: { state: "failed", error: { type: "E", message: "m" } } }
    ])

    expect(second).toMatchObject({ text: "", progress: undefined, missed: 10, ended: { state: "failed" } })
    expect(second.lines.map(({ text }: { text: string }) => text)).toEqual([
      hostile,
      "Attempt 2 begins, from the start",
      '{"tool":"search"}'
    ])
  })

  test("is bounded, however much it is", async () => {
    const { noteEvents, nothingFollowed } = await script("followed")
    const many = Array.from({ length: 2_000 }, (_, seq) => [
      { event: "chunk", data: { attempt: 1, seq, chunk: "x".repeat(100) } },
      { event: "log", data: { attempt: 1, seq, level: "info", message: String(seq) } }
    ]).flat()

    const followed = noteEvents(nothingFollowed, many)

    expect(followed.text).toHaveLength(64 * 1024)
    expect(followed.cutText).toBe(200_000 - 64 * 1024)
    expect(followed.lines).toHaveLength(500)
    expect(followed.lines.at(-1).text).toBe("1999")
  })
})

describe("a problem", () => {
  test("is said in its own words, with every fault, and with a hint where it has none", async () => {
    const { lineOf, Problem, wordsOf } = await script("words")

    expect(
      wordsOf(
        new Problem(422, {
          type: "task-refused",
          title: "The task does not fit",
          detail: "/input: no; /ms: no",
          errors: [
            { path: "/input", message: "no" },
            { path: "", message: "nothing at all" }
          ]
        })
      )
    ).toEqual({ title: "The task does not fit", more: ["/input: no", "nothing at all"] })
    expect(
      wordsOf(new Problem(500, { type: "internal", title: "Our fault", request: "r-1" })).more
    ).toContain("Request r-1")
    expect(lineOf(new Problem(502))).toBe("The answer was 502.")
  })

  test("passes, or does not", async () => {
    const { Away, isPassing, Problem, wantsKey } = await script("words")

    expect([new Away(), new Problem(503), new Problem(429)].map(isPassing)).toEqual([true, true, true])
    expect([new Problem(404), new Problem(403), new Error("a bug")].map(isPassing)).toEqual([
      false,
      false,
      false
    ])
    expect([new Problem(401), new Problem(403)].map(wantsKey)).toEqual([true, false])
  })
})

describe("the picture of the minutes", () => {
  test("has a bar for each, also for those in which nothing happened, below a round top", async () => {
    const { figureOf, minutesOf, topOf } = await script("chart")
    const at = new Date(now - 60_000).toISOString()

    const minutes = minutesOf([{ at, submitted: 7, succeeded: 5, failed: 1, retried: 0 }], 15, now + 30_000)
    const { bars, top } = figureOf(minutes)

    expect(minutes).toHaveLength(15)
    expect(minutes.at(-2)).toMatchObject({ at, submitted: 7 })
    expect(top).toBe(10)
    expect(bars.at(-2)).toMatchObject({ good: 80, bad: 16 })
    expect([0, 5, 6, 11, 24, 180, 99_999].map(topOf)).toEqual([5, 5, 10, 20, 25, 200, 100_000])
  })
})

describe("the bounds of a queue", () => {
  test("are those that were said: what is empty is off", async () => {
    const { limitsIn } = await script("queue-table")

    expect(
      limitsIn({ concurrency: "4", rateCount: "100", ratePerMs: "60000", maxDepth: "", keepMs: "" })
    ).toEqual({
      concurrency: 4,
      rate: { count: 100, perMs: 60_000 }
    })
    expect(limitsIn({ concurrency: "", rateCount: "", ratePerMs: "" })).toEqual({})
  })
})

describe("what is shown", () => {
  type Tree = string | { readonly tag: string; readonly props: Record<string, unknown> }

  const iso = new Date(now).toISOString()
  const error = {
    type: hostile,
    message: hostile,
    stack: hostile,
    cause: { type: hostile, message: hostile }
  }
  const task = {
    id: `default.0.${hostile}`,
    name: hostile,
    queue: hostile,
    priority: "normal",
    state: "failed",
    attempt: 1,
    maxAttempts: 3,
    tags: [hostile],
    key: hostile,
    tenant: hostile,
    worker: hostile,
    submittedAt: iso,
    startedAt: iso,
    finishedAt: iso,
    error,
    attempts: [{ attempt: 1, worker: hostile, startedAt: iso, finishedAt: iso, error }]
  }
  const schedule = {
    id: hostile,
    name: hostile,
    cron: hostile,
    timeZone: hostile,
    paused: false,
    nextRuns: [iso],
    lastRun: { slot: iso, at: iso, outcome: "refused", error: hostile, task: hostile },
    createdAt: iso,
    updatedAt: iso,
    input: hostile,
    history: [{ slot: iso, at: iso, outcome: "refused", error: hostile, task: hostile }]
  }
  const agent = {
    name: hostile,
    key: hostile,
    queue: hostile,
    status: "quarantined",
    version: 1,
    revision: hostile,
    mailbox: 2,
    running: [hostile],
    failures: 1,
    deadLetter: hostile,
    state: { [hostile]: hostile },
    timers: [{ name: hostile, task: hostile }]
  }
  const queue = {
    name: hostile,
    paused: true,
    pausedKeys: [hostile, `~${hostile}`],
    depth: { urgent: 1, high: 2, normal: 3, low: 4, boxed: 5 },
    scheduled: 1,
    running: 1,
    waiting: 1,
    dead: 1,
    oldestMs: 90_000,
    rates: { submitted: 1, succeeded: 1, failed: 1 },
    limits: { concurrency: 4, rate: { count: 1, perMs: 1_000 } }
  }
  const worker = { id: hostile, state: "lost", queues: [hostile], running: [hostile], handlers: [hostile] }
  const node = {
    id: hostile,
    state: "running",
    host: hostile,
    pid: 1,
    workers: 1,
    min: 1,
    max: 2,
    silentMs: 9_000
  }
  const stats = {
    queued: 1,
    running: 1,
    scheduled: 1,
    waiting: 1,
    dead: 1,
    workers: 1,
    succeeded: 1,
    failed: 1,
    successRate: 0.5,
    wait: {},
    run: { p50Ms: 1, p95Ms: 2 },
    perMinute: []
  }
  const key = { id: hostile, tenant: hostile, role: "admin", state: "counts", label: hostile, createdAt: iso }
  const entry = {
    id: "1-1",
    at: iso,
    tenant: hostile,
    who: hostile,
    role: "admin",
    what: hostile,
    on: hostile,
    outcome: hostile,
    request: hostile
  }

  const cases: Readonly<Record<string, unknown>> = {
    "#/overview": { stats, queues: [queue], workers: [worker], nodes: [node] },
    "#/tasks": { tasks: [task], next: hostile },
    "#/tasks/x": task,
    "#/queues": { queues: [queue] },
    "#/dead": { dead: [task], groups: [{ error: hostile, count: 2 }] },
    "#/workers": { workers: [worker], nodes: [node], isCut: true },
    "#/schedules": { schedules: [schedule] },
    "#/schedules/x": schedule,
    "#/agents": { agents: [agent] },
    "#/agents/x/y": agent,
    "#/keys": { keys: [key] },
    "#/audit": { entries: [entry] }
  }

  const draw = async (hash: string, may: ReadonlyArray<string>) => {
    const { may: mayAsk } = await script("addresses")
    const { noNews } = await script("feed")
    const { routeOf } = await script("route")
    const { viewOf } = await script("views")
    const caller = { tenant: "default", role: "admin", key: "k", may }
    const route = routeOf(hash)
    const news = [
      {
        type: "task.dead",
        task: hostile,
        name: hostile,
        queue: hostile,
        state: "failed",
        attempt: 1,
        at: iso
      }
    ]
    const page = {
      route,
      caller,
      now,
      local: {},
      data: cases[hash],
      feed: { ...noNews, news },
      can: (name: string) => mayAsk(caller, name),
      redraw: () => {}
    }
    return [viewOf(route).draw(page)].flat(Infinity).filter(Boolean) as ReadonlyArray<Tree>
  }

  const everything = ["follow", "submit", "read", "operate", "admin"]

  for (const hash of Object.keys(cases)) {
    test(`at ${hash} has every payload as a text, and leads nowhere else`, async () => {
      const { elementsOf, textOf } = await script("tree")

      const trees = await draw(hash, everything)

      expect(textOf(trees)).toContain(hostile)
      for (const { props, tag } of elementsOf(trees)) {
        expect(tag).not.toBeOneOf(["script", "iframe", "img", "object", "embed", "style", "base", "link"])
        if (props.href !== undefined) expect(props.href).toStartWith("#/")
        for (const [name, value] of Object.entries(props)) {
          expect(name).not.toBeOneOf(["src", "srcdoc", "style", "action", "formaction", "innerHTML"])
          if (name.startsWith("on")) expect(value).toBeFunction()
        }
      }
    })

    test(`at ${hash} offers nothing to do to who may only read`, async () => {
      const { elementsOf, textOf } = await script("tree")

      const labels = elementsOf(await draw(hash, ["follow", "read"]))
        .filter(
          ({ props, tag }: { tag: string; props: { type?: string } }) =>
            tag === "button" && props.type === "button"
        )
        .map((button: Tree) => textOf(button))

      expect(labels.filter((label: string) => !label.startsWith("Show"))).toEqual([])
    })
  }

  test("of a task that waits for its time has what lets it run now, or gives it another one", async () => {
    const { task: view } = await script("view-task")
    const { elementsOf, textOf } = await script("tree")
    const asked: Array<readonly [name: string, body: unknown]> = []
    const page = {
      route: { parts: ["x"] },
      now,
      local: {},
      can: () => true,
      act: async (run: () => Promise<string | undefined>) => void (await run()),
      inquire: async () => ({ runAt: "2030-01-31T09:00:00Z" }),
      ask: async (name: string, { body }: { readonly body: unknown }) => void asked.push([name, body])
    }
    const offered = async (state: string) => {
      const waiting = { ...task, state, attempts: [], error: undefined, dueAt: iso }
      const trees = [view.draw({ ...page, data: waiting })].flat(Infinity).filter(Boolean)
      const buttons = elementsOf(trees).filter(({ tag }: { readonly tag: string }) => tag === "button")
      for (const button of buttons)
        if (["Run now", "Another time…"].includes(textOf(button))) await button.props.onclick()
      return buttons.map((button: Tree) => textOf(button)).slice(0, 3)
    }

    for (const state of ["scheduled", "retrying"]) {
      expect(await offered(state)).toEqual(["Run now", "Another time…", "Cancel…"])
    }
    expect(asked.slice(0, 2)).toEqual([
      ["rescheduleTask", { delayMs: 0 }],
      ["rescheduleTask", { runAt: "2030-01-31T09:00:00Z" }]
    ])
    for (const state of ["queued", "running", "waiting"]) {
      expect((await offered(state))[0]).toBe("Cancel…")
    }
    expect(asked).toHaveLength(4)
  })

  test("is what the document says: what stays the same is the same node, with what was typed into it", async () => {
    const { show } = await script("patch")
    const { h } = await script("tree")
    const main = document.querySelector("main")!
    const clicked: Array<string> = []
    const draw = (names: ReadonlyArray<string>, said: string) =>
      show(main, [
        h("input", { key: "field", value: "" }),
        h("details", { key: "more" }, h("summary", null, "more")),
        h(
          "ul",
          null,
          names.map((name) => h("li", { key: name, onclick: () => clicked.push(said) }, name, " ", hostile))
        ),
        said
      ])
    draw(["a", "b", "c"], "first")
    const [a, , c] = [...main.querySelectorAll("li")]
    const field = main.querySelector("input")!
    field.value = "typed"
    main.querySelector("details")!.setAttribute("open", "")

    draw(["c", "d"], "second")

    expect([...main.querySelectorAll("li")].map((item) => item.textContent)).toEqual([
      `c ${hostile}`,
      `d ${hostile}`
    ])
    expect(main.querySelectorAll("li")[0] === c).toBe(true)
    expect(a!.parentNode).toBe(null)
    expect(main.querySelector("input") === field).toBe(true)
    expect(field.value).toBe("typed")
    expect(main.querySelector("details")!.hasAttribute("open")).toBe(true)
    expect(main.querySelectorAll("img")).toHaveLength(0)
    expect(main.lastChild!.textContent).toBe("second")
    ;(c as unknown as { onclick: () => void }).onclick()
    expect(clicked).toEqual(["second"])
  })
})
