/** What every store promises of schedules that are fired, in sentences. Each runs in a namespace and on a clock of its own. */
import { describe, expect } from "bun:test"
import { Duration, Effect, type Scope } from "effect"
import { ScheduleRefused } from "../../actors/schedule/definition.ts"
import { ScheduleOperator } from "../../actors/schedule/operator.ts"
import { makeScheduler } from "../../actors/schedule/scheduler.ts"
import type { ScheduleDetail } from "../../actors/schedule/view.ts"
import type { SettingsShape } from "../../runtime/config.ts"
import { defineTask } from "../../runtime/handler.ts"
import { Handlers } from "../../runtime/registry.ts"
import { Schedules, schedulesPartition } from "../../runtime/schedules.ts"
import { Store, StoreError } from "../../runtime/store.ts"
import { partitionOfId, submittedAt, ulidOfId } from "../../runtime/task.ts"
import { type Chance, chanceOf } from "../support/chance.ts"
import { it } from "../support/effect.ts"
import { advance } from "../support/promises.ts"
import type { SchedulesUnderTest, SchedulesWith } from "../support/schedules.ts"
import { partition } from "../support/stores.ts"
import { startOfTime, TestTime } from "../support/time.ts"
import { aWorker } from "../support/worker.ts"

const second = 1_000
const minute = 60 * second
/** Less than the lease of a worker that does nothing. */
const short = 20 * second

const operator = <A, E>(use: (operator: ScheduleOperator["Service"]) => Effect.Effect<A, E>) =>
  ScheduleOperator.use(use)

/** A schedule that is due every minute, the first time a minute from now, unless it is said otherwise. */
const create = Effect.fnUntraced(function* (over: object = {}) {
  const rule = "cron" in over || "at" in over ? {} : { everyMs: minute }
  const { schedule } = yield* operator(({ create }) => create({ id: "s", name: "test", ...rule, ...over }))
  return schedule
})

/** One pass of a scheduler that came to life just now. */
const pass = Effect.scoped(Effect.flatMap(makeScheduler, ({ pass }) => pass))

/** Time goes on, and a scheduler looks. */
const afterwards = Effect.fnUntraced(function* (ms: number) {
  yield* advance(ms)
  yield* pass
})

const get = operator(({ get }) => get("s"))
const after = (ms: number) => startOfTime + ms

/** What became of its slots, oldest first, in milliseconds since the test's time began. */
const historyOf = ({ history }: ScheduleDetail) =>
  history.toReversed().map(({ outcome, slot, to }) => ({
    slot: slot - startOfTime,
    ...(to === undefined ? {} : { to: to - startOfTime }),
    outcome
  }))
const history = Effect.map(get, historyOf)

/** All tasks that were ever submitted, by their slots in milliseconds since the test's time began. Takes them. */
const taken = Effect.fnUntraced(function* () {
  const runs = yield* (yield* aWorker()).claim(1_000)
  return runs.map(({ id }) => submittedAt(ulidOfId(id)) - startOfTime).sort((one, other) => one - other)
})

// ---------------------------------------------------------------------------------------------------------
// Schedulers that die
// ---------------------------------------------------------------------------------------------------------

/** A scheduler that is killed, or hears nothing, before or after any of the things it says to the store. */
const aFrailPass = (chance: Chance, share: number) =>
  Effect.gen(function* () {
    const frail = <Args extends ReadonlyArray<unknown>, A, E>(
      call: (...args: Args) => Effect.Effect<A, E>
    ) => {
      const harm = Effect.suspend(() => {
        if (!chance.of(share)) return Effect.void
        return chance.of(0.5)
          ? Effect.interrupt
          : Effect.fail(new StoreError({ operation: "test", cause: new Error("no answer") }))
      })
      return (...args: Args) =>
        Effect.andThen(
          harm,
          Effect.suspend(() => call(...args))
        ).pipe(Effect.tap(() => harm)) as Effect.Effect<A, E>
    }
    const schedules = yield* Schedules
    const store = yield* Store
    yield* pass.pipe(
      Effect.provideService(
        Schedules,
        Schedules.of({ ...schedules, due: frail(schedules.due), changeAll: frail(schedules.changeAll) })
      ),
      Effect.provideService(
        Store,
        Store.of({
          ...store,
          submit: frail(store.submit),
          outbox: frail(store.outbox),
          drop: frail(store.drop),
          ended: frail(store.ended),
          cancel: frail(store.cancel)
        })
      ),
      Effect.exit
    )
  })

