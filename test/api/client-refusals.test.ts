/** What the library refuses of what it is given, before anything is done with it. */
import { describe, expect, test } from "bun:test"
import { Effect, Redacted } from "effect"
import * as Fx from "../../api/client/effect.ts"
import {
  connect,
  type ConnectOptions,
  defineTask,
  QueryRefused,
  SettingsError,
  type SubmitOptions
} from "../../api/client/index.ts"
import { http } from "../../api/http/index.ts"
import { testTroupe } from "../../api/testing/index.ts"
import { redisUrl } from "../support/redis.ts"
import { rejection } from "../support/rejection.ts"

const ok = defineTask({ name: "ok", run: () => "done" })

const options: ConnectOptions = { store: "memory", handlers: [ok], settings: { log: "None" } }

describe("a connection", () => {
  test("is refused for a namespace that the setting could not be", async () => {
    for (const namespace of ["a b", "", "a".repeat(65), "a{b} c:\n"]) {
      for (const said of [{ namespace }, { settings: { ...options.settings, namespace } }]) {
        const refused = await rejection(connect({ ...options, ...said }))
        expect(refused).toBeInstanceOf(SettingsError)
        expect(refused).toMatchObject({
          message: `namespace: "${namespace}" is not 1 to 64 of A-Z a-z 0-9 _ . -`
        })
      }
    }
    await using troupe = await connect({ ...options, namespace: "A-z_0.9" })
    expect(troupe).toBeDefined()
  })

  test("is refused for a store that there is not", async () => {
    const refused = await rejection(connect({ ...options, store: "mem" as "memory" }))
    expect(refused).toBeInstanceOf(SettingsError)
    expect(refused).toMatchObject({ message: 'store: "mem" is neither "redis" nor "memory"' })
  })

  test("is refused for an option that nobody reads, before it goes elsewhere than was meant", async () => {
    const url = "redis://127.0.0.1:1"
    const refusals: ReadonlyArray<readonly [ask: () => Promise<unknown>, message: string]> = [
      [
        () => connect({ ...options, redisURL: url } as object),
        "redisURL: there is no such option; did you mean redisUrl?"
      ],
      [() => connect({ ...options, work: { documents: 8 } } as object), "documents: there is no such option"],
      [
        () => connect({ ...options, settings: { ...options.settings, retenton: 1 } } as object),
        "retenton: there is no such option; did you mean retention?"
      ],
      [() => http({ redisUrl: url } as object), "redisUrl: there is no such option"],
      [
        () => testTroupe({ handlers: [ok], quues: { default: 1 } } as Parameters<typeof testTroupe>[0]),
        "quues: there is no such option; did you mean queues?"
      ]
    ]

    for (const [ask, message] of refusals) {
      const error = await rejection(ask())
      expect(error).toBeInstanceOf(SettingsError)
      expect(error).toMatchObject({ message })
    }
  })

  test("refuses to wait for what is no duration, and stores nothing", async () => {
    await using troupe = await connect(options)
    const task = await troupe.submit(ok, null)
    for (const timeout of [Number.NaN, "2 blinks" as "1 second"]) {
      const asked = await rejection(troupe.ask(ok, null, { timeout }))
      expect(asked).toMatchObject({ _tag: "SubmitRefused", faults: [{ path: "/timeout" }] })
      const told = await rejection(troupe.agent("none", "k").ask("m", null, { timeout }))
      expect(told).toMatchObject({ _tag: "SubmitRefused", faults: [{ path: "/timeout" }] })
      expect(await rejection(task.result({ timeout }))).toMatchObject({ faults: [{ path: "/timeout" }] })
    }
    expect((await troupe.queues.get("default")).depth.normal).toBe(1)
  })

  test("refuses to wait by another name than timeout, which would be for ever", async () => {
    await using troupe = await connect(options)
    const task = await troupe.submit(ok, null)
    const other = { timeoutMs: 50 } as object
    const message = "there is no such option; did you mean timeout?"

    for (const wait of [
      task.result(other),
      troupe.result(task.id, other),
      troupe.ask(ok, null, other),
      troupe.agent("none", "k").ask("m", null, other)
    ]) {
      expect(await rejection(wait)).toMatchObject({ faults: [{ path: "/timeoutMs", message }] })
    }
    expect(await rejection(task.result(50 as {}))).toMatchObject({ _tag: "SubmitRefused" })
    await using tested = await testTroupe({ handlers: [ok] })
    expect(await rejection(tested.idle({ withn: "1 day" } as object))).toMatchObject({
      message: "idle: withn: there is no such option; did you mean within?"
    })
  })

  test("refuses an option that a method has not, before it waits, pauses or destroys", async () => {
    const never = defineTask({
      name: "never",
      retry: { attempts: 1 },
      run: () => {
        throw new Error("no")
      }
    })
    await using troupe = await connect({ ...options, handlers: [never] })
    const task = await troupe.submit(never, null)
    await using _ = await troupe.work()
    await rejection(task.result())
    const dry = { dryRn: true } as object
    const after = { aftr: "1-1" } as object
    const calls: ReadonlyArray<readonly [call: () => Promise<unknown>, message: string]> = [
      [
        () => Array.fromAsync(task.events(after)),
        "events: aftr: there is no such option; did you mean after?"
      ],
      [
        () => Array.fromAsync(troupe.events({}, after)),
        "events: aftr: there is no such option; did you mean after?"
      ],
      [() => troupe.dead.purge({}, dry), "dead.purge: dryRn: there is no such option; did you mean dryRun?"],
      [() => troupe.dead.purge({}, true as {}), "dead.purge: the options are no object but true"],
      [() => troupe.dead.retry({}, dry), "dead.retry: dryRn: there is no such option; did you mean dryRun?"],
      [
        () => troupe.queues.purge("default", dry),
        "queues.purge: dryRn: there is no such option; did you mean dryRun?"
      ],
      [
        () => troupe.queues.move("default", { to: "other" }, dry),
        "queues.move: dryRn: there is no such option; did you mean dryRun?"
      ],
      [
        () => troupe.queues.pause("default", { kye: "k" } as object),
        "queues.pause: kye: there is no such option; did you mean key?"
      ],
      [
        () => task.cancel({ reasn: "no" } as object),
        "cancel: reasn: there is no such option; did you mean reason?"
      ],
      [
        () => troupe.stats({ minute: 5 } as object),
        "stats: minute: there is no such option; did you mean minutes?"
      ]
    ]

    for (const [call, message] of calls) {
      const refused = await rejection(call())
      expect(refused).toBeInstanceOf(TypeError)
      expect(refused).toMatchObject({ message })
    }
    expect((await troupe.dead.list()).dead.map(({ id }) => id)).toEqual([task.id])
    expect((await troupe.queues.get("default")).paused).toBe(false)
  })

  test("is refused for queues that the setting could not be", async () => {
    for (const concurrency of [0, Number.NaN, -1, 10_001, 1.5, Number.POSITIVE_INFINITY]) {
      const queues = { default: concurrency }
      const reason = `"default:${concurrency}" is not queue:concurrency, as in documents:8 (1 to 10000 at a time)`
      for (const refused of [
        await rejection(connect({ ...options, work: { queues } })),
        await rejection(testTroupe({ handlers: [ok], queues }))
      ]) {
        expect(refused).toBeInstanceOf(SettingsError)
        expect(refused).toMatchObject({ setting: "queues", reason })
      }
    }
    for (const queue of ["A B", "", "a,b", "a:8", " a"]) {
      expect(await rejection(connect({ ...options, work: { queues: { [queue]: 1 } } }))).toMatchObject({
        message: `queues: "${queue}" is not 1 to 63 of a-z 0-9 _ -`
      })
    }
  })

  test("is refused work in queues that cannot be, and goes on", async () => {
    await using troupe = await connect(options)

    expect(await rejection(troupe.work({ queues: { default: 0 } }))).toBeInstanceOf(SettingsError)

    await using _ = await troupe.work({ queues: { default: 10_000 } })
    expect(await troupe.ask(ok, {})).toBe("done")
  })

  test("is refused for handlers that are none", async () => {
    const refusals: ReadonlyArray<readonly [handlers: unknown, reason: string]> = [
      ["folder", `"folder" is no list of definitions; a folder of them is named by settings.handlers`],
      [{ ok }, "not a list of definitions"],
      [[ok, { name: "x", run: ok }], "number 2 of them was made by neither defineTask nor defineAgent"],
      [[undefined], "number 1 of them was made by neither defineTask nor defineAgent"]
    ]

    for (const [given, reason] of refusals) {
      const handlers = given as ReadonlyArray<typeof ok>
      for (const refused of [
        await rejection(connect({ ...options, handlers })),
        await rejection(testTroupe({ handlers })),
        await rejection(http({ handlers, settings: { redisUrl: Redacted.make(redisUrl), log: "None" } }))
      ]) {
        expect(refused).toBeInstanceOf(SettingsError)
        expect(refused).toMatchObject({ setting: "handlers", reason })
      }
    }
  })

  test("is refused for two handlers of one name, and takes one that is said twice", async () => {
    const handlers = [ok, ok, defineTask({ name: "ok", run: () => "something else" })]

    for (const refused of [
      await rejection(connect({ ...options, handlers })),
      await rejection(testTroupe({ handlers })),
      await rejection(http({ handlers, settings: { redisUrl: Redacted.make(redisUrl), log: "None" } }))
    ]) {
      expect(refused).toBeInstanceOf(SettingsError)
      expect(refused).toMatchObject({ message: "handlers: another handler is already called ok" })
    }
    await using troupe = await connect({ ...options, handlers: [ok, ok], work: true })
    expect(await troupe.ask("ok", {})).toBe("done")
  })
})

