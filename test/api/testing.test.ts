import { describe, expect, test } from "bun:test"
import { Clock, Context, Effect, Fiber, Layer, Metric } from "effect"
import { TestClock } from "effect/testing"
import { defineTask, TaskFailed, Troupe } from "../../api/client/effect.ts"
import { TroupeClosed } from "../../api/client/index.ts"
import { testTroupe, TestTroupe, type TroupeUnderTest } from "../../api/testing/index.ts"
import "../../docs/examples/testing/cart.ts"
import "../../docs/examples/testing/outage.ts"
import "../../docs/examples/testing/pipeline.ts"
import "../../docs/examples/testing/reminder.ts"
import { rejection } from "../support/rejection.ts"

const hour = 3_600_000

const echo = defineTask({ name: "echo", run: (input: unknown) => input })
const sleeps = defineTask.effect({
  name: "sleeps",
  run: (input) => Effect.andThen(Effect.sleep(Number(input)), Clock.currentTimeMillis)
})
const waits = defineTask({ name: "waits", run: () => Bun.sleep(30) })

/** A handler that runs until the test lets it go on. */
const aGate = () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { handler: defineTask({ name: "gated", timeout: "1 hour", run: () => promise }), open: resolve }
}

const startsIn = (troupe: TroupeUnderTest, name: string, start: number) =>
  troupe.runs(name).map(({ startedAt }) => (startedAt - start) / hour)