export const schedulerSuite = (
  name: string,
  schedulesWith: SchedulesWith,
  seeds: ReadonlyArray<number>
): void => {
  const promise = <Act extends Effect.Effect<unknown, unknown, SchedulesUnderTest | Scope.Scope>>(
    sentence: string,
    body: () => Generator<Act, void, never>,
    { settings, timeoutMs }: { readonly settings?: Partial<SettingsShape>; readonly timeoutMs?: number } = {}
  ) =>
    it.live(
      sentence,
      () =>
        Effect.gen(body).pipe(Effect.provide(schedulesWith(settings))) as Effect.Effect<
          void,
          unknown,
          Scope.Scope
        >,
      timeoutMs
    )

  describe(`a slot of a schedule in ${name}`, () => {
    promise("is fired when it has come, and not a millisecond before", function* () {
      yield* create()

      yield* afterwards(minute - 1)
      expect(yield* taken()).toEqual([])
      yield* afterwards(1)
      expect(yield* taken()).toEqual([minute])
      expect(yield* get).toMatchObject({
        nextRuns: Array.from({ length: 10 }, (_, at) => after((at + 2) * minute)),
        lastRun: { slot: after(minute), outcome: "submitted" }
      })
    })

    promise("is fired with any number of others, by so many calls for a hundred of them", function* () {
      const count = 250
      yield* Effect.forEach(Array.from({ length: count }), (_, at) =>
        create({ id: `s${at}`, ...(at % 2 === 0 ? { overlap: "skip" } : {}) })
      )
      const calls: Array<string> = []
      const counting = <Service extends object>(service: Service): Service =>
        new Proxy(service, {
          get: (target, name) => {
            const method: unknown = Reflect.get(target, name)
            return typeof method !== "function"
              ? method
              : (...args: Array<unknown>): unknown => {
                  calls.push(String(name))
                  return Reflect.apply(method, target, args)
                }
          }
        })
      const counted = pass.pipe(
        Effect.provideService(Schedules, counting(yield* Schedules)),
        Effect.provideService(Store, counting(yield* Store))
      )
      yield* afterwards(minute - 1)
      yield* advance(1)
      yield* counted
      calls.length = 0
      yield* advance(minute)

      yield* counted

      const often = Map.groupBy(calls, (name) => name)
      expect(often.get("changeAll")).toHaveLength(3)
      // Whether the last runs live, of those that do not run beside them.
      expect(often.get("ended")).toHaveLength(3)
      expect(often.get("submit")).toHaveLength(3)
      expect(calls.length).toBeLessThan(30)
      expect(yield* taken()).toHaveLength(count + count / 2)
    })

    promise("is fired once by any number of schedulers that look at once", function* () {
      yield* create()
      for (let slot = 1; slot <= 5; slot++) {
        yield* advance(minute)
        yield* Effect.all(
          Array.from({ length: 10 }, () => pass),
          { concurrency: "unbounded" }
        )
      }

      expect(yield* taken()).toEqual([1, 2, 3, 4, 5].map((at) => at * minute))
      expect(yield* history).toHaveLength(5)
    })

    for (const seed of seeds) {
      promise(
        `is fired exactly once, whenever schedulers die and whatever the clock does (seed ${seed})`,
        function* () {
          const chance = chanceOf(seed)
          const { now, setBack } = yield* TestTime
          const overlap = chance.one(["allow", "allow", "skip", "queue", "cancel"] as const)
          const everyMs = 10 * second
          yield* create({ everyMs, missed: "run-all", overlap })
          let latest = startOfTime
          for (let round = 0; round < 25; round++) {
            if (chance.of(0.15)) yield* setBack(chance.below(30 * second))
            else yield* advance(chance.below(2.5 * everyMs))
            latest = Math.max(latest, yield* now)
            const frail = Array.from({ length: 1 + chance.below(4) }, () => aFrailPass(chance, 0.12))
            yield* Effect.all(frail, { concurrency: "unbounded" })
            if (chance.of(0.1)) yield* pass
          }
          yield* advance(latest - (yield* now))
          // What waits for another begins when that has ended.
          const seen: Array<number> = []
          for (let rest = 0; rest < 3; rest++) {
            yield* pass
            const runs = yield* (yield* aWorker()).claim(1_000)
            seen.push(...runs.map(({ id }) => submittedAt(ulidOfId(id)) - startOfTime))
            for (const run of runs) yield* run.succeed(1)
            yield* advance(second)
            latest = Math.max(latest, yield* now)
          }
          yield* pass
          const late = yield* (yield* aWorker()).claim(1_000)
          seen.push(...late.map(({ id }) => submittedAt(ulidOfId(id)) - startOfTime))
          for (const run of late) yield* run.succeed(1)

          const came = Math.floor((latest - startOfTime) / everyMs)
          const all = Array.from({ length: came }, (_, at) => (at + 1) * everyMs)
          const slots = (yield* get).history.flatMap(({ slot, to = slot }) =>
            all.filter((at) => at >= slot - startOfTime && at <= to - startOfTime)
          )
          expect(new Set(seen).size).toBe(seen.length)
          // Each slot has one note, and each that was submitted has its task.
          if (all.length <= 50) expect(slots.toSorted((one, other) => one - other)).toEqual(all)
          const submitted = (yield* get).history.filter(({ outcome }) => outcome === "submitted")
          for (const { slot, state, task } of submitted) {
            expect({ slot, task, state }).toMatchObject({
              state: expect.stringMatching(/succeeded|cancelled/)
            })
          }
          if (overlap === "allow") expect(seen.toSorted((one, other) => one - other)).toEqual(all)
        },
        { timeoutMs: 30_000 }
      )
    }

    promise(
      "is not lost when the scheduler dies after it was fired: another one submits its task",
      function* () {
        yield* create()
        yield* advance(minute)
        const store = yield* Store
        const deaf = Store.of({
          ...store,
          submit: () => Effect.fail(new StoreError({ operation: "test", cause: new Error("gone") }))
        })
        yield* Effect.exit(Effect.provideService(pass, Store, deaf))
        expect(yield* taken()).toEqual([])

        yield* pass

        expect(yield* taken()).toEqual([minute])
        expect(yield* store.outbox(schedulesPartition, 10)).toEqual([])
      }
    )

    promise(
      "is not fired again when the clock goes back, and the next one when it has come again",
      function* () {
        const { setBack } = yield* TestTime
        yield* create()
        yield* afterwards(minute)
        yield* setBack(2 * minute)
        yield* pass
        for (let at = 0; at < 3; at++) yield* afterwards(minute)

        expect(yield* history).toEqual([
          { slot: minute, outcome: "submitted" },
          { slot: 2 * minute, outcome: "submitted" }
        ])
        expect(yield* taken()).toEqual([minute, 2 * minute])
      }
    )

    promise("nor when the schedule is paused and resumed on a clock that went back", function* () {
      const { setBack } = yield* TestTime
      yield* create()
      yield* afterwards(minute)
      yield* setBack(minute)
      yield* operator(({ pause }) => pause("s"))
      expect((yield* operator(({ resume }) => resume("s"))).nextRuns[0]).toBe(after(2 * minute))
      yield* afterwards(minute)

      expect(yield* taken()).toEqual([minute])
    })

    promise("is held back by its jitter: a part of it that the slot decides", function* () {
      yield* create({ jitterMs: 30 * second })
      const found: Array<number> = []
      for (let slot = 1; slot <= 4; slot++) {
        yield* afterwards(minute)
        const task = (yield* get).lastRun!.task!
        const [there] = yield* Store.use((store) => store.read(partition, [ulidOfId(task)]))
        const place = there!.place
        found.push(place.kind === "later" ? place.due - after(slot * minute) : -1)
      }

      for (const delay of found) expect(delay).toBeWithin(0, 30 * second + 1)
      expect(new Set(found).size).toBeGreaterThan(1)
    })
  })

  describe(`a run of a schedule in ${name} that somebody is told of`, () => {
    promise("is there, though its scheduler died before it was carried to its queue", function* () {
      yield* create()
      yield* advance(minute)
      const store = yield* Store
      const dies = Store.of({ ...store, submit: () => Effect.interrupt })
      yield* Effect.exit(Effect.provideService(pass, Store, dies))

      const { lastRun } = yield* get
      const id = lastRun!.task!
      expect(yield* store.read(partitionOfId(id), [ulidOfId(id)])).toMatchObject([
        { place: { kind: "lane" } }
      ])
    })
  })

  describe(`slots in ${name} that nobody fired in time`, () => {
    promise("are passed over by skip", function* () {
      yield* create({ missed: "skip" })
      yield* afterwards(5.5 * minute)

      expect(yield* history).toEqual([{ slot: minute, to: 5 * minute, outcome: "missed" }])
      expect(yield* taken()).toEqual([])
      yield* afterwards(minute / 2)
      expect(yield* taken()).toEqual([6 * minute])
    })

    promise("are run once by run-once, which is the default", function* () {
      yield* create()
      yield* afterwards(5.5 * minute)

      expect(yield* history).toEqual([
        { slot: minute, to: 4 * minute, outcome: "missed" },
        { slot: 5 * minute, outcome: "submitted" }
      ])
      expect(yield* taken()).toEqual([5 * minute])
    })

    promise("are all run by run-all, also when the clock jumped", function* () {
      yield* create({ missed: "run-all" })
      yield* afterwards(40.5 * minute)
      yield* pass

      expect(yield* taken()).toEqual(Array.from({ length: 40 }, (_, at) => (at + 1) * minute))
      expect(yield* get).toMatchObject({
        nextRuns: [after(41 * minute), ...Array(9).fill(expect.any(Number))]
      })
    })
  })

  describe(`a slot in ${name} that comes while the last run has not ended`, () => {
    const begin = Effect.fnUntraced(function* (overlap: string) {
      yield* create({ overlap, everyMs: short })
      yield* afterwards(short)
      const worker = yield* aWorker()
      return { worker, run: yield* worker.claimOne }
    })

    promise("is run beside it by allow, which is the default", function* () {
      yield* create({ everyMs: short })
      yield* afterwards(short)
      yield* afterwards(short)
      expect(yield* taken()).toEqual([short, 2 * short])
    })

    promise("is passed over by skip", function* () {
      const { run } = yield* begin("skip")
      yield* afterwards(short)
      expect(yield* taken()).toEqual([])
      yield* run.succeed(1)
      yield* afterwards(short)

      expect(yield* taken()).toEqual([3 * short])
      expect((yield* history)[1]).toEqual({ slot: 2 * short, outcome: "overlap" })
    })

    promise("waits by queue, and runs soon after the last one has ended; one waits at most", function* () {
      const { run } = yield* begin("queue")
      yield* afterwards(short)
      yield* afterwards(short)
      expect(yield* taken()).toEqual([])
      expect(yield* get).toMatchObject({ waiting: after(2 * short) })
      yield* run.succeed(1)
      yield* afterwards(second)

      expect(yield* taken()).toEqual([2 * short])
      expect(yield* get).not.toHaveProperty("waiting")
      expect(yield* history).toEqual([
        { slot: short, outcome: "submitted" },
        { slot: 3 * short, outcome: "overlap" },
        { slot: 2 * short, outcome: "submitted" }
      ])
    })

    promise("takes its place by cancel: that is cancelled, and what it says does not count", function* () {
      const { run } = yield* begin("cancel")
      yield* afterwards(short)

      expect(yield* taken()).toEqual([2 * short])
      yield* run.succeed("late")
      const [latest, first] = (yield* get).history
      expect(first).toMatchObject({ slot: after(short), state: "cancelled" })
      expect(latest).toMatchObject({ slot: after(2 * short), state: "running" })
    })
  })

  describe(`a schedule in ${name}`, () => {
    promise("goes on after a run that failed", function* () {
      yield* create({ overlap: "skip" })
      const worker = yield* aWorker()
      for (let slot = 1; slot <= 3; slot++) {
        yield* afterwards(minute)
        yield* (yield* worker.claimOne).fail({ type: "Error", message: "it broke" })
      }

      expect((yield* get).history.map(({ state }) => state)).toEqual(["failed", "failed", "failed"])
      expect((yield* get).nextRuns[0]).toBe(after(4 * minute))
    })

    promise("goes on after a slot whose task its handler no longer takes", function* () {
      const handlers = yield* Handlers
      yield* create({ name: "strict", input: { count: 1 } })
      const strict = handlers.find("strict")!
      handlers.learn(
        defineTask({
          name: "strict",
          input: {
            "~standard": { version: 1, vendor: "t", validate: () => ({ issues: [{ message: "not so" }] }) }
          },
          run: () => 1
        })
      )
      yield* afterwards(minute)
      handlers.learn(strict)
      yield* afterwards(minute)

      expect(yield* taken()).toEqual([2 * minute])
      expect((yield* get).history.at(-1)).toMatchObject({
        slot: after(minute),
        outcome: "refused",
        error: "/input: not so"
      })
    })

    promise("that no process here can fire waits for one that can, and keeps no other from it", function* () {
      const handlers = yield* Handlers
      handlers.learn(defineTask({ name: "elsewhere", run: () => 1 }))
      yield* operator(({ create }) => create({ id: "a", name: "elsewhere", everyMs: minute }))
      yield* create()
      const here = Handlers.of({
        ...handlers,
        find: (name) => (name === "elsewhere" ? undefined : handlers.find(name))
      })
      yield* advance(minute)
      yield* Effect.provideService(pass, Handlers, here)
      expect(yield* taken()).toEqual([minute])

      yield* afterwards(5 * second)

      expect(yield* taken()).toEqual([minute])
    })

    promise("that is paused fires nothing, and makes up for nothing when it is resumed", function* () {
      yield* create({ missed: "run-all" })
      expect(yield* operator(({ pause }) => pause("s"))).toMatchObject({ paused: true, nextRuns: [] })
      yield* afterwards(3.5 * minute)
      expect(yield* taken()).toEqual([])
      const resumed = yield* operator(({ resume }) => resume("s"))
      expect(resumed).toMatchObject({ paused: false, nextRuns: expect.arrayContaining([after(4 * minute)]) })
      yield* afterwards(minute / 2)

      expect(yield* taken()).toEqual([4 * minute])
      expect(yield* history).toEqual([{ slot: 4 * minute, outcome: "submitted" }])
    })

    promise("is run by hand beside its slots, also when it is paused", function* () {
      yield* create()
      yield* operator(({ pause }) => pause("s"))
      yield* advance(7 * second)
      const first = yield* operator(({ run }) => run("s"))
      const again = yield* operator(({ run }) => run("s"))

      // Nobody but the one who asked has relayed it.
      expect(yield* taken()).toEqual([7_000, 7_000])
      expect(new Set([first, again].map((run) => run.outcome === "submitted" && run.task)).size).toBe(2)
      expect((yield* get).history).toMatchObject([{ manual: true }, { manual: true }])
      expect(yield* operator(({ resume }) => resume("s"))).toMatchObject({
        nextRuns: expect.arrayContaining([after(minute)])
      })
    })

    promise("that is run by hand obeys its overlap policy", function* () {
      yield* create({ overlap: "skip" })
      yield* operator(({ run }) => run("s"))
      expect(yield* Effect.flip(operator(({ run }) => run("s")))).toMatchObject({ _tag: "ScheduleBusy" })
      const worker = yield* aWorker()
      yield* (yield* worker.claimOne).succeed(1)
      expect(yield* operator(({ run }) => run("s"))).toMatchObject({ outcome: "submitted" })

      yield* operator(({ update }) => update("s", { name: "test", everyMs: minute, overlap: "queue" }))
      expect(yield* operator(({ run }) => run("s"))).toEqual({ outcome: "waiting" })
      expect(yield* Effect.flip(operator(({ run }) => run("s")))).toMatchObject({ _tag: "ScheduleBusy" })
      yield* (yield* worker.claimOne).succeed(1)
      yield* afterwards(second)
      const last = yield* worker.claimOne

      yield* operator(({ update }) => update("s", { name: "test", everyMs: minute, overlap: "cancel" }))
      yield* operator(({ run }) => run("s"))
      expect((yield* get).history.find(({ task }) => task === last.id)).toMatchObject({ state: "cancelled" })
    })

    promise(
      "that is due once is over after it, and goes when its results do",
      function* () {
        yield* create({ at: new Date(after(minute)).toISOString() })
        yield* afterwards(minute)
        expect(yield* taken()).toEqual([minute])
        expect(yield* get).toMatchObject({ nextRuns: [], paused: false })
        yield* afterwards(59 * minute)
        expect(yield* get).toMatchObject({ nextRuns: [] })
        yield* afterwards(minute)

        expect(yield* Effect.flip(get)).toMatchObject({ _tag: "ScheduleNotFound" })
      },
      { settings: { retention: Duration.hours(1) } }
    )

    promise(
      "keeps its next slot when it is updated with the same rule, and its history with any",
      function* () {
        yield* create()
        yield* afterwards(1.5 * minute)
        const same = yield* operator(({ update }) => update("s", { name: "test", input: 2, everyMs: minute }))
        expect(same.nextRuns[0]).toBe(after(2 * minute))

        const other = yield* operator(({ update }) => update("s", { name: "test", everyMs: 5 * minute }))

        expect(other.nextRuns[0]).toBe(after(6.5 * minute))
        expect(yield* history).toEqual([{ slot: minute, outcome: "submitted" }])
      }
    )

    promise("fires nothing more once it was deleted; its tasks go on", function* () {
      yield* create()
      yield* afterwards(minute)
      yield* operator(({ remove }) => remove("s"))
      yield* afterwards(minute)

      expect(yield* taken()).toEqual([minute])
      expect(yield* Effect.flip(get)).toMatchObject({ _tag: "ScheduleNotFound" })
      expect(yield* Effect.flip(operator(({ remove }) => remove("s")))).toMatchObject({
        _tag: "ScheduleNotFound"
      })
    })

    promise("is not fired before its start, from which an interval counts", function* () {
      const startAt = new Date(after(90 * second)).toISOString()
      expect((yield* create({ startAt })).nextRuns.slice(0, 2)).toEqual([
        after(90 * second),
        after(150 * second)
      ])
      yield* operator(({ remove }) => remove("s"))
      expect((yield* create({ startAt, cron: "* * * * *" })).nextRuns[0]).toBe(after(2 * minute))
    })

    promise(
      "is found again when the very same one is made with its id, and refuses another one",
      function* () {
        const made = yield* create({ input: { b: 1, a: [1, 2] }, tags: ["t"] })
        expect(made.id).toBe("s")
        const again = yield* operator(({ create }) =>
          create({ id: "s", tags: ["t"], everyMs: minute, input: { a: [1, 2], b: 1 }, name: "test" })
        )
        expect(again).toMatchObject({ existing: true, schedule: { id: "s" } })
        expect(yield* Effect.flip(create({ input: 3 }))).toMatchObject({ _tag: "ScheduleExists" })
      }
    )

    promise("is refused with every fault when it or its task does not fit", function* () {
      const refused = (schedule: object) =>
        Effect.map(Effect.flip(operator(({ create }) => create(schedule))), (error) =>
          error instanceof ScheduleRefused
            ? error.faults.map(({ message, path }) => `${path}: ${message}`)
            : [error._tag]
        )
      const every = { everyMs: minute }

      expect(yield* refused({ name: "tset", ...every })).toEqual(["UnknownHandler"])
      expect(yield* refused({ name: "strict", input: { count: "x" }, ...every })).toEqual([
        expect.stringContaining("/input/count: ")
      ])
      expect(yield* refused({ name: "test" })).toEqual([
        "/cron: say when it is due: give one of cron, everyMs and at"
      ])
      expect(yield* refused({ name: "test", ...every, cron: "* * * * *" })).toHaveLength(1)
      expect(yield* refused({ name: "test", everyMs: 999 })).toEqual([expect.stringContaining("/everyMs: ")])
      expect(yield* refused({ name: "test", cron: "0 25 * * *", timeZone: "Europe/Berlin" })).toEqual([
        expect.stringContaining("/cron: Expected a value between 0 and 23")
      ])
      expect(yield* refused({ name: "test", cron: "0 2 * * *", timeZone: "Europe/Berlni" })).toEqual([
        expect.stringContaining("/timeZone: ")
      ])
      expect(yield* refused({ name: "test", timeZone: "UTC", ...every })).toEqual([
        expect.stringContaining("/timeZone: goes with cron only")
      ])
      expect(yield* refused({ name: "test", at: new Date(startOfTime).toISOString() })).toEqual([
        "/at: is over"
      ])
      expect(yield* refused({ name: "test", ...every, overlop: "skip", missed: "never", id: "a b" })).toEqual(
        expect.arrayContaining([
          "/overlop: there is no such option; did you mean overlap?",
          expect.stringContaining("/missed: "),
          expect.stringContaining("/id: a schedule is called by")
        ])
      )
      expect(yield* refused({ name: "test", ...every, idempotencyKey: "k" })).toEqual([
        "/idempotencyKey: there is no such option"
      ])
      expect(yield* refused({ name: "test", ...every, expiresMs: 500, jitterMs: 1_000 })).toEqual([
        "/expiresMs: is over before the task is due"
      ])
      expect(yield* refused({ name: "test", ...every, input: "x".repeat(70_000) })).toEqual([
        expect.stringContaining("/input: the schedule has more than 65536 characters")
      ])
      expect((yield* operator(({ list }) => list({}))).schedules).toEqual([])
    })

    promise("is listed with all others, page by page", function* () {
      for (const id of ["c", "a", "b"]) yield* create({ id })
      const first = yield* operator(({ list }) => list({ limit: 2 }))
      expect(first).toMatchObject({ schedules: [{ id: "a" }, { id: "b" }], next: "b" })
      const second = yield* operator(({ list }) => list({ limit: 2, cursor: first.next }))
      expect(second.schedules.map(({ id }) => id)).toEqual(["c"])
      expect(second).not.toHaveProperty("next")
      expect(yield* Effect.flip(operator(({ list }) => list({ limt: 1 })))).toMatchObject({
        _tag: "QueryRefused"
      })
    })
  })
}