describe("a submit", () => {
  test("is refused for a delay that is no number", async () => {
    await using troupe = await connect(options)

    expect(await rejection(troupe.submit(ok, {}, { delay: Number.NaN }))).toMatchObject({
      faults: [{ path: "/delay", message: `not a duration such as "10 seconds"` }]
    })
    expect(
      await rejection(troupe.schedules.create(ok, {}, { every: "1 minute", jitter: Number.NaN }))
    ).toMatchObject({ faults: [{ path: "/jitter" }] })
  })

  test("and a schedule are refused for an option that nobody reads, by its name here", async () => {
    await using troupe = await connect(options)
    const message = (meant: string) => `there is no such option; did you mean ${meant}?`

    expect(await rejection(troupe.submit(ok, {}, { dely: "1 hour" } as object))).toMatchObject({
      faults: [{ path: "/dely", message: message("delay") }]
    })
    expect(await rejection(troupe.submit(ok, {}, { timeoutMs: 5 } as object))).toMatchObject({
      faults: [{ path: "/timeoutMs", message: message("timeout") }]
    })
    expect(await rejection(troupe.schedules.create(ok, {}, { evry: "1 hour" } as object))).toMatchObject({
      _tag: "ScheduleRefused",
      faults: [{ path: "/evry", message: message("every") }]
    })
    const { id } = await troupe.submit(ok, {}, { delay: undefined as never, priority: "high" })
    expect(await troupe.task(id)).toMatchObject({ priority: "high" })
  })

  test("is refused for what is neither a name nor a definition, and names are found as before", async () => {
    await using troupe = await connect(options)
    const reason = "neither the name of a handler nor what defineTask or defineAgent made"

    for (const none of [undefined, null, 7, {}, { name: 7 }]) {
      expect(await rejection(troupe.submit(none as unknown as string, {}))).toMatchObject({
        faults: [{ path: "/task", message: reason }]
      })
      expect(
        await rejection(troupe.agent((none ?? {}) as unknown as string, "k").tell("m", {}))
      ).toMatchObject({
        message: `/task: ${reason}`
      })
    }
    expect(await rejection(troupe.submit("okk", {}))).toMatchObject({ _tag: "UnknownHandler", nearest: "ok" })
  })

  test("and a schedule are told what is wrong by the names of options", async () => {
    await using troupe = await connect(options)
    const hour = { delay: "1 hour" } as const
    const between = (min: number, max: number) => `Expected a value between ${min} and ${max} milliseconds`
    const refusals: ReadonlyArray<readonly [options: SubmitOptions, path: string, message: string]> = [
      [{ ...hour, expires: "1 second" }, "/expires", "is over before the task is due"],
      [{ ...hour, deadline: "1 second" }, "/deadline", "is over before the task is due"],
      [{ ...hour, runAt: "2040-01-01T00:00:00Z" }, "/runAt", "give either delay or runAt"],
      [{ timeout: 0 }, "/timeout", between(1, 315_360_000_000)],
      [{ cache: { for: 0 } }, "/cache/for", between(1, 315_360_000_000)],
      [{ retry: { backoff: { base: -1 } } }, "/retry/backoff/base", between(0, 86_400_000)]
    ]

    for (const [said, path, message] of refusals) {
      const fault = { faults: [{ path, message }] }
      expect(await rejection(troupe.submit(ok, {}, said))).toMatchObject(fault)
      const [one] = await troupe.submitAll([{ task: ok, input: {}, ...said }])
      expect(one).toMatchObject({ status: "rejected", reason: fault })
      const { timeout, ...others } = said
      if (timeout === undefined) {
        expect(await rejection(troupe.ask(ok, {}, { ...others, timeout: "1 second" }))).toMatchObject(fault)
      }
    }
    expect(await rejection(troupe.schedules.create(ok, {}, {}))).toMatchObject({
      faults: [{ path: "/cron", message: "say when it is due: give one of cron, every and at" }]
    })
    expect(await rejection(troupe.schedules.create(ok, {}, { every: 5 }))).toMatchObject({
      faults: [{ path: "/every", message: between(1_000, 315_360_000_000) }]
    })
  })

  test("is refused for whatever of its retry policy is not known or cannot be, by its name here", async () => {
    await using troupe = await connect(options)
    const refusals: ReadonlyArray<readonly [retry: unknown, path: string, message: string]> = [
      [{ atempts: 5 }, "/retry/atempts", "there is no such option; did you mean attempts?"],
      [{ backoff: { fixd: 5 } }, "/retry/backoff/fixd", "there is no such option; did you mean fixed?"],
      [{ backoff: { base: Number.NaN } }, "/retry/backoff/base", `not a duration such as "10 seconds"`],
      [{ backoff: { fixed: "often" } }, "/retry/backoff/fixed", `not a duration such as "10 seconds"`],
      [3, "/retry", "Expected object"],
      [null, "/retry", "Expected object"],
      [{ backoff: "1 second" }, "/retry/backoff", "Expected object | undefined"],
      // That is for handlers alone.
      [{ backoff: () => "1 second" }, "/retry/backoff", "Expected object | undefined"]
    ]

    for (const [retry, path, message] of refusals) {
      const refused = await rejection(troupe.submit(ok, {}, { retry } as SubmitOptions))
      expect(refused).toMatchObject({ _tag: "SubmitRefused", faults: [{ path, message }] })
    }
    const { id } = await troupe.submit(
      ok,
      {},
      { retry: { attempts: 7, backoff: { base: "2 seconds", cap: 60_000, factor: 3, jitter: false } } }
    )
    expect(await troupe.task(id)).toMatchObject({ maxAttempts: 7 })
  })
})

