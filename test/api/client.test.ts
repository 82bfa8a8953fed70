/** The library, as a program uses it: everything through `troupe` and `troupe/effect`. */
import { describe, expect, test } from "bun:test"
import { Effect, Schema, Stream } from "effect"
import * as z from "zod"
import * as Fx from "../../api/client/effect.ts"
import {
  type ConnectOptions,
  connect,
  defineTask,
  Fatal,
  NoWorker,
  TroupeClosed
} from "../../api/client/index.ts"
import { it } from "../support/effect.ts"
import { aNamespace, redisUrl } from "../support/redis.ts"
import { ulidAt } from "../support/tasks.ts"
import { rejection } from "../support/rejection.ts"

const add = defineTask({
  name: "add",
  input: z.object({ a: z.number(), b: z.number() }),
  output: z.object({ sum: z.number() }),
  run: ({ a, b }) => ({ sum: a + b })
})

const speak = defineTask({
  name: "speak",
  input: z.object({ words: z.array(z.string()) }),
  async run({ words }, { emit, progress }) {
    for (const [at, word] of words.entries()) {
      await emit(word)
      await progress((at + 1) / words.length, word)
    }
    return words.length
  }
})

const refuse = defineTask({
  name: "refuse",
  run: () => {
    throw new Fatal("it is closed", { type: "ShopClosed" })
  }
})

/** Promises by name, each there from when it is first asked for. */
const promises = () => {
  const byName = new Map<string, PromiseWithResolvers<void>>()
  return (name: string) => {
    const there = byName.get(name) ?? Promise.withResolvers<void>()
    byName.set(name, there)
    return there
  }
}

/** Gates that handlers of these tests wait at, by name: until they are opened, and until one has come to them. */
const gate = promises()
const arrival = promises()

/** Those that a handler went through. */
const passed = new Set<string>()

const wait = defineTask({
  name: "wait",
  input: z.object({ gate: z.string() }),
  async run({ gate: name }, { signal }) {
    const { promise: aborted, resolve } = Promise.withResolvers<unknown>()
    signal.addEventListener("abort", resolve)
    arrival(name).resolve()
    await Promise.race([gate(name).promise, aborted])
    passed.add(name)
    return "waited"
  }
})

const handlers = [add, speak, refuse, wait]

const settings = { log: "Warn" } as const

/** What a system of a test is made of: a store of its own. */
const stores = {
  memory: (): ConnectOptions => ({ store: "memory", settings }),
  Redis: (): ConnectOptions => ({ redisUrl, namespace: aNamespace(), settings })
}

