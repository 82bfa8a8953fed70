/** The library, as an operator's program uses it; its workers are real. */
import { describe, expect, test } from "bun:test"
import { Effect, Schema } from "effect"
import * as Fx from "../../api/client/effect.ts"
import { type ConnectOptions, connect, defineTask, Fatal } from "../../api/client/index.ts"
import { it } from "../support/effect.ts"
import { aNamespace, redisUrl } from "../support/redis.ts"
import { rejection } from "../support/rejection.ts"

/** What `flaky` does next: it fails while there is something here, and says it. */
const failures: Array<string> = []

const flaky = defineTask({
  name: "flaky",
  retry: { attempts: 2, backoff: { base: 0 } },
  run: () => {
    const failure = failures.shift()
    if (failure !== undefined) throw new Error(failure)
    return "done"
  }
})

const refuse = defineTask({
  name: "refuse",
  input: Schema.Struct({ n: Schema.Int }),
  run: ({ n }) => {
    throw new Fatal(`it is closed at ${n}`, { type: "Closed" })
  }
})

/** Runs until it is told to stop. */
const endless = defineTask({
  name: "endless",
  queue: "slow",
  async run(_, { signal }) {
    const { promise, resolve } = Promise.withResolvers<unknown>()
    signal.addEventListener("abort", resolve)
    await promise
  }
})

const handlers = [flaky, refuse, endless]

/** Asks until what is asked is so. */
const until = async <A>(ask: () => Promise<A>, is: (answer: A) => boolean): Promise<A> => {
  for (;;) {
    const answer = await ask()
    if (is(answer)) return answer
    await Bun.sleep(5)
  }
}

const stores = {
  memory: (): ConnectOptions => ({ store: "memory", settings: { log: "Warn" } }),
  Redis: (): ConnectOptions => ({ redisUrl, namespace: aNamespace(), settings: { log: "Warn" } })
}

