/** What operators are promised, held against every store. Tasks are run by a worker that the test moves. */
import { describe, expect } from "bun:test"
import { Effect, Layer, type Scope } from "effect"
import { Dispatcher } from "../../actors/dispatch/dispatcher.ts"
import { lookedAtMax } from "../../actors/operate/finder.ts"
import { layer as operatorLayer, Operator } from "../../actors/operate/operator.ts"
import type { ApiServices } from "../../api/http/run.ts"
import type { Settings } from "../../runtime/config.ts"
import { Members } from "../../runtime/members.ts"
import { Operations, type WorkerAbout } from "../../runtime/operations.ts"
import { Store } from "../../runtime/store.ts"
import { idIn, TaskId, ulidOfId } from "../../runtime/task.ts"
import { Tenant } from "../../runtime/tenant.ts"
import { it } from "../support/effect.ts"
import { partition } from "../support/stores.ts"
import { aTask, aTurn, ulidAt } from "../support/tasks.ts"
import { aWorker } from "../support/worker.ts"

const submit = Effect.fnUntraced(function* (over: object = {}) {
  const { id } = yield* Dispatcher.use((dispatcher) => dispatcher.submit({ name: "test", input: 1, ...over }))
  return id
})

/** Submits tasks in turn, so that each is older than the next. */
const submitAll = (...overs: ReadonlyArray<object>) => Effect.forEach(overs, submit)

const idsOf = (tasks: ReadonlyArray<{ readonly id: TaskId }>) => tasks.map(({ id }) => id)

const found = (query: object) =>
  Effect.map(
    Operator.use((operator) => operator.tasks(query)),
    ({ tasks }) => idsOf(tasks)
  )

const error = (message: string, type = "Error") => ({ type, message })

/** A task of the default queue that has failed. */
const aDeadLetter = Effect.fnUntraced(function* (over: object = {}, of = error("it broke")) {
  const id = yield* submit(over)
  const run = yield* (yield* aWorker(id.slice(0, -27))).claimOne
  if (run.id !== id) throw new Error(`${run.id} was claimed instead of ${id}`)
  yield* run.fail(of)
  return id
})

const taskOf = (id: TaskId) => Dispatcher.use((dispatcher) => dispatcher.task(id))

const absent = TaskId.make("default.0.01ARZ3NDEKTSV4RRFFQ69G5FAV")

/** Every page of a query, up to the last. */
const pagesOf = Effect.fnUntraced(function* (query: object) {
  const pages: Array<ReadonlyArray<TaskId>> = []
  let cursor: string | undefined
  do {
    const page: { readonly tasks: ReadonlyArray<{ readonly id: TaskId }>; readonly next?: string } =
      yield* Operator.use((operator) => operator.tasks(cursor === undefined ? query : { ...query, cursor }))
    pages.push(idsOf(page.tasks))
    cursor = page.next
  } while (cursor !== undefined && pages.length < 100)
  return pages
})

