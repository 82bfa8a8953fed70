/** What operators see of agents, and do to them. Their workers are real. */
import { describe, expect } from "bun:test"
import { Effect, Fiber, Layer, Result } from "effect"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import * as Operator from "../../../actors/operate/agents.ts"
import { Agents } from "../../../runtime/agents.ts"
import type { SettingsShape } from "../../../runtime/config.ts"
import type { TaskDefinition } from "../../../runtime/handler.ts"
import { readRoutes } from "../../../runtime/routes.ts"
import type { TaskId } from "../../../runtime/task.ts"
import { aCart, count } from "../../support/carts.ts"
import { it } from "../../support/effect.ts"
import { memorySystem, redisSystem } from "../../support/system.ts"

const { AgentOperator } = Operator
type AgentError = Operator.AgentError
type Operations = Operator.AgentOperator["Service"]

const name = "shop.cart"

const operator = <A, E>(use: (operator: Operations) => Effect.Effect<A, E>) => AgentOperator.use(use)

const read = (key: string, of = name) => operator(({ read }) => read(of, key))

const tell = (key: string, message: string, input: unknown = {}, over: object = {}) =>
  Effect.map(
    operator(({ tell }) => tell(name, key, { message, input, ...over })),
    ({ id }) => id
  )

const ask = (key: string, message: string, input: unknown = {}, of = name) =>
  Effect.map(
    operator(({ ask }) => ask(of, key, { message, input })),
    (ended) => (ended.state === "succeeded" ? ended.output : ended.error)
  )

const ended = (id: TaskId) => Dispatcher.use((dispatcher) => dispatcher.result(id))

/** Succeeds with the agent once it is as wanted, which something that was asked for before brings about. */
const once = (key: string, is: (agent: Effect.Success<ReturnType<typeof read>>) => boolean) =>
  Effect.repeat(Effect.delay(read(key), "2 millis"), { until: is })