describe("a system under test", () => {
  test("does what is due at its own time and in that order, however far time moves at once", async () => {
    await using troupe = await testTroupe({ handlers: [echo] })
    const start = troupe.now()
    await troupe.submit(echo, "third", { delay: "9 hours" })
    await troupe.submit(echo, "first", { delay: "1 hour" })
    await troupe.submit(echo, "second", { runAt: new Date(start + 2 * hour) })
    await troupe.advance("1 day")
    expect(troupe.runs(echo).map(({ input }) => input)).toEqual(["first", "second", "third"])
    expect(startsIn(troupe, "echo", start)).toEqual([1, 2, 9])
    expect(troupe.now()).toBe(start + 24 * hour)
  })

  test("gets through a year in a moment, with tasks that run and wait all the while", async () => {
    await using troupe = await testTroupe({ handlers: [sleeps, echo] })
    const start = troupe.now()
    await troupe.submit(sleeps, 300 * 24 * hour)
    await troupe.submit(echo, {}, { delay: "200 days" })
    await troupe.advance("365 days")
    expect(troupe.runs(sleeps)).toMatchObject([{ ended: "returned", output: start + 300 * 24 * hour }])
    expect(startsIn(troupe, "echo", start)).toEqual([200 * 24])
  })

  test("lets nothing happen before its time", async () => {
    await using troupe = await testTroupe({ handlers: [sleeps] })
    const task = await troupe.submit(sleeps, hour)
    await troupe.advance(hour - 1)
    expect(await task.state()).toBe("running")
    await troupe.advance(1)
    expect(await task.state()).toBe("succeeded")
  })

  test("waits for a handler that waits for real time", async () => {
    await using troupe = await testTroupe({ handlers: [waits] })
    const start = troupe.now()
    const tasks = [await troupe.submit(waits, {}), await troupe.submit(waits, {}, { delay: "1 hour" })]
    await troupe.advance("2 hours")
    for (const task of tasks) expect(await task.state()).toBe("succeeded")
    // No time of the test passed while it was waited for.
    expect(troupe.runs(waits).map(({ finishedAt }) => finishedAt! - start)).toEqual([0, hour])
  })

  test("waits for what a handler needs, which takes real time to be there", async () => {
    class Thing extends Context.Service<Thing, string>()("test/Thing") {}
    const needs = defineTask.effect({
      name: "needs",
      layer: Layer.effect(
        Thing,
        Effect.promise(() => Bun.sleep(30).then(() => "a thing"))
      ),
      run: () => Thing
    })
    await using troupe = await testTroupe({ handlers: [needs] })
    const start = troupe.now()
    const task = await troupe.submit(needs, {})
    await troupe.idle()
    expect(await task.result()).toBe("a thing")
    expect(troupe.now()).toBe(start)
  })

  test("goes on without one that waits for the test, once nothing was heard of it", async () => {
    const { handler, open } = aGate()
    await using troupe = await testTroupe({ handlers: [handler, echo], patience: "20 millis" })
    const task = await troupe.submit(handler, {})
    await troupe.submit(echo, {}, { delay: "1 minute" })
    await troupe.advance("10 minutes")
    expect(await task.state()).toBe("running")
    expect(troupe.runs(echo)).toHaveLength(1)
    open()
    await troupe.settle()
    expect(await task.state()).toBe("succeeded")
  })

  test("interrupts a run when its time is up, and not before", async () => {
    const { handler } = aGate()
    await using troupe = await testTroupe({ handlers: [handler], patience: "20 millis" })
    const task = await troupe.submit(handler, {}, { retry: { attempts: 1 } })
    await troupe.advance("59 minutes")
    expect(await task.state()).toBe("running")
    // And a handler that does not heed its signal is left to itself a second later.
    await troupe.advance("61 seconds")
    const error = await rejection(task.result())
    expect(error).toBeInstanceOf(TaskFailed)
    expect(error).toMatchObject({ error: { type: "TimedOut" } })
  })

  test("draws the same delays for the same seed, and others for another", async () => {
    const fails = defineTask({
      name: "fails",
      retry: { attempts: 6, backoff: { base: "1 hour", cap: "1 day" } },
      run: () => Promise.reject(new Error("no"))
    })
    const startsOf = async (seed?: number) => {
      await using troupe = await testTroupe({ handlers: [fails], ...(seed === undefined ? {} : { seed }) })
      await troupe.submit(fails, {})
      await troupe.idle()
      return troupe.runs(fails).map(({ startedAt }) => startedAt)
    }
    const [once, again, other] = [await startsOf(), await startsOf(), await startsOf(2)]
    expect(once).toHaveLength(6)
    expect(again).toEqual(once)
    expect(other).not.toEqual(once)
  })

  test("holds limits, gathers batches and drops results on the same clock", async () => {
    const rated = defineTask({
      name: "rated",
      limits: [{ key: "api", rate: 1, per: "1 hour" }],
      run: () => "done"
    })
    const calls: Array<number> = []
    const batched = defineTask({
      name: "batched",
      batch: { size: 10, wait: "1 minute" },
      runAll: (items) => {
        calls.push(items.length)
        return items.map(() => "done")
      }
    })
    await using troupe = await testTroupe({ handlers: [rated, batched] })
    const start = troupe.now()
    for (let count = 0; count < 3; count++) {
      await troupe.submit(rated, {})
      await troupe.submit(batched, {})
    }
    await troupe.advance("59 seconds")
    expect(calls).toEqual([])
    const [first] = troupe.runs(rated)
    await troupe.advance("4 hours")
    expect(calls).toEqual([3])
    const starts = startsIn(troupe, "rated", start)
    expect(starts).toHaveLength(3)
    for (const [at, hours] of starts.entries()) expect(hours).toBeGreaterThanOrEqual(at)
    expect(await troupe.result(first!.id)).toBe("done")
    await troupe.advance("2 days")
    expect(await rejection(troupe.result(first!.id))).toMatchObject({ _tag: "TaskGone" })
  })

  test("fires each slot of a schedule at its time", async () => {
    await using troupe = await testTroupe({ handlers: [echo], now: "2030-03-30T12:00:00Z" })
    await troupe.schedules.create(echo, "report", { cron: "30 7 * * *", timeZone: "Europe/Berlin" })
    await troupe.advance("3 days")
    // The clocks of Berlin are put forward in the first of these nights.
    expect(troupe.runs(echo).map(({ startedAt }) => new Date(startedAt).toISOString())).toEqual([
      "2030-03-31T05:30:00.000Z",
      "2030-04-01T05:30:00.000Z",
      "2030-04-02T05:30:00.000Z"
    ])
  })

  test("remembers what the runs of a handler were given and how they ended", async () => {
    const odd = defineTask({
      name: "odd",
      retry: { attempts: 2 },
      async run(input: unknown, { attempt }) {
        if (attempt === 1) throw new Error("once more")
        return input
      }
    })
    await using troupe = await testTroupe({ handlers: [odd] })
    const { id } = await troupe.submit(odd, "input")
    await troupe.idle()
    expect(troupe.runs("odd")).toMatchObject([
      { id, attempt: 1, input: "input", ended: "threw", error: new Error("once more") },
      { id, attempt: 2, input: "input", ended: "returned", output: "input" }
    ])
    expect(troupe.runs("even")).toEqual([])
  })

  test("is idle when every task has ended, and says so when time cannot bring that about", async () => {
    const { handler } = aGate()
    await using troupe = await testTroupe({ handlers: [echo, handler], patience: "20 millis" })
    const start = troupe.now()
    await troupe.submit(echo, {}, { delay: "3 hours" })
    await troupe.idle()
    expect(troupe.now()).toBe(start + 3 * hour)

    await troupe.submit(echo, {}, { delay: "3 hours" })
    const late = "the next thing is due at 2030-01-01T06:00:00.000Z, which is later than was allowed"
    expect(await rejection(troupe.idle({ within: "1 hour" }))).toMatchObject({ tasks: 1, reason: late })
    await troupe.settle()
    expect(troupe.now()).toBe(start + 4 * hour)
    await troupe.idle()

    await troupe.queues.pause("default")
    await troupe.submit(echo, {})
    expect(await rejection(troupe.idle())).toMatchObject({ _tag: "StillBusy", tasks: 1 })
  })

  test("is not idle while a task lives in a queue that nothing serves", async () => {
    await using troupe = await testTroupe({ handlers: [echo] })
    const task = await troupe.submit(echo, {}, { queue: "elsewhere" })
    await troupe.submit(echo, {}, { queue: "nowhere", delay: "1 hour" })
    expect(await rejection(troupe.idle())).toMatchObject({ _tag: "StillBusy", tasks: 2 })
    expect(await task.state()).toBe("queued")
    await troupe.queues.purge("elsewhere")
    await troupe.queues.purge("nowhere")
    await troupe.idle()
  })

  test("moves no more once it is closed, nor finishes a move that is under way", async () => {
    const { handler } = aGate()
    const troupe = await testTroupe({ handlers: [echo, handler], patience: "20 millis" })
    const { id } = await troupe.submit(handler, {})
    const moving = rejection(troupe.advance("1 day"))
    await troupe.close()
    expect(await moving).toBeInstanceOf(TroupeClosed)
    for (const late of [
      troupe.advance("1 day"),
      troupe.setTime("2031-01-01T00:00:00Z"),
      troupe.settle(),
      troupe.idle(),
      troupe.eventsSoFar(id),
      troupe.stats()
    ])
      expect(await rejection(late)).toBeInstanceOf(TroupeClosed)
  })

  test("moves through several calls one after the other", async () => {
    await using troupe = await testTroupe({ handlers: [echo], now: "2031-05-01T12:00:00Z" })
    await Promise.all([troupe.advance("1 hour"), troupe.advance("1 hour"), troupe.settle()])
    expect(new Date(troupe.now()).toISOString()).toBe("2031-05-01T14:00:00.000Z")
    await troupe.setTime("2031-05-02T00:00:00Z")
    expect(new Date(troupe.now()).toISOString()).toBe("2031-05-02T00:00:00.000Z")
  })

  test("refuses a time that is over, and what is no time or duration", async () => {
    await using troupe = await testTroupe({ handlers: [] })
    expect(await rejection(troupe.setTime("2029-12-31T23:00:00Z"))).toMatchObject({
      reason: "2029-12-31T23:00:00.000Z is over: the test's clock shows 2030-01-01T00:00:00.000Z"
    })
    expect(await rejection(troupe.setTime("soon"))).toMatchObject({ _tag: "TimeRefused" })
    expect(await rejection(troupe.advance("2 blinks" as "2 hours"))).toMatchObject({
      reason: `"2 blinks" is no duration such as "1 day"`
    })
    expect(await rejection(troupe.advance(-1))).toMatchObject({ _tag: "TimeRefused" })
    expect(await rejection(testTroupe({ handlers: [], now: "soon" }))).toMatchObject({ _tag: "TimeRefused" })
  })

  test("does not hear what the environment says", async () => {
    process.env["TROUPE_LEASE"] = "a while"
    try {
      await using troupe = await testTroupe({ handlers: [echo] })
      expect(await troupe.ask(echo, "heard")).toBe("heard")
    } finally {
      delete process.env["TROUPE_LEASE"]
    }
  })

  test("runs a handler in the test's process that has one of its own otherwise", async () => {
    const alone = defineTask({ name: "alone", isolation: "process", run: () => process.pid })
    await using troupe = await testTroupe({ handlers: [alone] })
    expect(await troupe.ask(alone, {})).toBe(process.pid)
  })

  test("watches a handler that is named only when it is used", async () => {
    const late = defineTask({ name: "late", run: () => "late" })
    await using troupe = await testTroupe({ handlers: [echo] })
    expect(await troupe.ask(late, {})).toBe("late")
    expect(troupe.runs(late)).toHaveLength(1)
  })
})