for (const [name, place] of Object.entries(stores)) {
  const connected = (over: ConnectOptions = {}) => connect({ ...place(), handlers, work: true, ...over })

  describe(`an operator's program on ${name}`, () => {
    test("gives a failed task as many attempts again as it had, and keeps those before", async () => {
      await using troupe = await connected()
      failures.push("1", "2", "3", "4")
      const task = await troupe.submit(flaky, null)
      await rejection(task.result())

      await troupe.retry(task.id)
      await rejection(task.result())

      const record = await troupe.task(task.id)
      expect(record).toMatchObject({ state: "failed", attempt: 4 })
      expect(record.attempts.map(({ error }) => error?.message)).toEqual(["1", "2", "3", "4"])
      expect(failures).toEqual([])
      await troupe.retry(task.id)
      expect(await task.result()).toBe("done")
      expect(await rejection(troupe.retry(task.id))).toMatchObject({
        _tag: "NotRetryable",
        state: "succeeded"
      })
    })

    test("puts each dead letter back once, though it fails again at once", async () => {
      await using troupe = await connected()
      for (const n of [1, 2, 3]) await rejection(troupe.ask(refuse, { n }))

      expect(await troupe.dead.retry({ error: "Closed" }, { dryRun: true })).toEqual({ count: 3 })
      expect(await troupe.dead.retry({ error: "Closed" })).toEqual({ count: 3 })

      const { dead, groups } = await until(
        () => troupe.dead.list({ name: "refuse" }),
        ({ dead }) => dead.length === 3 && dead.every(({ attempt }) => attempt === 2)
      )
      expect(groups).toEqual([{ error: "Closed: it is closed at <n>", count: 3 }])
      expect(await troupe.dead.purge({ ids: [dead[0]!.id] })).toEqual({ count: 1 })
      expect((await troupe.dead.list()).dead).toHaveLength(2)
    })

    test("cancels a task while it runs", async () => {
      await using troupe = await connected()
      const task = await troupe.submit(endless, null)
      await until(task.state, (state) => state === "running")

      await troupe.cancel(task.id, { reason: "no longer wanted" })

      expect(await troupe.task(task.id)).toMatchObject({
        state: "cancelled",
        error: { message: "no longer wanted" }
      })
      expect(await rejection(troupe.cancel(task.id))).toMatchObject({ _tag: "TaskEnded", state: "cancelled" })
      expect(await rejection(troupe.cancel("nonsense"))).toMatchObject({ _tag: "InvalidTaskId" })
    })

    test("gives a delayed task another time, and lets it run now", async () => {
      await using troupe = await connected()
      const { id, result } = await troupe.submit(flaky, null, { delay: "1 hour" })
      const later = new Date(Date.now() + 7_200_000)

      expect(await troupe.reschedule(id, { runAt: later })).toEqual({
        id,
        state: "scheduled",
        dueAt: later.getTime()
      })
      expect(await troupe.task(id)).toMatchObject({ state: "scheduled", dueAt: later.getTime() })
      const soon = await troupe.reschedule(id, { delay: "30 minutes" })
      expect(soon.dueAt - Date.now()).toBeWithin(1_790_000, 1_800_001)
      expect(await troupe.reschedule(id, { delay: 0 })).toMatchObject({ id, state: "queued" })

      expect(await result()).toBe("done")
      expect(await rejection(troupe.reschedule(id, { delay: 0 }))).toMatchObject({
        _tag: "NotReschedulable",
        state: "succeeded",
        message: `${id} is succeeded; only a task that is scheduled or retrying can be given another time`
      })
    })

    test("has a task tried again now, which would have been later", async () => {
      await using troupe = await connected()
      failures.push("the other side is down")
      const { id, result, state } = await troupe.submit(flaky, null, {
        retry: { backoff: { fixed: "1 hour" } }
      })
      await until(state, (state) => state === "retrying")

      const { dueAt } = await troupe.reschedule(id, { delay: 0 })

      expect(await result()).toBe("done")
      const { attempts } = await troupe.task(id)
      expect(attempts.map(({ error }) => error?.message)).toEqual(["the other side is down", undefined])
      expect(attempts[1]!.startedAt - dueAt).toBeWithin(0, 1_000)
    })

    test("hears why a task cannot be given a time", async () => {
      await using troupe = await connected()
      const { id } = await troupe.submit(flaky, null, { delay: "1 hour", expires: "2 hours" })
      const { expiresAt } = await troupe.task(id)
      const refusals: ReadonlyArray<readonly [when: unknown, path: string, message: string]> = [
        [{}, "", "say when it is due: give delay, 0 for at once, or runAt"],
        [undefined, "", `not an object such as { delay: "10 minutes" }`],
        [{ delay: "1 hour", runAt: "2030-01-01" }, "/runAt", "give either delay or runAt"],
        [{ delay: "soon" }, "/delay", `not a duration such as "10 seconds"`],
        [{ dleay: 1 }, "/dleay", "there is no such option; did you mean delay?"],
        [{ runAt: "tomorrow" }, "/runAt", "not a time in ISO 8601, such as 2030-01-31T09:00:00Z"],
        [{ runAt: "3030-01-01" }, "/runAt", "more than ten years ahead"],
        [
          { runAt: new Date(expiresAt!) },
          "/runAt",
          `is not before its expiry, ${new Date(expiresAt!).toISOString()}`
        ]
      ]

      for (const [when, path, message] of refusals) {
        expect(await rejection(troupe.reschedule(id, when as object))).toMatchObject({
          _tag: "SubmitRefused",
          faults: [{ path, message }]
        })
      }
      expect(await rejection(troupe.reschedule("nonsense", { delay: 0 }))).toMatchObject({
        _tag: "InvalidTaskId"
      })
      const absent = id.replace(/.{8}$/, "00000000")
      expect(await rejection(troupe.reschedule(absent, { delay: 0 }))).toMatchObject({ _tag: "TaskNotFound" })
      expect(await troupe.task(id)).toMatchObject({ state: "scheduled" })
    })

    test("finds tasks by dates and by words, and says what it cannot read", async () => {
      await using troupe = await connected()
      const task = await troupe.submit(flaky, null, { tags: ["a"] })
      await task.result()
      const { submittedAt } = await troupe.task(task.id)

      const find = (from: Date | string) => troupe.tasks({ from, tag: "a", name: "flaky" })
      expect((await find(new Date(submittedAt))).tasks.map(({ id }) => id)).toEqual([task.id])
      expect((await find(new Date(submittedAt + 1).toISOString())).tasks).toEqual([])
      expect(await rejection(find(new Date("soon")))).toMatchObject({
        _tag: "QueryRefused",
        faults: [{ path: "/from" }]
      })
    })

    test("pauses, bounds, empties and moves queues", async () => {
      await using troupe = await connected()
      expect(await troupe.queues.pause("default")).toMatchObject({ name: "default", paused: true })
      const task = await troupe.submit(flaky, null)
      const queues = await troupe.queues.list()
      expect(queues.find(({ name }) => name === "default")).toMatchObject({ depth: { normal: 1 } })
      expect((await troupe.queues.limit("default", { maxDepth: 5 })).limits).toEqual({ maxDepth: 5 })
      expect(await troupe.queues.move("default", { to: "other" })).toEqual({ count: 1 })
      expect(await task.state()).toBe("cancelled")
      expect(await troupe.queues.purge("other", { dryRun: true })).toEqual({ count: 1 })
      expect(await troupe.queues.purge("other")).toEqual({ count: 1 })
      expect(await troupe.queues.resume("default")).toMatchObject({ paused: false })
      expect(await troupe.ask(flaky, null)).toBe("done")
    })

    test("sees its workers, and what happened", async () => {
      await using troupe = await connected()
      await troupe.ask(flaky, null)

      const [worker] = await until(
        () => troupe.workers.list(),
        ([worker]) => worker?.pid !== undefined
      )
      expect(worker).toMatchObject({ state: "running", pid: process.pid, running: [] })
      expect(await rejection(troupe.workers.drain("nobody"))).toMatchObject({ _tag: "WorkerNotFound" })
      const stats = await until(
        () => troupe.stats({ minutes: 5 }),
        ({ succeeded }) => succeeded > 0
      )
      expect(stats).toMatchObject({ succeeded: 1, failed: 0, successRate: 1, workers: 1, queued: 0 })
      expect(stats.run.p95Ms).toBeNumber()
    })
  })
}

it.live("the same methods are effects in troupe/effect", () =>
  Effect.gen(function* () {
    const troupe = yield* Fx.Troupe
    yield* troupe.queues.pause("default")
    const task = yield* troupe.submit(flaky, null)
    yield* troupe.cancel(task.id)
    expect((yield* troupe.tasks({ state: "cancelled" })).tasks.map(({ id }) => id)).toEqual([task.id])
    expect(yield* Effect.flip(troupe.retry(task.id))).toMatchObject({ _tag: "NotRetryable" })
    expect(yield* Effect.flip(troupe.retry("x"))).toMatchObject({ _tag: "InvalidTaskId" })
  }).pipe(Effect.provide(Fx.Troupe.layer({ store: "memory", handlers, settings: { log: "Warn" } })))
)