for (const [store, system] of [
  ["memory", memorySystem],
  ["Redis", redisSystem]
] as const) {
  /** A promise of the operator, with these agents and settings. */
  const on =
    (handlers: ReadonlyArray<TaskDefinition>, settings: Partial<SettingsShape> = {}) =>
    <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.provide(effect, Operator.layer.pipe(Layer.provideMerge(system(handlers, settings))))

  describe(`an agent's operator on ${store}`, () => {
    it.live("sees its state, its version and its timers", () => {
      const { cart } = aCart()
      return Effect.gen(function* () {
        yield* ask("user-7", "add", { item: "tea" })
        yield* ask("user-7", "remind", { hours: 2 })

        expect(yield* read("user-7")).toEqual({
          name,
          key: "user-7",
          queue: "default",
          status: "idle",
          state: { items: ["tea"] },
          version: 3,
          revision: expect.stringMatching(/^[0-9A-Z]{26}N1$/) as string,
          mailbox: 0,
          running: [],
          failures: 0,
          updatedAt: expect.any(Number) as number,
          timers: [{ name: "reminder", task: expect.stringMatching(/^default\.0\.[0-9A-Z]{26}$/) as TaskId }]
        })
      }).pipe(on([cart]))
    })

    it.live("sees what it handles, and how much waits behind", () => {
      const { cart, open } = aCart()
      return Effect.gen(function* () {
        const held = yield* tell("user-7", "hold")
        yield* once("user-7", ({ running }) => running.includes(held))
        yield* tell("user-7", "add", { item: "tea" })

        expect(yield* read("user-7")).toMatchObject({
          status: "busy",
          state: null,
          running: [held],
          mailbox: 1
        })

        open()
        expect(yield* once("user-7", ({ status }) => status === "idle")).toMatchObject({
          state: { items: ["tea"] },
          running: [],
          mailbox: 0
        })
      }).pipe(on([cart]))
    })

    it.live("sees why it is in quarantine, and lets it go on with what waits", () => {
      const { cart, open } = aCart()
      return Effect.gen(function* () {
        yield* ask("user-7", "add", { item: "tea" })
        const [held, bad, waits] = [
          yield* tell("user-7", "hold"),
          yield* tell("user-7", "break"),
          yield* tell("user-7", "add", { item: "milk" })
        ]
        open()
        yield* ended(bad)

        expect(
          yield* once("user-7", ({ mailbox, running }) => mailbox === 1 && running.length === 0)
        ).toMatchObject({
          status: "quarantined",
          deadLetter: bad,
          quarantinedAt: expect.any(Number) as number,
          failures: 1,
          state: { items: ["tea"] }
        })
        expect(yield* Effect.flip(tell("user-7", "items"))).toMatchObject({ _tag: "AgentQuarantined" })

        const resumed = yield* operator(({ resume }) => resume(name, "user-7"))

        expect(resumed).toMatchObject({ failures: 0, state: { items: ["tea"] } })
        expect(resumed).not.toHaveProperty("quarantinedAt")
        expect((yield* ended(held)).state).toBe("succeeded")
        expect(yield* ended(waits)).toMatchObject({ output: { size: 2 } })
      }).pipe(on([cart]))
    })

    it.live("resets it: state and timers are forgotten, and what waits is handled", () => {
      const { cart, open } = aCart()
      return Effect.gen(function* () {
        yield* ask("user-7", "add", { item: "tea" })
        yield* ask("user-7", "remind", { hours: 2 })
        const [reminder] = (yield* read("user-7")).timers
        yield* tell("user-7", "hold")
        const bad = yield* tell("user-7", "break")
        const waits = yield* tell("user-7", "add", { item: "milk" })
        open()
        yield* ended(bad)
        yield* once("user-7", ({ mailbox, running }) => mailbox === 1 && running.length === 0)

        expect(yield* operator(({ reset }) => reset(name, "user-7"))).toMatchObject({ name, timers: [] })

        expect(yield* ended(waits)).toMatchObject({ output: { size: 1 } })
        expect(yield* ended(reminder!.task)).toMatchObject({
          state: "cancelled",
          error: { type: "AgentReset" }
        })
      }).pipe(on([cart]))
    })

    it.live("stops it however much waits, and says how many it cancelled", () => {
      const { cart } = aCart()
      const waiting = 450
      return Effect.gen(function* () {
        yield* ask("user-7", "add", { item: "tea" })
        yield* ask("user-7", "remind", { hours: 2 })
        const held = yield* tell("user-7", "hold")
        yield* once("user-7", ({ running }) => running.includes(held))
        const last = yield* Effect.forEach(Array.from({ length: waiting }), () => tell("user-7", "items"), {
          concurrency: "unbounded"
        })

        const stop = (dryRun: boolean) =>
          operator(({ stop }) => stop(name, "user-7", { dryRun, reason: "the shop is closed" }))
        // What it handles, what waits, and its timer.
        expect(yield* stop(true)).toEqual({ count: waiting + 2 })
        expect((yield* read("user-7")).mailbox).toBe(waiting)
        expect(yield* stop(false)).toEqual({ count: waiting + 2 })

        for (const id of [held, last.at(-1)!]) {
          expect(yield* ended(id)).toMatchObject({
            state: "cancelled",
            error: { type: "AgentStopped", message: "the shop is closed" }
          })
        }
        expect(yield* Effect.flip(read("user-7"))).toMatchObject({ _tag: "AgentNotFound" })
        expect(yield* ask("user-7", "items")).toEqual([])
      }).pipe(on([cart]))
    })

    it.live("stops it as a whole, also when whoever asked for that has gone", () => {
      const { cart } = aCart()
      const begun = Promise.withResolvers<void>()
      const watched = Layer.effect(
        Agents,
        Agents.useSync((agents) =>
          Agents.of({
            ...agents,
            stop: (...args) =>
              Effect.tap(agents.stop(...args), () =>
                Effect.promise(async () => {
                  begun.resolve()
                  await new Promise(setImmediate)
                })
              )
          })
        )
      )
      return Effect.gen(function* () {
        yield* tell("user-7", "hold")
        yield* Effect.forEach(Array.from({ length: 450 }), () => tell("user-7", "items"), {
          concurrency: "unbounded"
        })
        const stopping = yield* Effect.forkChild(operator(({ stop }) => stop(name, "user-7")))
        yield* Effect.promise(() => begun.promise)

        yield* Fiber.interrupt(stopping)

        expect(yield* ask("user-7", "items")).toEqual([])
      }).pipe((effect) =>
        Effect.provide(
          effect,
          Operator.layer.pipe(Layer.provide(watched), Layer.provideMerge(system([cart])))
        )
      )
    })

    it.live("is told who is not there, and who may have been meant", () => {
      const { cart } = aCart()
      const all = (of: string, key: string) =>
        Effect.gen(function* () {
          const { read, reset, resume, stop } = yield* AgentOperator
          return yield* Effect.forEach([read, resume, reset, stop], (use) =>
            Effect.flip(Effect.asVoid<unknown, AgentError, never>(use(of, key)))
          )
        })
      return Effect.gen(function* () {
        for (const error of yield* all(name, "nobody")) {
          expect(error.message).toBe(
            "there is nothing of shop.cart/nobody: it has no state, no timer, and no message that waits"
          )
        }
        for (const error of yield* all("shop.card", "user-7")) {
          expect(error.message).toBe("no agent is called shop.card; did you mean shop.cart?")
        }
        for (const error of yield* all("shop.count", "user-7")) {
          expect(error.message).toBe("shop.count is a handler of tasks, and no agent")
        }
        for (const error of yield* all(name, "~me")) {
          expect(error.message).toBe("key: a key does not begin with ~")
        }
        const toTask = yield* Effect.flip(operator(({ tell }) => tell("shop.count", "k", { message: "add" })))
        expect(toTask).toMatchObject({ _tag: "UnknownAgent" })
      }).pipe(on([cart, count]))
    })

    it.live("refuses a message in its sender's words", () => {
      const { cart } = aCart()
      const faults = (message: unknown) =>
        Effect.map(Effect.flip(operator(({ tell }) => tell(name, "user-7", message))), (error) =>
          error._tag === "SubmitRefused"
            ? error.faults.map(({ message, path }) => `${path}: ${message}`)
            : [error._tag]
        )
      return Effect.gen(function* () {
        expect(yield* faults({ message: "add", input: { item: 3 } })).toEqual([
          expect.stringContaining("/input/item: ")
        ])
        expect(yield* faults({ message: "ad" })).toEqual([
          '/message: there is no message "ad"; did you mean add?'
        ])
        expect(yield* faults({})).toEqual([expect.stringContaining("/message: the name of a message: add, ")])
        expect(yield* faults({ message: "add", inptu: {} })).toEqual([
          "/inptu: there is no such field; did you mean input?"
        ])
        expect(yield* faults({ message: "items", dedupe: "" })).toEqual([
          "/dedupe: not 1 to 120 characters without control characters"
        ])
        expect(yield* faults({ message: "items", delayMs: -1 })).toEqual([
          expect.stringContaining("/delayMs: ")
        ])
        expect(yield* faults("add")).toHaveLength(1)
      }).pipe(on([cart]))
    })

    it.live("takes a message with the same dedupe once for each agent", () => {
      const { cart } = aCart()
      return Effect.gen(function* () {
        const first = yield* tell("a", "add", { item: "tea" }, { dedupe: "b c" })

        expect(yield* tell("a", "add", { item: "tea" }, { dedupe: "b c" })).toBe(first)
        // Together they are the same text.
        expect(yield* tell("a b", "add", { item: "tea" }, { dedupe: "c" })).not.toBe(first)
        expect(yield* ask("a", "items")).toEqual(["tea"])
        expect(yield* ask("a b", "items")).toEqual(["tea"])
        expect(yield* Effect.flip(tell("a", "add", { item: "milk" }, { dedupe: "b c" }))).toMatchObject({
          _tag: "IdempotencyConflict"
        })
      }).pipe(on([cart]))
    })

    it.live("finds it where its messages go, and lists those of all queues, page by page", () => {
      const { cart } = aCart()
      const { cart: wagon } = aCart({ name: "shop.wagon", queue: "wagons" })
      const routes = Result.getOrThrow(readRoutes("shop.cart=one|two|three"))
      const keys = ["a", "b", "c", "d", "e", "f", "g"]
      return Effect.gen(function* () {
        const { list } = yield* AgentOperator
        yield* Effect.forEach(keys, (key) => ask(key, "add", { item: key }), { concurrency: "unbounded" })
        yield* ask("x", "add", { item: "wheel" }, "shop.wagon")
        yield* ask("c", "break")

        const found = yield* Effect.forEach(keys, (key) => read(key))
        expect(found.map(({ state }) => state)).toEqual(keys.map((key) => ({ items: [key] })))
        expect(new Set(found.map(({ queue }) => queue)).size).toBeGreaterThan(1)

        const walk = Effect.fnUntraced(function* (query: object) {
          const pages: Array<ReadonlyArray<string>> = []
          let next: string | undefined
          do {
            const page = yield* list({ ...query, ...(next === undefined ? {} : { cursor: next }) })
            pages.push(page.agents.map(({ key }) => key))
            next = page.next
          } while (next !== undefined)
          return pages
        })
        for (const limit of [1, 2, 3, 8, 50]) {
          const pages = yield* walk({ limit })
          expect(pages.flat().toSorted()).toEqual([...keys, "x"])
          expect(pages).toHaveLength(Math.ceil((keys.length + 1) / limit))
        }
        expect(yield* walk({ name: "shop.wagon" })).toEqual([["x"]])
        expect((yield* list({ status: "quarantined" })).agents).toMatchObject([
          { name, key: "c", failures: 1 }
        ])
        expect((yield* walk({ status: "idle", limit: 2 })).flat().toSorted()).toEqual(
          [...keys, "x"].filter((key) => key !== "c")
        )
        expect((yield* list({ status: "idle" })).agents[0]).not.toHaveProperty("state")
      }).pipe(on([cart, wagon], { routes }))
    })

    it.live("refuses a list that it cannot read", () => {
      const { cart } = aCart()
      const refused = (query: object) =>
        Effect.map(Effect.flip(operator(({ list }) => list(query))), ({ message }) => message)
      return Effect.gen(function* () {
        expect(yield* refused({ cursor: "x" })).toBe("cursor: not the `next` of a page")
        expect(yield* refused({ stauts: "idle" })).toBe(
          "stauts: there is no such field; did you mean status?"
        )
        expect(yield* refused({ limit: 101 })).toContain("limit: ")
        expect(yield* refused({ name: "shop.crat" })).toContain("did you mean shop.cart?")
      }).pipe(on([cart]))
    })
  })
}