describe("the documents", () => {
  for (const name of ["reminder", "outage", "pipeline", "cart"])
    test(`show the example ${name} as it is tested`, async () => {
      const docs = `${import.meta.dir}/../../docs`
      const example = await Bun.file(`${docs}/examples/testing/${name}.ts`).text()
      expect(await Bun.file(`${docs}/library.md`).text()).toContain(`\`\`\`ts\n${example}\`\`\``)
    })
})

describe("a system under test, in Effect", () => {
  test("shares its time with the fibers of the test and with TestClock", () =>
    Effect.gen(function* () {
      const troupe = yield* Troupe
      const { advance, runs } = yield* TestTroupe
      const sleeper = yield* Effect.forkChild(Effect.sleep("90 minutes"))
      yield* troupe.submit(echo, {}, { delay: "1 hour" })
      yield* TestClock.adjust("1 hour")
      expect(runs(echo)).toHaveLength(1)
      expect(sleeper.pollUnsafe()).toBeUndefined()
      yield* advance("30 minutes")
      expect(sleeper.pollUnsafe()).toBeDefined()
      expect(yield* Clock.currentTimeMillis).toBe(Date.UTC(2030, 0, 1, 1, 30))
    }).pipe(Effect.provide(TestTroupe.layer({ handlers: [echo] })), Effect.runPromise))

  test("leaves no fiber behind, whatever runs and waits when its scope is left", async () => {
    let alive = 0
    const count = {
      recordFiberStart: () => void (alive += 1),
      recordFiberEnd: () => void (alive -= 1)
    }
    const { handler } = aGate()
    const inside = await Effect.gen(function* () {
      const troupe = yield* Troupe
      const { advance } = yield* TestTroupe
      const task = yield* troupe.submit(sleeps, 10 * hour)
      yield* troupe.submit(handler, {})
      yield* troupe.submit(echo, {}, { delay: "1 day" })
      yield* Effect.forkChild(task.result())
      yield* advance("1 hour")
      expect(yield* task.state).toBe("running")
      return alive
    }).pipe(
      Effect.provide(TestTroupe.layer({ handlers: [sleeps, handler, echo], patience: "20 millis" })),
      Effect.forkChild,
      Effect.flatMap(Fiber.join),
      Effect.provideService(Metric.FiberRuntimeMetrics, count),
      Effect.runPromise
    )
    expect(inside).toBeGreaterThan(5)
    expect(alive).toBe(0)
  })

  test("leaves nothing that keeps a process alive", async () => {
    const program = Bun.spawn([process.execPath, `${import.meta.dir}/programs/tested.ts`], {
      stdout: "pipe",
      stderr: "pipe"
    })
    const [output, errors, status] = await Promise.all([
      new Response(program.stdout).text(),
      new Response(program.stderr).text(),
      program.exited
    ])
    expect({ output, errors, status }).toEqual({ output: "left\n", errors: "", status: 0 })
  })
})
