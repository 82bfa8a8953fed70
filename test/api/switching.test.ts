/** What docs/switching.md shows those who come from elsewhere: its examples run, and it shows them as they are. */
import { Queue } from "bullmq"
import { Database } from "bun:sqlite"
import { describe, expect, spyOn, test } from "bun:test"
import { Redacted } from "effect"
import { type ConnectOptions, connect, defineTask, type TaskDefinition } from "../../api/client/index.ts"
import { http } from "../../api/http/index.ts"
import { testTroupe } from "../../api/testing/index.ts"
import { moveJobs } from "../../docs/examples/switching/bullmq-move.ts"
import * as bullmq from "../../docs/examples/switching/bullmq.ts"
import * as celery from "../../docs/examples/switching/celery.ts"
import * as oban from "../../docs/examples/switching/oban.ts"
import * as sidekiq from "../../docs/examples/switching/sidekiq.ts"
import * as temporal from "../../docs/examples/switching/temporal.ts"
import { aNamespace, redisUrl } from "../support/redis.ts"
import { rejection } from "../support/rejection.ts"

const docs = `${import.meta.dir}/../../docs`
const settings = { log: "Warn" } as const
/** A system on the tests' Redis that runs these handlers. */
const working = (...handlers: ReadonlyArray<TaskDefinition>) => {
  const place: ConnectOptions = { redisUrl, namespace: aNamespace(), settings, handlers }
  return connect({ ...place, work: true })
}

/** What somebody else serves, on this machine. */
const serving = (answer: (request: Request) => Response | Promise<Response>) => {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer })
  return { url: server.url.href, [Symbol.dispose]: () => void server.stop(true) }
}

describe("who comes from BullMQ", () => {
  test("has a flow whose parent gathers what its children give, and one job for one id", async () => {
    let asked = 0
    using site = serving(({ url }) => {
      asked++
      if (url.endsWith("/late") && asked === 1) return new Response(null, { status: 202 })
      return url.endsWith("/gone") ? new Response(null, { status: 404 }) : new Response("one two three")
    })
    const urls = ["late", "here", "gone"].map((page) => site.url + page)
    await using troupe = await working(bullmq.report, bullmq.fetchPage)

    const [first, again] = await Promise.all([
      bullmq.reportOf(troupe, "monday", urls),
      bullmq.reportOf(troupe, "monday", urls)
    ])

    expect(first).toEqual({ pages: 3, words: 6 })
    expect(again).toEqual(first)
    expect(asked).toBe(4)
    expect((await troupe.tasks({ name: "pages.report", tag: "monday" })).tasks).toHaveLength(1)
    expect((await troupe.dead.list()).dead).toMatchObject([{ name: "pages.fetch", attempt: 1 }])
  })
})

describe("who moves a queue of BullMQ", () => {
  const remind = defineTask({ name: "remind", run: (who) => who })
  const aQueue = async () => {
    const queue = new Queue(aNamespace(), { connection: { path: redisUrl.replace(/^unix:/, "") } })
    await queue.pause()
    return Object.assign(queue, { [Symbol.asyncDispose]: () => queue.close() })
  }

  test("finds all jobs as tasks, the delayed ones with their time, and schedulers where they were", async () => {
    await using queue = await aQueue()
    const delay = 3_600_000
    const later = await queue.add("remind", "later", { delay })
    await queue.addBulk(Array.from({ length: 120 }, (_, n) => ({ name: "remind", data: `${n}` })))
    await queue.add("remind", "first", { priority: 1 })
    await queue.upsertJobScheduler("daily", { every: 60_000 }, { name: "remind", data: "daily" })
    await using troupe = await working(remind)

    expect(await moveJobs(queue, troupe)).toBe(122)

    const { tasks } = await troupe.tasks({ state: "scheduled" })
    expect(tasks).toMatchObject([{ name: "remind", dueAt: later.timestamp + delay }])
    expect(await queue.getJobSchedulersCount()).toBe(1)
    expect(await queue.getJobs(["waiting", "prioritized", "delayed"])).toMatchObject([{ data: "daily" }])
  })

  test("has each job once, though the move died between its submit and its removal", async () => {
    await using queue = await aQueue()
    const job = await queue.add("remind", "Ada")
    await using troupe = await working(remind)
    await troupe.submit(remind, "Ada", { idempotencyKey: `bullmq:${queue.name}:${job.id}` })

    expect(await moveJobs(queue, troupe)).toBe(1)

    expect((await troupe.tasks()).tasks).toHaveLength(1)
    expect(await moveJobs(queue, troupe)).toBe(0)
  })
})

