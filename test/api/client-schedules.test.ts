/** Schedules from code and on the command line, fired by real workers. */
import { describe, expect, test } from "bun:test"
import { Effect, Schema } from "effect"
import * as Fx from "../../api/client/effect.ts"
import { connect, defineTask } from "../../api/client/index.ts"
import { it } from "../support/effect.ts"
import { programIn } from "../support/program.ts"
import { aNamespace, redisUrl } from "../support/redis.ts"
import { rejection } from "../support/rejection.ts"

const greet = defineTask({
  name: "greet",
  input: Schema.Struct({ who: Schema.String }),
  run: ({ who }) => `hello, ${who}`
})

const aConnection = (namespace = aNamespace()) =>
  connect({ redisUrl, namespace, handlers: [greet], settings: { log: "Warn" } })

/** Asks until what is asked is so. */
const until = async <A>(ask: () => Promise<A>, is: (answer: A) => boolean): Promise<A> => {
  for (;;) {
    const answer = await ask()
    if (is(answer)) return answer
    await Bun.sleep(20)
  }
}

describe("the library", () => {
  test("makes a schedule whose tasks run, slot after slot", async () => {
    await using troupe = await aConnection()
    await using _ = await troupe.work()
    const made = await troupe.schedules.create(greet, { who: "Ada" }, { id: "s", every: "1 second" })
    expect(made).toMatchObject({ id: "s", everyMs: 1_000, input: { who: "Ada" } })

    const { history } = await until(
      () => troupe.schedules.get("s"),
      ({ history }) => history.filter(({ state }) => state === "succeeded").length >= 2
    )

    const [later, sooner] = history.slice(-2)
    expect(later!.slot - sooner!.slot).toBe(1_000)
    expect(sooner!.slot).toBe(made.nextRuns[0]!)
    expect(await troupe.result(sooner!.task!)).toBe("hello, Ada")
  }, 20_000)

  test("starts a single run when its time has come, though it was made while the schedulers slept", async () => {
    await using troupe = await aConnection()
    await using _ = await troupe.work()
    const at = new Date(Date.now() + 1_500)
    await troupe.schedules.create(greet, { who: "Eve" }, { id: "s", at })
    const { lastRun } = await until(
      () => troupe.schedules.get("s"),
      ({ lastRun }) => lastRun !== undefined
    )

    expect(await troupe.result(lastRun!.task!)).toBe("hello, Eve")
    // It was woken: nobody looks that often by itself.
    expect(lastRun!.at - at.getTime()).toBeWithin(0, 1_500)
  }, 20_000)

  test("updates, pauses, resumes, runs and deletes a schedule", async () => {
    await using troupe = await aConnection()
    const { schedules } = troupe
    const cron = { cron: "0 9 * * *", timeZone: "America/New_York" }
    await schedules.create(greet, { who: "Ada" }, { id: "s", ...cron, jitter: "1 minute", tags: ["t"] })
    expect(await schedules.update("s", greet, { who: "Bob" }, cron)).toMatchObject({ input: { who: "Bob" } })
    expect(await schedules.pause("s")).toMatchObject({ paused: true })
    expect(await schedules.resume("s")).toMatchObject({ paused: false })
    const run = await schedules.run("s")
    await using _ = await troupe.work()
    expect(await troupe.result(run.outcome === "submitted" ? run.task : "")).toBe("hello, Bob")
    expect(await schedules.list()).toMatchObject({ schedules: [{ id: "s" }] })

    await schedules.delete("s")

    expect(await schedules.list()).toEqual({ schedules: [] })
    expect(await rejection(schedules.get("s"))).toMatchObject({ _tag: "ScheduleNotFound" })
  }, 20_000)

  test("puts a schedule at every start, whether it is new, as it was, or another one, and leaves it paused", async () => {
    await using troupe = await aConnection()
    const { schedules } = troupe
    const made = await schedules.put("s", greet, { who: "Ada" }, { every: "1 minute" })
    const again = await schedules.put("s", greet, { who: "Ada" }, { every: "1 minute" })
    expect(again.nextRuns).toEqual(made.nextRuns)
    await schedules.pause("s")
    const other = await schedules.put("s", greet, { who: "Bob" }, { cron: "0 9 * * *" })
    expect(other).toMatchObject({ id: "s", cron: "0 9 * * *", input: { who: "Bob" }, paused: true })
    const resumed = await schedules.put("s", greet, { who: "Bob" }, { cron: "0 9 * * *", paused: false })
    expect(resumed).toMatchObject({ paused: false, createdAt: made.createdAt })
  })

  test("puts one schedule however many processes say at once what it is", async () => {
    const namespace = aNamespace()
    await using one = await aConnection(namespace)
    await using other = await aConnection(namespace)

    const put = await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        (at % 2 ? one : other).schedules.put("s", greet, { who: `${at}` }, { every: "1 minute" })
      )
    )

    const { schedules } = await one.schedules.list()
    expect(schedules).toHaveLength(1)
    expect(put.map(({ createdAt }) => createdAt)).toEqual(put.map(() => schedules[0]!.createdAt))
  })

  test("rejects what does not fit, with its place", async () => {
    await using troupe = await aConnection()
    const { create } = troupe.schedules
    const faults = async (made: Promise<unknown>) =>
      ((await rejection(made)) as { faults: ReadonlyArray<{ path: string }> }).faults.map(({ path }) => path)

    expect(await faults(create("greet", { who: 7 }, { every: "1 minute" }))).toEqual(["/input/who"])
    expect(await faults(create(greet, { who: "a" }, { every: "soon" as "1 second" }))).toEqual(["/every"])
    expect(
      await faults(create(greet, { who: "a" }, { timeout: "soon" as "1 second", cron: "* * * * *" }))
    ).toEqual(["/timeout"])
    expect(await faults(create(greet, { who: "a" }, {}))).toEqual(["/cron"])
    expect(await faults(create(greet, { who: "a" }, { at: new Date(Number.NaN) }))).toEqual(["/at"])
    expect(await faults(troupe.schedules.put("s", greet, { who: "a" }, { every: Number.NaN }))).toEqual([
      "/every"
    ])
    // @ts-expect-error the input is that of the definition
    expect(await faults(create(greet, { whom: "a" }, { every: "1 minute" }))).toEqual(["/input/who"])
  })

  it.live("says the same in Effect, with its errors in their channel", () =>
    Effect.gen(function* () {
      const { schedules } = yield* Fx.Troupe
      yield* schedules.create(greet, { who: "Ada" }, { id: "s", every: "1 minute" })
      const exists = schedules.create(greet, { who: "Bob" }, { id: "s", every: "1 minute" })
      expect(yield* Effect.flip(exists)).toBeInstanceOf(Fx.ScheduleExists)
      expect(yield* Effect.flip(schedules.get("none"))).toBeInstanceOf(Fx.ScheduleNotFound)
    }).pipe(
      Effect.provide(Fx.Troupe.layer({ store: "memory", handlers: [greet], settings: { log: "Warn" } }))
    )
  )
})