describe("a question", () => {
  test("rejects where it is not what it must be, and throws nothing", async () => {
    await using troupe = await connect(options)
    const nothing = undefined as never

    expect(await rejection(troupe.cancel(nothing))).toMatchObject({ _tag: "InvalidTaskId" })
    expect(await rejection(troupe.task(nothing))).toMatchObject({ _tag: "InvalidTaskId" })
    expect(await rejection(troupe.dead.purge(nothing))).toBeInstanceOf(QueryRefused)
    expect(await rejection(troupe.dead.retry(nothing))).toBeInstanceOf(QueryRefused)
    expect(await rejection(troupe.tasks("failed" as never))).toBeInstanceOf(QueryRefused)
    expect(await rejection(troupe.retry("an id", null as never))).toBeInstanceOf(Error)
    expect(await rejection(troupe.schedules.list(null as never))).toBeInstanceOf(QueryRefused)
  })

  test("after what becomes of all tasks is refused for a filter that says something else", async () => {
    await using troupe = await connect(options)
    const refusals: ReadonlyArray<readonly [filter: unknown, path: string, message: string]> = [
      [{ tpyes: ["task.failed"] }, "/tpyes", "there is no such field; did you mean types?"],
      [{ names: "ok" }, "/names", "Expected array"],
      [{ queues: ["A B"] }, "/queues/0", expect.any(String) as never],
      [{ types: ["x"] }, "/types/0", expect.stringContaining("task.failed") as never],
      [7, "", "Expected object"]
    ]

    for (const [filter, path, message] of refusals) {
      const refused = await rejection(Array.fromAsync(troupe.events(filter as {})))
      expect(refused).toBeInstanceOf(QueryRefused)
      expect(refused).toMatchObject({ faults: [{ path, message }] })
    }
    for await (const news of troupe.events({ types: ["task.failed"], names: undefined as never })) {
      expect(news.type).toBe("listening")
      break
    }
  })

  test("is refused in effects as in promises", () =>
    Effect.gen(function* () {
      const troupe = yield* Fx.Troupe

      expect(yield* Effect.flip(troupe.cancel(undefined as never))).toMatchObject({ _tag: "InvalidTaskId" })
      expect(yield* Effect.flip(troupe.dead.purge(undefined as never))).toMatchObject({
        _tag: "QueryRefused"
      })
    }).pipe(Effect.provide(Fx.Troupe.layer(options)), Effect.runPromise))
})