describe("who comes from Celery", () => {
  const pictures = () => {
    const keys: Array<string | null> = []
    let busy = true
    const app = serving(async (request) => {
      keys.push(request.headers.get("idempotency-key"))
      if (busy) return new Response(null, { status: 429, statusText: `${(busy = false)}` })
      const { picture, width } = (await request.json()) as { picture: string; width: number }
      return Response.json({ file: `${picture}-${width}` })
    })
    process.env["PICTURES_URL"] = app.url
    return { ...app, keys, [Symbol.dispose]: app[Symbol.dispose] }
  }

  test("has a chord over work that stays in the app, which is told one key for all attempts", async () => {
    using app = pictures()
    await using troupe = await testTroupe({ handlers: [celery.album, celery.resize, celery.index] })

    const task = await troupe.submit(celery.album, { pictures: ["b", "a"] })
    await troupe.advance("1 second")

    expect(await task.result()).toEqual(["a-640", "b-640"])
    expect(app.keys).toHaveLength(3)
    expect(new Set(app.keys).size).toBe(2)
  })

  test.skipIf(Bun.which("python3") === null)("submits from Python and reads the result there", async () => {
    using _ = pictures()
    const namespace = aNamespace()
    const handlers = [celery.resize]
    await using troupe = await connect({ redisUrl, namespace, handlers, settings, work: true })
    const over = { ...settings, redisUrl: Redacted.make(redisUrl), namespace } as const
    await using api = await http({ open: true, handlers, settings: over })
    using server = serving(api.app.fetch)
    const program = `
from celery_client import apply_async, get
api = "${server.url}".rstrip("/")
say = lambda: apply_async(api, "pictures.resize", {"picture": "a", "width": 64}, "resize-a", priority="high")
first = say()
assert first == say()
print(get(api, first)["file"])`

    const python = Bun.spawn(["python3", "-B", "-c", program], {
      cwd: `${docs}/examples/switching`,
      stderr: "inherit"
    })

    expect(await new Response(python.stdout).text()).toBe("a-64\n")
    expect((await troupe.tasks()).tasks).toMatchObject([{ priority: "high" }])
  })
})

describe("who comes from Sidekiq", () => {
  test("has a batch with a callback, made by a job that goes on where it was", async () => {
    sidekiq.timings.length = 0
    await using troupe = await working(sidekiq.month, sidekiq.invoice)
    const pages: Array<number> = []
    const { accounts } = sidekiq.app
    using _ = spyOn(sidekiq.app, "accounts").mockImplementation((after) => {
      pages.push(after)
      if (pages.length === 3) throw new Error("the database went away")
      return accounts(after)
    })

    const task = await troupe.submit(
      sidekiq.month,
      { month: "2030-01" },
      { retry: { backoff: { fixed: "10 millis" } } }
    )

    expect(await task.result()).toBe(8)
    expect(pages).toEqual([0, 3, 6, 6, 8])
    expect(sidekiq.timings).toHaveLength(8)
    expect((await troupe.tasks({ name: "billing.invoice" })).tasks).toHaveLength(8)
  })

  test("tries again on Sidekiq's own curve for three weeks", async () => {
    using _ = spyOn(sidekiq.app, "invoice").mockImplementation(() => {
      throw new Error("the bank does not answer")
    })
    await using troupe = await testTroupe({ handlers: [sidekiq.invoice] })

    await troupe.submit(sidekiq.invoice, { account: 1 })
    await troupe.idle()

    const runs = troupe.runs(sidekiq.invoice)
    expect(runs).toHaveLength(26)
    expect((runs.at(-1)!.startedAt - runs[0]!.startedAt) / 86_400_000).toBeWithin(20, 22)
  })
})