describe("troupe schedules", () => {
  test("makes, lists, shows, runs, pauses, resumes and deletes schedules", async () => {
    const namespace = aNamespace()
    const { troupe } = programIn(namespace)
    const schedules = (...args: ReadonlyArray<string>) => troupe(["schedules", ...args])
    await using library = await aConnection(namespace)
    const on = "shop.add"
    const made = await schedules(
      ...["create", on, "--id", "daily", "--cron", "30 2 * * *", "--time-zone", "Europe/Berlin"],
      ...["--overlap", "skip", "--input", '{"a": 1, "b": 2}']
    )
    expect(made).toMatchObject({ code: 0, stdout: "daily\n", stderr: expect.stringContaining("next at ") })

    const listed = await schedules()
    expect(listed.stdout.split("\t").slice(0, 4)).toEqual(["daily", on, "30 2 * * * Europe/Berlin", "active"])
    const run = await schedules("run", "daily", "--json")
    expect(JSON.parse(run.stdout)).toMatchObject({ outcome: "submitted" })
    const busy = await schedules("run", "daily")
    expect(busy).toMatchObject({ code: 4, stderr: expect.stringContaining("runs already") })
    expect((await schedules("pause", "daily")).stdout).toContain("paused")
    const shown = await schedules("show", "daily")
    expect(shown.stdout).toContain("state      paused")
    expect(shown.stdout).toContain("by hand  queued  ")
    expect((await schedules("resume", "daily", "--json")).stdout).toContain('"paused":false')

    expect(await schedules("delete", "daily")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("deletes 1 schedule")
    })
    expect(await schedules("delete", "daily", "--yes")).toMatchObject({ code: 0, stdout: "1\n" })
    expect(await schedules("show", "daily")).toMatchObject({ code: 3 })
    expect(await library.schedules.list()).toEqual({ schedules: [] })
  }, 120_000)

  test("says what does not fit", async () => {
    const { troupe } = programIn(aNamespace())
    const schedules = (...args: ReadonlyArray<string>) => troupe(["schedules", ...args])
    expect(await schedules("create", "shop.add", "--cron", "99 * * * *")).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("the schedule is refused:\n  --cron: ")
    })
  }, 60_000)
})