for (const [name, place] of Object.entries(stores)) {
  const connected = (over: ConnectOptions = {}) => connect({ ...place(), handlers, work: true, ...over })

  describe(`the library on ${name}`, () => {
    test("gives a submitted task's result", async () => {
      await using troupe = await connected()

      const task = await troupe.submit(add, { a: 1, b: 2 })

      expect(await task.result()).toEqual({ sum: 3 })
      expect(await task.state()).toBe("succeeded")
      expect(await troupe.result(task.id)).toEqual({ sum: 3 })
    })

    test("takes a handler's name for a definition that was announced", async () => {
      await using troupe = await connected()

      expect(await troupe.ask("add", { a: 1, b: 2 })).toEqual({ sum: 3 })
    })

    test("takes a definition that nobody announced, and checks the input with it", async () => {
      await using troupe = await connected({ handlers: [] })

      expect(await troupe.ask(add, { a: 2, b: 2 })).toEqual({ sum: 4 })
      expect(await rejection(troupe.submit("add", { a: 2 }))).toMatchObject({ _tag: "SubmitRefused" })
    })

    test("refuses an input that does not fit, with every fault", async () => {
      await using troupe = await connected()

      const refused = await rejection(troupe.submit("add", { a: "one" }))

      expect(refused).toMatchObject({
        _tag: "SubmitRefused",
        faults: [{ path: "/input/a" }, { path: "/input/b" }]
      })
    })

    test("refuses options that cannot be", async () => {
      await using troupe = await connected()
      const input = { a: 1, b: 2 }

      const faults = [
        await rejection(troupe.submit(add, input, { delay: "soon" as "1 second" })),
        await rejection(troupe.submit(add, input, { runAt: new Date("soon") })),
        await rejection(troupe.submit(add, input, { retry: { backoff: { base: "often" as "1 second" } } })),
        await rejection(troupe.submit(add, input, { queue: "Not A Queue" }))
      ]

      expect(faults).toMatchObject(
        ["/delay", "/runAt", "/retry/backoff/base", "/queue"].map((path) => ({ faults: [{ path }] }))
      )
    })

    test("refuses every option that cannot be, by its name here", async () => {
      await using troupe = await connected()
      const wrong = {
        expires: "soon" as "1 second",
        deadline: "soon" as "1 second",
        debounce: { key: "k", for: "soon" as "1 second" },
        throttle: { key: "k", for: "soon" as "1 second" },
        cache: { for: "soon" as "1 second" }
      }

      for (const [option, value] of Object.entries(wrong)) {
        const refused = await rejection(troupe.submit(add, { a: 1, b: 2 }, { [option]: value }))
        expect(refused).toMatchObject({ _tag: "SubmitRefused" })
        expect((refused as { faults: ReadonlyArray<{ path: string }> }).faults[0]!.path).toStartWith(
          `/${option}`
        )
      }
    })

    test("says everything that is to be said of a task", async () => {
      await using troupe = await connected({ work: false })
      const expiresAt = new Date(Date.now() + 3_600_000)

      const { id } = await troupe.submit(
        add,
        { a: 1, b: 2 },
        { key: "ann", expiresAt, deadline: "2 hours", delay: "10 minutes", tags: ["a"] }
      )

      const task = await troupe.task(id)
      expect(task).toMatchObject({
        key: "ann",
        expiresAt: expiresAt.getTime(),
        tags: ["a"],
        state: "scheduled"
      })
      // It counts on the store's clock, and the submit on that of the program.
      expect(Math.abs(task.deadlineAt! - task.submittedAt - 7_200_000)).toBeLessThan(1_000)
    })

    test("gives the task that was submitted before", async () => {
      await using troupe = await connected()
      const input = { a: 1, b: 2 }
      for (const options of [
        { idempotencyKey: "k" },
        { unique: { until: "ended" } },
        { throttle: { key: "k", for: "1 minute" } },
        { cache: true },
        { cache: { for: "1 minute" } }
      ] as const) {
        const delay = "10 minutes"
        const first = await troupe.submit(add, input, { ...options, delay })
        const second = await troupe.submit(add, input, { ...options, delay })

        expect([first.existing, second.existing]).toEqual([false, true])
        expect(second.id).toBe(first.id)
        await first.cancel()
      }
    })

    test("asks for the same work once, and gives every asker its result", async () => {
      await using troupe = await connected()
      const name = crypto.randomUUID()
      const asked = Array.from({ length: 5 }, () => troupe.ask(wait, { gate: name }, { cache: true }))
      gate(name).resolve()

      expect(await Promise.all(asked)).toEqual(Array.from({ length: 5 }, () => "waited"))
      const { tasks } = await troupe.tasks({ name: "wait" })
      expect(tasks).toHaveLength(1)
    })

    test("keeps the last of debounced tasks", async () => {
      await using troupe = await connected()
      const debounce = { key: "k", for: "50 millis" } as const
      const first = await troupe.submit(add, { a: 1, b: 1 }, { debounce: { ...debounce, for: "1 hour" } })
      const last = await troupe.submit(add, { a: 2, b: 2 }, { debounce })

      expect(await last.result()).toEqual({ sum: 4 })
      expect(await rejection(first.result())).toMatchObject({
        state: "cancelled",
        error: { type: "Superseded", message: `${last.id} has taken its place` }
      })
    })

    test("refuses an idempotency key that came with another input", async () => {
      await using troupe = await connected()
      const { id } = await troupe.submit(add, { a: 1, b: 2 }, { idempotencyKey: "k" })

      expect(await rejection(troupe.submit(add, { a: 2, b: 2 }, { idempotencyKey: "k" }))).toMatchObject({
        _tag: "IdempotencyConflict",
        id
      })
    })

    test("cancels a task that runs, and tells its handler", async () => {
      await using troupe = await connected()
      const name = crypto.randomUUID()
      const task = await troupe.submit(wait, { gate: name })
      for await (const event of task.events()) {
        if (event.type === "state" && event.state === "running") break
      }

      await task.cancel({ reason: "enough" })

      expect(await rejection(task.result())).toMatchObject({
        state: "cancelled",
        error: { type: "Cancelled", message: "enough" }
      })
      expect(await rejection(task.cancel())).toMatchObject({ _tag: "TaskEnded", state: "cancelled" })
    })

    test("names the task that was asked for when it fails", async () => {
      await using troupe = await connected()

      const failed = await rejection(troupe.ask(refuse, null))

      expect(failed).toMatchObject({ _tag: "TaskFailed", state: "failed" })
      expect(await troupe.task((failed as { id: string }).id)).toMatchObject({ name: "refuse" })
    })

    test("says which name may have been meant", async () => {
      await using troupe = await connected()

      expect(await rejection(troupe.submit("ad", {}))).toMatchObject({
        _tag: "UnknownHandler",
        nearest: "add"
      })
    })

    test("stores many tasks at once, and one that is refused does not sink the others", async () => {
      await using troupe = await connected()

      const [first, second, third, fourth] = await troupe.submitAll([
        { task: add, input: { a: 1, b: 1 } },
        { task: "nobody", input: {} },
        { task: add, input: { a: 2, b: 2 }, delay: "eventually" as "1 second" },
        { task: speak, input: { words: ["hello"] }, priority: "high" }
      ])

      expect([second, third]).toMatchObject([
        { status: "rejected", reason: { _tag: "UnknownHandler" } },
        { status: "rejected", reason: { _tag: "SubmitRefused" } }
      ])
      if (first.status === "rejected" || fourth.status === "rejected") throw new Error("refused")
      expect([await first.value.result(), await fourth.value.result()]).toEqual([{ sum: 2 }, 1])
    })

    test("keeps what was said of a task in its record", async () => {
      await using troupe = await connected({ work: false })

      const { id } = await troupe.submit(
        add,
        { a: 1, b: 2 },
        {
          delay: "10 minutes",
          priority: "urgent",
          queue: "numbers",
          retry: { attempts: 7 },
          tags: ["one", "two"]
        }
      )

      expect(await troupe.task(id)).toMatchObject({
        id,
        name: "add",
        state: "scheduled",
        priority: "urgent",
        queue: "numbers",
        maxAttempts: 7,
        tags: ["one", "two"]
      })
    })

    test("rejects with what a task failed with", async () => {
      await using troupe = await connected()
      const task = await troupe.submit(refuse, {})

      expect(await rejection(task.result())).toMatchObject({
        _tag: "TaskFailed",
        id: task.id,
        state: "failed",
        error: { type: "ShopClosed", message: "it is closed" },
        message: `task ${task.id} failed: ShopClosed: it is closed`
      })
      expect(await rejection(troupe.ask(refuse, {}))).toMatchObject({ _tag: "TaskFailed", state: "failed" })
    })

    test("waits no longer than it is told, and the task goes on", async () => {
      await using troupe = await connected()
      const at = crypto.randomUUID()
      const task = await troupe.submit(wait, { gate: at })

      const late = [
        await rejection(task.result({ timeout: "50 millis" })),
        await rejection(troupe.ask(wait, { gate: at }, { timeout: "50 millis" }))
      ]

      expect(late).toMatchObject([
        { _tag: "ResultTimeout", id: task.id, waitedMs: 50 },
        { _tag: "AskTimeout", handler: "wait", waitedMs: 50 }
      ])
      gate(at).resolve()
      expect(await task.result()).toBe("waited")
    })

    test("tells an id that cannot be from one that is not there", async () => {
      await using troupe = await connected({ work: false })

      expect(await rejection(troupe.task("7"))).toMatchObject({ _tag: "InvalidTaskId", id: "7" })
      const absent = `default.0.${ulidAt(Date.now(), 1)}`
      expect(await rejection(troupe.result(absent))).toMatchObject({ _tag: "TaskNotFound" })
      expect(await rejection(troupe.result("default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE"))).toMatchObject({
        _tag: "TaskGone"
      })
      expect(await rejection(Array.fromAsync(troupe.events("7")))).toMatchObject({ _tag: "InvalidTaskId" })
    })

    test("follows a task in order up to its end, and again from any event", async () => {
      await using troupe = await connected()
      const task = await troupe.submit(speak, { words: ["a", "b", "c"] })

      const events = await Array.fromAsync(task.events())

      const chunks = events.flatMap((event) => (event.type === "chunk" ? [event] : []))
      expect(chunks.map(({ chunk }) => chunk)).toEqual(["a", "b", "c"])
      expect(events.at(-1)).toMatchObject({ type: "end", state: "succeeded" })
      const rest = await Array.fromAsync(troupe.events(task.id, { after: chunks[1]!.id }))
      expect(rest.flatMap((event) => (event.type === "chunk" ? [event.chunk] : []))).toEqual(["c"])
      expect(await rejection(Array.fromAsync(task.events({ after: "c" })))).toMatchObject({
        _tag: "PositionInvalid"
      })
    })

    test("lets a follower leave while nothing happens", async () => {
      await using troupe = await connected({ work: false })
      const task = await troupe.submit(add, { a: 1, b: 2 })
      const events = task.events()[Symbol.asyncIterator]()
      await events.next()
      const silent = events.next()

      await events.return!()

      expect(await silent).toEqual({ done: true, value: undefined })
    })

    test("lets what runs here finish before it closes, and then does nothing more", async () => {
      const troupe = await connected()
      const at = crypto.randomUUID()
      const task = await troupe.submit(wait, { gate: at })
      await arrival(at).promise
      const following = rejection(Array.fromAsync(task.events()))

      const closing = troupe.close()
      expect(await following).toMatchObject({ _tag: "TroupeClosed" })
      gate(at).resolve()
      await closing

      expect([...passed]).toContain(at)
      expect(await rejection(task.state())).toMatchObject({ _tag: "TroupeClosed" })
      expect(await rejection(Array.fromAsync(task.events()))).toMatchObject({ _tag: "TroupeClosed" })
      await troupe.close()
    })

    test("is closed when what runs here has ended, also where it was told to stop or to close before", async () => {
      for (const method of ["stop", "close"] as const) {
        const troupe = await connected({ work: false })
        const work = await troupe.work()
        const at = crypto.randomUUID()
        await troupe.submit(wait, { gate: at })
        await arrival(at).promise

        const first = method === "stop" ? work.stop() : troupe.close()
        const second = troupe.close()

        expect(await Promise.race([second, Bun.sleep(50).then(() => "open")])).toBe("open")
        gate(at).resolve()
        await Promise.all([first, second, work.stop()])
        expect([...passed]).toContain(at)
      }
    })

    test("rejects what still waits when it closes", async () => {
      const troupe = await connected({ work: false })
      const task = await troupe.submit(add, { a: 1, b: 2 })
      const waiting = rejection(task.result())
      // The store was asked for the result before.
      await task.state()

      await troupe.close()

      expect(await waiting).toMatchObject({ _tag: "TroupeClosed" })
    })

    test("rejects what was asked when it closes, and what it could not store before", async () => {
      const troupe = await connected({ work: false })
      const asked = rejection(troupe.ask(add, { a: 1, b: 2 }))
      // What was asked has been stored by then, and waits for its result.
      await troupe.submit(add, { a: 1, b: 2 })
      const submitted = troupe.submit(add, { a: 1, b: 2 }).catch((error: unknown) => error)

      await troupe.close()

      expect(await asked).toBeInstanceOf(TroupeClosed)
      const outcome = (await submitted) as object
      expect("id" in outcome || outcome instanceof TroupeClosed).toBe(true)
    })

    test("runs the queues it is told to, until it is told to stop", async () => {
      await using troupe = await connected({ work: false })
      const work = await troupe.work({ queues: { numbers: 2 } })
      const [here, elsewhere] = await Promise.all([
        troupe.submit(add, { a: 1, b: 2 }, { queue: "numbers" }),
        troupe.submit(add, { a: 1, b: 2 })
      ])

      expect(await here.result()).toEqual({ sum: 3 })
      expect(await elsewhere.state()).toBe("queued")
      await work.stop()
      const later = await troupe.submit(add, { a: 1, b: 2 }, { queue: "numbers" })
      expect(await rejection(later.result({ timeout: "50 millis" }))).toMatchObject({ _tag: "ResultTimeout" })
    })

    it.live("is the same in Effect", () =>
      Effect.gen(function* () {
        const troupe = yield* Fx.Troupe
        const task = yield* troupe.submit(speak, { words: ["a", "b"] })

        const events = yield* Stream.runCollect(task.events())

        expect(events.flatMap((event) => (event.type === "chunk" ? [event.chunk] : []))).toEqual(["a", "b"])
        expect(yield* task.result()).toBe(2)
        expect(yield* Effect.flip(troupe.ask("ad", {}))).toMatchObject({ _tag: "UnknownHandler" })
      }).pipe(Effect.provide(Fx.Troupe.layer({ ...place(), handlers, work: true })))
    )
  })
}