describe("who comes from Oban", () => {
  const aShop = () => {
    const db = new Database(":memory:")
    db.run(oban.tables)
    return db
  }

  test("has the task of an order that is committed, once, though its relay died before it said so", async () => {
    const db = aShop()
    const order = oban.place(db, "tea")
    db.run("create temp table before as select * from outbox")
    await using troupe = await working(oban.ship)

    await oban.relay(db, troupe)
    db.run("insert into outbox select * from before")
    await oban.relay(db, troupe)

    const { tasks } = await troupe.tasks()
    expect(tasks).toHaveLength(1)
    expect(await troupe.result(tasks[0]!.id)).toEqual({ shipped: order })
    expect(db.query("select * from outbox").all()).toEqual([])
  })

  test("has a task for each order, though the outbox was empty in between", async () => {
    const db = aShop()
    await using troupe = await working(oban.ship)

    for (const item of ["tea", "milk"]) {
      oban.place(db, item)
      await oban.relay(db, troupe)
    }

    expect((await troupe.tasks()).tasks).toHaveLength(2)
  })

  test("has neither the order nor its task where one of them cannot be stored", () => {
    const db = aShop()
    db.run("drop table outbox")

    expect(() => oban.place(db, "tea")).toThrow()

    expect(db.query("select * from orders").all()).toEqual([])
  })

  test("keeps what is refused for somebody to look at, and hands on the rest", async () => {
    const db = aShop()
    db.run("insert into outbox (name, input) values ('orders.ship', '{}')")
    oban.place(db, "tea")
    await using troupe = await working(oban.ship)

    await oban.relay(db, troupe)

    expect(db.query("select name, refused from outbox").all()).toMatchObject([
      { name: "orders.ship", refused: expect.stringContaining("/input/order") }
    ])
    expect((await troupe.tasks()).tasks).toHaveLength(1)
  })

  test("hands on what is due later with its time", async () => {
    const db = aShop()
    const due = new Date(Date.now() + 3_600_000).toISOString()
    db.run("insert into outbox (name, input, due) values (?, ?, ?)", [
      "orders.ship",
      JSON.stringify({ order: 1, paid: true }),
      due
    ])
    await using troupe = await working(oban.ship)

    await oban.relay(db, troupe)

    expect((await troupe.tasks()).tasks).toMatchObject([{ state: "scheduled", dueAt: Date.parse(due) }])
  })

  test("snoozes for an hour without using up an attempt", async () => {
    await using troupe = await testTroupe({ handlers: [oban.ship] })

    const task = await troupe.submit(oban.ship, { order: 1, paid: false })
    await troupe.advance("3 hours")

    expect(await troupe.task(task.id)).toMatchObject({ attempt: 4, maxAttempts: 24 })
  })
})

describe("who comes from Temporal", () => {
  const handlers = [temporal.trip, temporal.book, temporal.unbook]

  test("has activities whose results are remembered, and each of which runs once", async () => {
    await using troupe = await testTroupe({ handlers })

    const task = await troupe.submit(temporal.trip, { legs: ["train", "plane"] })
    await troupe.settle()

    expect(await task.result()).toEqual(["train-1", "plane-1"])
    expect(troupe.runs(temporal.book)).toHaveLength(2)
  })

  test("compensates what was done when a later activity fails for good", async () => {
    await using troupe = await working(...handlers)

    const failed = await rejection(troupe.ask(temporal.trip, { legs: ["train", "plane", "boat"] }))

    expect(failed).toMatchObject({ _tag: "TaskFailed", error: { message: "boat could not be booked" } })
    const { tasks } = await troupe.tasks({ name: "trips.unbook", state: "succeeded" })
    const undone = await Promise.all(tasks.map(({ id }) => troupe.result(id)))
    expect(new Set(undone)).toEqual(new Set(["train-1 is cancelled", "plane-1 is cancelled"]))
  })

  test("sleeps for a month, longer than anything that has ended is kept, without using up an attempt", async () => {
    await using troupe = await testTroupe({ handlers: [temporal.followUp] })
    using _ = spyOn(Date, "now").mockImplementation(() => troupe.now())

    const task = await troupe.submit(temporal.followUp, {})
    await troupe.advance("29 days")
    expect(await task.state()).toBe("retrying")
    await troupe.advance("1 day")

    expect(await task.result()).toBe("how was it?")
    expect(troupe.runs(temporal.followUp)).toHaveLength(2)
  })

  test("waits for a signal or for a week, whichever comes first, and can be asked meanwhile", async () => {
    await using troupe = await testTroupe({ handlers: [temporal.approval] })
    const [quick, late] = ["quick", "late"].map((key) => troupe.agent(temporal.approval, key))
    await quick!.ask("begin", {})
    await late!.ask("begin", {})
    await troupe.advance("6 days")
    expect((await quick!.read()).state).toEqual({ status: "waits" })

    expect(await quick!.ask("approve", { by: "Ada" })).toBe(true)
    await troupe.advance("30 days")

    expect((await quick!.read()).state).toEqual({ status: "approved by Ada" })
    expect((await late!.read()).state).toEqual({ status: "expired" })
    expect(await late!.ask("approve", { by: "Eve" })).toBe(false)
  })
})

describe("docs/switching.md", () => {
  for (const name of ["bullmq", "celery", "sidekiq", "oban", "temporal"])
    test(`shows the example ${name} as it is tested`, async () => {
      const example = await Bun.file(`${docs}/examples/switching/${name}.ts`).text()
      expect(await Bun.file(`${docs}/switching.md`).text()).toContain(`\`\`\`ts\n${example}\`\`\``)
    })
})