export const operatorSuite = <E>(
  name: string,
  layer: Layer.Layer<ApiServices | Members | Operations | Settings, E>
) => {
  const promise = <A, E2>(
    sentence: string,
    body: () => Effect.Effect<A, E2, ApiServices | Members | Operations | Settings | Scope.Scope>,
    timeoutMs?: number
  ) => it.live(sentence, () => Effect.suspend(body).pipe(Effect.provide(layer)), timeoutMs)

  describe(`an operator on ${name}`, () => {
    describe("finds tasks", () => {
      promise("by their state, wherever they are", () =>
        Effect.gen(function* () {
          const worker = yield* aWorker()
          const [succeeded, failed, running, retried] = yield* submitAll({}, {}, {}, {})
          yield* (yield* worker.claimOne).succeed("done")
          yield* (yield* worker.claimOne).fail(error("no"))
          yield* worker.claimOne
          yield* (yield* worker.claimOne).retry(error("not yet"), 60_000)
          const queued = yield* submit()
          const keyed = yield* submit({ key: "k" })
          const delayed = yield* submit({ delayMs: 60_000 })
          const cancelled = yield* submit()
          yield* Dispatcher.use((dispatcher) => dispatcher.cancel(cancelled))

          expect(yield* found({ state: "succeeded" })).toEqual([succeeded!])
          expect(yield* found({ state: "failed" })).toEqual([failed!])
          expect(yield* found({ state: "running" })).toEqual([running!])
          expect(yield* found({ state: "retrying" })).toEqual([retried!])
          expect((yield* found({ state: "queued" })).toSorted()).toEqual([queued, keyed].toSorted())
          expect(yield* found({ state: "scheduled" })).toEqual([delayed])
          expect(yield* found({ state: "cancelled" })).toEqual([cancelled])
          expect((yield* found({})).toSorted()).toEqual(
            [succeeded!, failed!, running!, retried!, queued, keyed, delayed, cancelled].toSorted()
          )
        })
      )

      promise("by name, tag, key and queue, and by all of these together", () =>
        Effect.gen(function* () {
          const strict = yield* submit({ name: "strict", input: { name: "a", count: 1 } })
          const tagged = yield* submit({ tags: ["a", "b"] })
          const keyed = yield* submit({ key: "k", tags: ["a"] })
          const other = yield* submit({ queue: "other", tags: ["a"] })

          expect(yield* found({ name: "strict" })).toEqual([strict])
          expect((yield* found({ tag: "a" })).toSorted()).toEqual([tagged, keyed, other].toSorted())
          expect(yield* found({ key: "k" })).toEqual([keyed])
          expect(yield* found({ queue: "other" })).toEqual([other])
          expect(yield* found({ tag: "a", key: "k", queue: "default", state: "queued" })).toEqual([keyed])
          expect(yield* found({ tag: "a", name: "strict" })).toEqual([])
        })
      )

      promise("by when they were submitted: from a time on, and before another", () =>
        Effect.gen(function* () {
          const hour = 3_600_000
          const start = Date.UTC(2029, 0, 1)
          const tasks = [0, 1, 2, 3].map((hours) => aTask({ ulid: ulidAt(start + hours * hour, 0) }))
          yield* Store.use((store) => store.submit(partition, tasks))
          yield* Operations.use((operations) => operations.note(partition))
          const ids = tasks.map(({ ulid }) => idIn(partition, ulid))
          const time = (hours: number) => new Date(start + hours * hour).toISOString()

          expect((yield* found({ from: time(1), to: time(3) })).toSorted()).toEqual([ids[1]!, ids[2]!])
          expect(yield* found({ from: time(3) })).toEqual([ids[3]!])
          expect(yield* found({ to: time(1) })).toEqual([ids[0]!])
          expect((yield* found({ from: time(1), to: time(3), state: "queued" })).toSorted()).toEqual([
            ids[1]!,
            ids[2]!
          ])
        })
      )

      promise("without their inputs and outputs, and the stacks of their errors", () =>
        Effect.gen(function* () {
          yield* submit({ input: "a secret" })
          const worker = yield* aWorker()
          yield* (yield* worker.claimOne).succeed("a secret")
          yield* submit()
          yield* (yield* worker.claimOne).retry({ ...error("no"), stack: "a secret" }, 0)
          yield* (yield* worker.claimOne).fail({ ...error("no"), stack: "a secret" })
          yield* submit({ input: "a secret" })

          const page = yield* Operator.use((operator) => operator.tasks({}))

          const { dead } = yield* Operator.use((operator) => operator.dead({}))
          expect(page.tasks).toHaveLength(3)
          expect(dead[0]!.attempts).toHaveLength(2)
          expect(JSON.stringify([page, dead])).not.toContain("a secret")
        })
      )

      promise("each of them once, page by page, however small the pages", () =>
        Effect.gen(function* () {
          const meant = yield* submitAll(
            ...Array.from({ length: 7 }, (_, n) => ({
              tags: ["meant"],
              ...(n % 2 ? { queue: "other" } : {})
            }))
          )
          yield* submitAll({}, {}, { queue: "other" })
          for (const state of [{}, { state: "queued" }]) {
            const pages = yield* pagesOf({ tag: "meant", limit: 2, ...state })

            expect(pages.every((page) => page.length <= 2)).toBe(true)
            expect(pages.flat().toSorted()).toEqual(meant.toSorted())
          }
        })
      )

      promise(
        "after having looked at many that are not meant, on a later page",
        () =>
          Effect.gen(function* () {
            const meant = yield* submit({ tags: ["meant"] })
            const acmes = yield* Effect.provideService(submit({}), Tenant, "acme")
            const others = Array.from({ length: lookedAtMax + 500 }, () => ({ name: "test" }))
            yield* Dispatcher.use((dispatcher) => dispatcher.submitAll(others))

            const first = yield* Operator.use((operator) => operator.tasks({ tag: "meant" }))

            expect(first.tasks).toEqual([])
            expect(first.next).toBeString()
            expect((yield* pagesOf({ tag: "meant" })).flat()).toEqual([meant])
            // Their ids tell another tenant that they are not its own, so they make no page of it short.
            const page = yield* Effect.provideService(
              Operator.use((operator) => operator.tasks({ limit: 1 })),
              Tenant,
              "acme"
            )
            expect(page.tasks.map(({ id }) => id)).toEqual([acmes])
          }),
        30_000
      )

      promise(
        "that are large in pages that may be short, and misses none",
        () =>
          Effect.gen(function* () {
            const input = "x".repeat(1_000_000)
            const meant = yield* submit({ tags: ["meant"] })
            for (let n = 0; n < 40; n++) yield* submit({ input })

            const first = yield* Operator.use((operator) => operator.tasks({ tag: "meant" }))

            expect(first.tasks).toEqual([])
            expect(first.next).toBeString()
            expect((yield* pagesOf({ tag: "meant" })).flat()).toEqual([meant])
            const pages = yield* pagesOf({})
            expect(pages.map(({ length }) => length < 41)).toEqual([true, true])
            expect(pages.flat()).toHaveLength(41)
            expect(new Set(pages.flat()).size).toBe(41)
          }),
        30_000
      )

      promise("and refuses what cannot be asked, fault by fault", () =>
        Effect.gen(function* () {
          const refused = (query: unknown) =>
            Effect.map(
              Effect.flip(Operator.use((operator) => operator.tasks(query))),
              ({ message }) => message
            )
          expect(yield* refused({ sate: "queued", limit: 0, from: "soon", queue: "NO" })).toBe(
            "sate: there is no such field; did you mean state?; " +
              "queue: a queue is named by 1 to 63 of a-z 0-9 _ -; " +
              "from: not a time in ISO 8601, such as 2030-01-31T09:00:00Z; " +
              "limit: Expected a value between 1 and 1000"
          )
          expect(yield* refused({ cursor: "nonsense" })).toBe("cursor: not the `next` of a page")
          const forged = Buffer.from(JSON.stringify(["all", partition, "'; drop", ""])).toString("base64url")
          expect(yield* refused({ cursor: forged })).toBe("cursor: not the `next` of a page")
          yield* submitAll({}, {})
          const { next } = yield* Operator.use((operator) => operator.tasks({ limit: 1 }))
          for (const other of [{ state: "queued" }, { queue: "other" }]) {
            expect(yield* refused({ ...other, cursor: next })).toBe(
              "cursor: it belongs to a page of another query"
            )
          }
        })
      )
    })

    describe("sees dead letters", () => {
      promise("the newest first, and counts them by what they failed with", () =>
        Effect.gen(function* () {
          const first = yield* aDeadLetter({}, error("row 17 of 20 is bad", "BadRow"))
          const second = yield* aDeadLetter({}, error("row 4 of 9 is bad\nand more", "BadRow"))
          const third = yield* aDeadLetter({}, error("closed"))

          const { dead, groups, next } = yield* Operator.use((operator) => operator.dead({}))

          expect(idsOf(dead).toSorted()).toEqual([first, second, third].toSorted())
          expect(groups).toEqual([
            { error: "BadRow: row <n> of <n> is bad", count: 2 },
            { error: "Error: closed", count: 1 }
          ])
          expect(next).toBeUndefined()
        })
      )

      promise("by the type of an error, by its group, by name and by queue", () =>
        Effect.gen(function* () {
          const bad = yield* aDeadLetter({}, error("row 17", "BadRow"))
          const strict = yield* aDeadLetter({ name: "strict", input: { name: "a", count: 1 } })
          const other = yield* aDeadLetter({ queue: "other" }, error("row 4", "BadRow"))
          const dead = (query: object) =>
            Effect.map(
              Operator.use((operator) => operator.dead(query)),
              ({ dead }) => idsOf(dead).toSorted()
            )

          expect(yield* dead({ error: "BadRow" })).toEqual([bad, other].toSorted())
          expect(yield* dead({ error: "BadRow: row <n>" })).toEqual([bad, other].toSorted())
          expect(yield* dead({ error: "BadRow: row 17" })).toEqual([])
          expect(yield* dead({ name: "strict" })).toEqual([strict])
          expect(yield* dead({ queue: "other" })).toEqual([other])
        })
      )

      promise("counts all that are meant on the first page, and gives the others on the next", () =>
        Effect.gen(function* () {
          for (let n = 0; n < 5; n++) yield* aDeadLetter()

          const first = yield* Operator.use((operator) => operator.dead({ limit: 2 }))
          const second = yield* Operator.use((operator) => operator.dead({ limit: 3, cursor: first.next }))

          expect(first.groups).toEqual([{ error: "Error: it broke", count: 5 }])
          expect(new Set(idsOf([...first.dead, ...second.dead])).size).toBe(5)
          expect(second.next).toBeUndefined()
        })
      )

      promise(
        "and counts fewer of them where they are large",
        () =>
          Effect.gen(function* () {
            const input = "x".repeat(1_000_000)
            for (let n = 0; n < 40; n++) yield* aDeadLetter({ input })

            const first = yield* Operator.use((operator) => operator.dead({ limit: 3 }))
            const rest = yield* Operator.use((operator) =>
              operator.dead({ limit: 1_000, cursor: first.next })
            )
            const last = yield* Operator.use((operator) => operator.dead({ limit: 1_000, cursor: rest.next }))

            expect(first.dead).toHaveLength(3)
            expect(first.groups[0]!.count).toBeWithin(30, 40)
            expect(new Set(idsOf([...first.dead, ...rest.dead, ...last.dead])).size).toBe(40)
            expect(last.next).toBeUndefined()
          }),
        30_000
      )
    })

    describe("puts a dead letter back to work", () => {
      promise("under its id, with its history, and with its attempts counted anew", () =>
        Effect.gen(function* () {
          const id = yield* submit({ retry: { attempts: 2 }, tags: ["a"] })
          const worker = yield* aWorker()
          yield* (yield* worker.claimOne).retry(error("first"), 0)
          yield* (yield* worker.claimOne).fail(error("second"))

          yield* Operator.use((operator) => operator.retry(id))

          const task = yield* taskOf(id)
          expect(task).toMatchObject({ state: "queued", attempt: 2, tags: ["a"] })
          expect(task.attempts.map(({ attempt, error }) => [attempt, error?.message])).toEqual([
            [1, "first"],
            [2, "second"]
          ])
          const run = yield* worker.claimOne
          expect(run.id).toBe(id)
          expect((yield* taskOf(id)).attempt).toBe(3)
          yield* run.succeed("at last")
          expect((yield* taskOf(id)).state).toBe("succeeded")
          expect((yield* Operator.use((operator) => operator.dead({}))).dead).toEqual([])
        })
      )

      promise("that has a key, into the box of its key", () =>
        Effect.gen(function* () {
          const id = yield* aDeadLetter({ key: "k" })
          const later = yield* submit({ key: "k" })

          yield* Operator.use((operator) => operator.retry(id))

          const worker = yield* aWorker()
          const runs = yield* worker.claim(5)
          // One at a time: a key's tasks run in order.
          expect(runs).toHaveLength(1)
          yield* runs[0]!.succeed(1)
          expect(new Set([runs[0]!.id, ...idsOf(yield* worker.claim(5))])).toEqual(new Set([id, later]))
        })
      )

      promise("with another input, which has to fit", () =>
        Effect.gen(function* () {
          const id = yield* aDeadLetter({ name: "strict", input: { name: "a", count: 1 } })
          const retry = (value: unknown) =>
            Operator.use((operator) => operator.retry(id, { input: { value } }))

          const refused = yield* Effect.flip(retry({ name: 1 }))
          expect(refused).toMatchObject({
            _tag: "SubmitRefused",
            faults: [{ path: "/input/name" }, { path: "/input/count" }]
          })
          expect((yield* taskOf(id)).state).toBe("failed")
          yield* retry({ name: "b", count: 2 })

          expect((yield* taskOf(id)).state).toBe("queued")
          expect(yield* Dispatcher.use((dispatcher) => dispatcher.input(id))).toMatchObject({
            value: { name: "b", count: 2 }
          })
        })
      )

      promise("and nothing else", () =>
        Effect.gen(function* () {
          const id = yield* submit()
          const retry = (id: TaskId) => Effect.flip(Operator.use((operator) => operator.retry(id)))

          expect(yield* retry(id)).toMatchObject({ _tag: "NotRetryable", state: "queued" })
          expect(yield* retry(absent)).toMatchObject({ _tag: "TaskNotFound" })
          expect(idsOf(yield* (yield* aWorker()).claim(5))).toEqual([id])
        })
      )
    })

    describe("does to many dead letters at once", () => {
      promise("what it counts first", () =>
        Effect.gen(function* () {
          const [one, two] = [yield* aDeadLetter(), yield* aDeadLetter()]
          const kept = yield* aDeadLetter({ queue: "other" })
          const retry = (dryRun: boolean) =>
            Operator.use((operator) => operator.retryDead({ queue: "default" }, { dryRun }))

          expect(yield* retry(true)).toEqual({ count: 2 })
          expect(yield* found({ state: "queued" })).toEqual([])
          expect(yield* retry(false)).toEqual({ count: 2 })

          expect((yield* found({ state: "queued" })).toSorted()).toEqual([one, two].toSorted())
          expect(yield* found({ state: "failed" })).toEqual([kept])
          expect(yield* retry(false)).toEqual({ count: 0 })
        })
      )

      promise("in the order in which they were submitted", () =>
        Effect.gen(function* () {
          const ids = [yield* aDeadLetter(), yield* aDeadLetter(), yield* aDeadLetter()]

          yield* Operator.use((operator) => operator.retryDead({ queue: "default" }, {}))

          expect(idsOf(yield* (yield* aWorker()).claim(5))).toEqual(ids.toSorted())
        })
      )

      promise("by their ids, one of them with another input", () =>
        Effect.gen(function* () {
          const [one, two] = [yield* aDeadLetter(), yield* aDeadLetter()]
          const alive = yield* submit()

          const counted = yield* Operator.use((operator) =>
            operator.retryDead({ ids: [one, alive, absent, one] }, {})
          )
          const edited = yield* Operator.use((operator) =>
            operator.retryDead({ ids: [two] }, { input: { value: "new" } })
          )
          const refused = yield* Effect.flip(
            Operator.use((operator) => operator.retryDead({ ids: [one, two] }, { input: { value: "new" } }))
          )

          expect([counted, edited]).toEqual([{ count: 1 }, { count: 1 }])
          expect(refused.message).toBe("input: another input is for one task, named by ids")
          expect(yield* Dispatcher.use((dispatcher) => dispatcher.input(two))).toMatchObject({ value: "new" })
        })
      )

      promise("and drops those that are meant, and no others", () =>
        Effect.gen(function* () {
          const gone = yield* aDeadLetter({}, error("x", "BadRow"))
          const kept = yield* aDeadLetter()
          const purge = (dryRun: boolean) =>
            Operator.use((operator) => operator.purgeDead({ error: "BadRow" }, { dryRun }))

          expect([yield* purge(true), yield* purge(false), yield* purge(false)]).toEqual([
            { count: 1 },
            { count: 1 },
            { count: 0 }
          ])
          expect(yield* found({ state: "failed" })).toEqual([kept])
          expect(yield* Effect.flip(taskOf(gone))).toMatchObject({ _tag: "TaskNotFound" })
        })
      )

      promise("but does nothing to all when a field of the filter is misspelt", () =>
        Effect.gen(function* () {
          const id = yield* aDeadLetter()

          const refused = yield* Effect.flip(
            Operator.use((operator) => operator.purgeDead({ eror: "BadRow" }, {}))
          )

          expect(refused.message).toBe("eror: there is no such field; did you mean error?")
          expect(yield* found({ state: "failed" })).toEqual([id])
        })
      )
    })

    describe("sees a queue", () => {
      promise("with what waits in it, by lane, and what else it holds", () =>
        Effect.gen(function* () {
          const worker = yield* aWorker()
          yield* aDeadLetter()
          yield* submit()
          yield* worker.claimOne
          yield* submitAll(
            { priority: "urgent" },
            { priority: "low" },
            { priority: "low" },
            { key: "k" },
            { delayMs: 60_000 }
          )
          yield* submit({ queue: "other" })

          const queues = yield* Operator.use((operator) => operator.queues)

          expect(queues.map(({ name }) => name)).toEqual(["default", "other"])
          expect(queues[0]).toMatchObject({
            paused: false,
            pausedKeys: [],
            depth: { urgent: 1, high: 0, normal: 0, low: 2, boxed: 1 },
            scheduled: 1,
            running: 1,
            waiting: 0,
            dead: 1,
            limits: {}
          })
          expect(queues[0]!.oldestMs).toBeGreaterThanOrEqual(0)
          expect(yield* Operator.use((operator) => operator.queue("empty"))).toMatchObject({ oldestMs: 0 })
        })
      )

      promise("that is paused hand out nothing, and hand out again when it is resumed", () =>
        Effect.gen(function* () {
          const id = yield* submit()
          const worker = yield* aWorker()
          const pause = (paused: boolean, key?: string) =>
            Operator.use((operator) => operator.pause("default", paused, key))

          expect((yield* pause(true)).paused).toBe(true)
          expect(yield* worker.claim(5)).toEqual([])
          expect((yield* pause(false)).paused).toBe(false)
          expect(idsOf(yield* worker.claim(5))).toEqual([id])
        })
      )

      promise("with one paused key hand out all the others", () =>
        Effect.gen(function* () {
          const [held, free] = yield* submitAll({ key: "held" }, { key: "free" })
          const worker = yield* aWorker()

          const paused = yield* Operator.use((operator) => operator.pause("default", true, "held"))
          expect(paused).toMatchObject({ paused: false, pausedKeys: ["held"] })
          expect(idsOf(yield* worker.claim(5))).toEqual([free!])
          yield* Operator.use((operator) => operator.pause("default", false, "held"))
          expect(idsOf(yield* worker.claim(5))).toEqual([held!])
        })
      )

      promise("that is bounded refuse what goes beyond, and take it again without the bound", () =>
        Effect.gen(function* () {
          const limit = (limits: object) => Operator.use((operator) => operator.limit("default", limits))

          expect((yield* limit({ maxDepth: 1 })).limits).toEqual({ maxDepth: 1 })
          yield* submit()
          expect(yield* Effect.flip(submit())).toMatchObject({ _tag: "QueueFull", bound: "maxDepth" })
          expect((yield* limit({})).limits).toEqual({})
          yield* submit()
        })
      )

      promise("and refuses bounds that are none, with every fault", () =>
        Effect.gen(function* () {
          const refused = yield* Effect.flip(
            Operator.use((operator) =>
              operator.limit("default", { maxDeph: 1, maxAgeMs: 0, rate: { count: 1, perMs: 1, per: 1 } })
            )
          )
          const paths = (refused as { faults?: ReadonlyArray<{ path: string; message: string }> }).faults
          expect(paths).toHaveLength(3)
          expect(paths).toEqual(
            expect.arrayContaining([
              { path: "/maxAgeMs", message: expect.stringContaining("between 1") },
              { path: "/rate/per", message: "there is no such field; did you mean perMs?" },
              { path: "/maxDeph", message: "there is no such field; did you mean maxDepth?" }
            ])
          )
          const nameless = yield* Effect.flip(Operator.use((operator) => operator.queue("NO")))
          expect(nameless.message).toBe("queue: a queue is named by 1 to 63 of a-z 0-9 _ -")
        })
      )

      promise("emptied: what waits and what is delayed is cancelled, what runs goes on", () =>
        Effect.gen(function* () {
          const running = yield* submit()
          const worker = yield* aWorker()
          const run = yield* worker.claimOne
          const waiting = yield* submitAll({}, { priority: "urgent" }, { key: "k" }, { delayMs: 60_000 })
          const elsewhere = yield* submit({ queue: "other" })
          const purge = (dryRun: boolean) =>
            Operator.use((operator) => operator.purge("default", { dryRun, reason: "no longer wanted" }))

          expect(yield* purge(true)).toEqual({ count: 4 })
          expect(yield* purge(false)).toEqual({ count: 4 })

          expect((yield* found({ state: "cancelled" })).toSorted()).toEqual(waiting.toSorted())
          expect((yield* taskOf(waiting[0]!)).error?.message).toBe("no longer wanted")
          yield* run.succeed("done")
          expect((yield* taskOf(running)).state).toBe("succeeded")
          expect((yield* taskOf(elsewhere)).state).toBe("queued")
        })
      )
    })

    describe("moves tasks to another queue", () => {
      const move = (over: object = {}, options: { readonly dryRun?: boolean } = {}) =>
        Operator.use((operator) => operator.move("default", { to: "other", ...over }, options))
      const copyOf = (id: TaskId) => idIn("other.0", ulidOfId(id))

      promise("as copies that wait there in its place, and are due when it was", () =>
        Effect.gen(function* () {
          const plain = yield* submit({ priority: "high", tags: ["a"], input: "payload" })
          const keyed = yield* submit({ key: "k" })
          const delayed = yield* submit({ delayMs: 60_000 })
          const { dueAt } = yield* taskOf(delayed)

          expect(yield* move({}, { dryRun: true })).toEqual({ count: 3 })
          expect(yield* move()).toEqual({ count: 3 })

          expect(yield* taskOf(copyOf(plain))).toMatchObject({
            state: "queued",
            queue: "other",
            priority: "high",
            tags: ["a"]
          })
          expect(yield* taskOf(copyOf(delayed))).toMatchObject({ state: "scheduled", dueAt })
          expect((yield* taskOf(plain)).error?.message).toBe(`moved to ${copyOf(plain)}`)
          const worker = yield* aWorker("other.0")
          expect(idsOf(yield* worker.claim(5)).toSorted()).toEqual([copyOf(plain), copyOf(keyed)].toSorted())
          expect(yield* (yield* aWorker()).claim(5)).toEqual([])
          expect(yield* Dispatcher.use((dispatcher) => dispatcher.input(copyOf(plain)))).toMatchObject({
            value: "payload"
          })
        })
      )

      promise("once, however often it is said, and only those that are meant and have not started", () =>
        Effect.gen(function* () {
          const worker = yield* aWorker()
          const running = yield* submit({ tags: ["a"] })
          yield* worker.claimOne
          const retrying = yield* submit({ tags: ["a"] })
          yield* (yield* worker.claimOne).retry(error("not yet"), 60_000)
          const meant = yield* submit({ tags: ["a"] })
          const other = yield* submit({ tags: ["b"] })

          expect(yield* move({ tag: "a" })).toEqual({ count: 1, left: 1 })
          expect(yield* move({ tag: "a", resume: true })).toEqual({ count: 0, left: 1 })

          expect(yield* found({ queue: "other" })).toEqual([copyOf(meant)])
          expect((yield* taskOf(running)).state).toBe("running")
          expect((yield* taskOf(retrying)).state).toBe("retrying")
          expect((yield* taskOf(other)).state).toBe("queued")
        })
      )

      promise("and makes the copy that a move which broke off did not come to make", () =>
        Effect.gen(function* () {
          const id = yield* submit({ input: "payload" })
          const elsewhere = yield* submit()
          yield* Dispatcher.use((dispatcher) => dispatcher.cancel(elsewhere, "no longer wanted"))
          // As far as a process came that died before it stored the copy.
          yield* Dispatcher.use((dispatcher) => dispatcher.cancel(id, `moved to ${copyOf(id)}`))

          expect(yield* move()).toEqual({ count: 0 })
          expect(yield* move({ resume: true })).toEqual({ count: 1 })

          expect(yield* found({ queue: "other" })).toEqual([copyOf(id)])
          expect(yield* Dispatcher.use((dispatcher) => dispatcher.input(copyOf(id)))).toMatchObject({
            value: "payload"
          })
        })
      )

      promise("unless one has ended in that very moment: it is not run again", () =>
        Effect.gen(function* () {
          const id = yield* submit()
          const worker = yield* aWorker()
          const store = yield* Store
          const slow = Store.of({
            ...store,
            cancel: (...args) =>
              Effect.orDie(worker.claimOne).pipe(
                Effect.flatMap((run) => Effect.orDie(run.succeed("done"))),
                Effect.andThen(store.cancel(...args))
              )
          })
          const operators = Layer.fresh(operatorLayer).pipe(Layer.provide(Layer.succeed(Store, slow)))

          expect(yield* move().pipe(Effect.provide(operators))).toEqual({ count: 0, left: 1 })

          expect((yield* taskOf(id)).state).toBe("succeeded")
          expect(yield* found({ queue: "other" })).toEqual([])
        })
      )

      promise("unless the other queue has no room for them", () =>
        Effect.gen(function* () {
          const ids = yield* submitAll({}, {})
          yield* Operator.use((operator) => operator.limit("other", { maxDepth: 1 }))

          expect(yield* Effect.flip(move())).toMatchObject({ _tag: "QueueFull" })

          expect((yield* found({ state: "queued" })).toSorted()).toEqual(ids.toSorted())
        })
      )
    })

    describe("sees workers", () => {
      const about: WorkerAbout = {
        node: "n1",
        pid: 7,
        host: "h",
        startedAt: Date.UTC(2030, 0, 1),
        memoryBytes: 1_000_000,
        done: 3,
        concurrency: 8,
        leaseMs: 10_000,
        handlers: ["shop.cart"]
      }

      promise("each once, with what it says of itself and what it runs in all its queues", () =>
        Effect.gen(function* () {
          const store = yield* Store
          const [one, two] = yield* submitAll({}, { queue: "other" })
          for (const partition of ["default.0", "other.0"]) {
            yield* store.turn(partition, aTurn("w1", { want: 5, about: JSON.stringify(about) }))
          }
          const workers = yield* Operator.use((operator) => operator.workers)

          const { leaseMs: _, ...said } = about
          expect(workers).toEqual([
            {
              ...said,
              id: "w1",
              state: "running",
              queues: ["default", "other"],
              running: [one!, two!],
              heartbeatAt: expect.any(Number),
              silentMs: expect.any(Number)
            }
          ])
        })
      )

      promise("and asks one to drain, which hears it", () =>
        Effect.gen(function* () {
          const store = yield* Store
          yield* submit()
          yield* store.turn(partition, aTurn("w1"))
          const { next } = yield* store.orders("w1", [partition])

          yield* Operator.use((operator) => operator.drain("w1"))

          expect(yield* next).toEqual({ kind: "drain" })
          const refused = yield* Effect.flip(Operator.use((operator) => operator.drain("w2")))
          expect(refused).toMatchObject({ _tag: "WorkerNotFound", message: "there is no worker w2" })
        })
      )
    })

    promise(
      "sees nodes, whose clock does not count, and asks one to drain, which hears it with its next beat",
      () =>
        Effect.gen(function* () {
          const members = yield* Members
          const node = { host: "h", pid: 7, startedAt: Date.UTC(2030, 0, 1), workers: 2, min: 2, max: 4 }
          const beat = members.beat("n1", { ...node, leaseMs: 15_000 }, false)
          expect(yield* beat).toBe(false)

          expect(yield* Operator.use((operator) => operator.nodes)).toEqual([
            {
              ...node,
              id: "n1",
              state: "running",
              heartbeatAt: expect.any(Number),
              silentMs: expect.any(Number)
            }
          ])
          yield* Operator.use((operator) => operator.drainNode("n1"))
          expect(yield* beat).toBe(true)
          expect(yield* Operator.use((operator) => operator.nodes)).toMatchObject([{ state: "draining" }])
          yield* members.leave("n1")
          expect(yield* Operator.use((operator) => operator.nodes)).toEqual([])
          const refused = yield* Effect.flip(Operator.use((operator) => operator.drainNode("n1")))
          expect(refused).toMatchObject({ _tag: "NodeNotFound", message: "there is no node n1" })
        })
    )

    promise("sees how everything stands, and what was counted in the last minutes", () =>
      Effect.gen(function* () {
        const operations = yield* Operations
        const worker = yield* aWorker()
        yield* submitAll({}, {}, { queue: "other" }, { delayMs: 60_000 })
        yield* worker.claimOne
        yield* operations.count(partition, { succeeded: 3, "wait:10": 4, "run:100": 4 })
        yield* operations.count("other.0", { failed: 1, "run:1000": 1 })

        const stats = yield* Operator.use((operator) => operator.stats(5))

        expect(stats).toMatchObject({
          queued: 2,
          running: 1,
          scheduled: 1,
          waiting: 0,
          dead: 0,
          workers: 1,
          succeeded: 3,
          failed: 1,
          successRate: 0.75,
          wait: { p50Ms: 10, p95Ms: 10 },
          run: { p50Ms: 100, p95Ms: 1_000 }
        })
        expect(stats.perMinute.at(-1)!.at % 60_000).toBe(0)
      })
    )
  })
}