describe("the library", () => {
  test("submits from one program to be run by another", async () => {
    const options = stores.Redis()
    await using worker = await connect({ ...options, handlers: [add], work: true })
    await using troupe = await connect(options)

    const task = await troupe.submit(add, { a: 20, b: 22 })

    expect(await task.result({ timeout: "5 seconds" })).toEqual({ sum: 42 })
    expect(await worker.result(task.id)).toEqual({ sum: 42 })
  })

  test("takes the newest definition of a name for what counts", async () => {
    await using troupe = await connect({ ...stores.memory(), handlers: [add], work: true })
    const join = defineTask({
      name: "add",
      input: z.object({ a: z.string(), b: z.string() }),
      run: ({ a, b }) => a + b
    })

    expect(await troupe.ask(join, { a: "to", b: "day" })).toBe("today")
    expect(await rejection(troupe.ask("add", { a: 1, b: 2 }))).toMatchObject({ _tag: "SubmitRefused" })
  })

  test("says on a task's handle that no worker can run it, or rejects where it is set to", async () => {
    const settings = { log: "None" } as const
    await using troupe = await connect({ ...stores.memory(), handlers: [add], settings })
    expect(await troupe.submit(add, { a: 1, b: 2 })).toMatchObject({
      warning: "no live worker serves queue default: the task waits until one does"
    })
    await using strict = await connect({
      ...stores.memory(),
      handlers: [add],
      settings: { ...settings, unserved: "refuse" }
    })
    expect(await rejection(strict.submit(add, { a: 1, b: 2 }))).toBeInstanceOf(NoWorker)
    await using work = await strict.work()
    expect(work).toBeDefined()
    expect((await strict.submit(add, { a: 1, b: 2 })).warning).toBeUndefined()
  })

  test("says at once what cannot be a Redis", async () => {
    expect(await rejection(connect({ redisUrl: "http://127.0.0.1" }))).toMatchObject({
      _tag: "RedisUnusable",
      problem: "address"
    })
  })

  test("gives what a schema of effect encodes", async () => {
    const when = defineTask.effect({
      name: "when",
      input: Schema.Struct({ at: Schema.DateTimeUtcFromString }),
      output: Schema.Struct({ at: Schema.DateTimeUtcFromString }),
      run: ({ at }) => Effect.succeed({ at })
    })
    await using troupe = await connect({ ...stores.memory(), handlers: [when], work: true })

    expect(await troupe.ask(when, { at: "2030-01-01T00:00:00.000Z" })).toEqual({
      at: "2030-01-01T00:00:00.000Z"
    })
  })
})
