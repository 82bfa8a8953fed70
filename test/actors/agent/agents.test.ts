/** What agents promise those who write to them, on both stores. */
import { describe, expect } from "bun:test"
import { Effect, Layer, Context, Schema } from "effect"
import { z } from "zod"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { defineAgent } from "../../../runtime/agent.ts"
import { Agents } from "../../../runtime/agents.ts"
import { AskCycle } from "../../../runtime/current-agent.ts"
import { ChildFailed, ChildRefused, type TaskDefinition } from "../../../runtime/handler.ts"
import { agentBoxKey } from "../../../runtime/mailbox.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { partitionOfId, type TaskId } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { memorySystem, redisSystem } from "../../support/system.ts"

const home = "default.0"

const counter = (over: { readonly name?: string; readonly retry?: { readonly attempts: number } } = {}) =>
  defineAgent({
    name: "counter",
    retry: { attempts: 1 },
    ...over,
    state: { schema: z.object({ count: z.number() }), initial: () => ({ count: 0 }) },
    messages: {
      add: { input: z.object({ by: z.number() }), output: z.number() },
      fail: {},
      read: { output: z.number() }
    },
    handle: {
      add: ({ by }, ctx) => {
        ctx.setState({ count: ctx.state.count + by })
        return ctx.state.count
      },
      fail: (_, ctx) => {
        ctx.setState({ count: -1 })
        throw new Error("no")
      },
      read: (_, ctx) => ctx.state.count
    }
  })

const send = (name: string, key: string, message: string, input: unknown = {}, over: object = {}) => ({
  name,
  key,
  input: { message, input },
  ...over
})

const ask = Effect.fnUntraced(function* (...message: Parameters<typeof send>) {
  const ended = yield* Dispatcher.use((dispatcher) => dispatcher.ask(send(...message)))
  return ended.state === "succeeded" ? ended.output : ended.error
})

const tell = (...message: Parameters<typeof send>) =>
  Effect.map(
    Dispatcher.use((dispatcher) => dispatcher.submit(send(...message))),
    ({ id }) => id
  )

const ended = (id: TaskId) => Dispatcher.use((dispatcher) => dispatcher.result(id))

/** From now on this version of an agent is the one that workers have. */
const load = (definition: TaskDefinition) => Handlers.use(({ learn }) => Effect.sync(() => learn(definition)))

const stored = Effect.fnUntraced(function* (agent: string) {
  const [found] = yield* (yield* Agents).load(home, [agent])
  return found!
})

/** Succeeds when `holds` does, which something that was asked for before brings about. */
const eventually = <E, R>(holds: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(Effect.delay(holds, "5 millis"), { until: (held) => held })

for (const [store, system] of [
  ["memory", memorySystem],
  ["Redis", redisSystem]
] as const) {
  const on =
    (...agents: ReadonlyArray<unknown>) =>
    <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.provide(effect, system(agents as never))

  describe(`an agent on ${store}`, () => {
    it.live("handles its messages in order, one at a time, each with the state the one before left", () =>
      Effect.gen(function* () {
        const ids = yield* Effect.forEach(Array.from({ length: 60 }), () =>
          tell("counter", "a", "add", { by: 1 })
        )

        const replies = yield* Effect.forEach(ids, ended, { concurrency: "unbounded" })

        expect(replies).toEqual(replies.map((_, at) => expect.objectContaining({ output: at + 1 }) as never))
        expect(yield* ask("counter", "a", "read")).toBe(60)
        expect(yield* ask("counter", "b", "read")).toBe(0)
      }).pipe(on(counter()))
    )

    it.live("loses nothing that it tells without waiting, and fails where that is refused", () => {
      const heard: Array<string> = []
      const slowly = z.string().refine(async () => {
        await Bun.sleep(1)
        return true
      })
      const teller = defineAgent({
        name: "teller",
        retry: { attempts: 1 },
        state: { initial: () => 0 },
        messages: { go: {}, stray: {}, caught: {}, hear: { input: slowly } },
        handle: {
          go: (_, ctx) => {
            void ctx.tell("teller", "b", "hear", "first")
            void ctx.tell("teller", "b", "hear", "second")
          },
          stray: async (_, ctx) => {
            void ctx.tell("nobody", "b", "hear", "lost")
            await Bun.sleep(1)
          },
          caught: async (_, ctx) => {
            await ctx.tell("nobody", "b", "hear", "lost").catch(() => {})
            return "went on"
          },
          hear: (text) => void heard.push(text)
        }
      })
      return Effect.gen(function* () {
        expect(yield* ask("teller", "a", "stray")).toMatchObject({ type: "ChildRefused" })
        expect(yield* ask("teller", "c", "caught")).toBe("went on")
        expect(yield* ask("teller", "d", "go")).toBe(null)
        yield* eventually(Effect.sync(() => heard.length === 2))
        expect(heard).toEqual(["first", "second"])
      }).pipe(on(teller))
    })

    it.live("never runs two handlers of one key at once, and those of several keys at once", () => {
      let running = 0
      let most = 0
      const byKey = new Map<string, number>()
      const slow = defineAgent({
        name: "slow",
        state: { initial: () => 0 },
        messages: { go: {} },
        handle: {
          go: async (_, ctx) => {
            running += 1
            most = Math.max(most, running)
            byKey.set(ctx.key, (byKey.get(ctx.key) ?? 0) + 1)
            expect(byKey.get(ctx.key)).toBe(1)
            await Bun.sleep(2)
            byKey.set(ctx.key, byKey.get(ctx.key)! - 1)
            running -= 1
          }
        }
      })
      return Effect.gen(function* () {
        const keys = Array.from({ length: 40 }, (_, at) => `k${at % 4}`)
        const ends = yield* Effect.forEach(keys, (key) => ask("slow", key, "go"), {
          concurrency: "unbounded"
        })

        expect(ends).toEqual(keys.map(() => null))
        expect(most).toBe(4)
      }).pipe(on(slow))
    })

    it.live("keeps nothing of a message that fails, and tries it again before the others", () => {
      let failures = 0
      const flaky = defineAgent({
        name: "flaky",
        retry: { attempts: 3, backoff: { fixed: "1 milli" } },
        state: { initial: (): ReadonlyArray<string> => [] },
        messages: { add: { input: z.string() } },
        handle: {
          add: (item, ctx) => {
            ctx.setState([...ctx.state, item])
            if (item === "b" && failures++ < 2) throw new Error("not yet")
            return ctx.state
          }
        }
      })
      return Effect.gen(function* () {
        const ids = yield* Effect.forEach(["a", "b", "c"], (item) => tell("flaky", "x", "add", item))

        const [, , last] = yield* Effect.forEach(ids, ended)

        expect(last).toMatchObject({ output: ["a", "b", "c"] })
        expect(failures).toBe(3)
      }).pipe(on(flaky))
    })

    it.live("handles again, in order, what it was handling when it was reset", () => {
      const gates = [1, 2].map(() => ({
        begun: Promise.withResolvers<void>(),
        open: Promise.withResolvers<void>()
      }))
      const log = defineAgent({
        name: "log",
        state: { initial: (): ReadonlyArray<number> => [] },
        messages: { note: { input: z.number() }, read: {} },
        handle: {
          note: async (n, ctx) => {
            const gate = ctx.attempt === 1 ? gates[n - 1] : undefined
            gate?.begun.resolve()
            await gate?.open.promise
            ctx.setState([...ctx.state, n])
          },
          read: (_, ctx) => ctx.state
        }
      })
      const [first, second] = gates
      return Effect.gen(function* () {
        yield* ask("log", "a", "note", 0)
        const ids = yield* Effect.forEach([1, 2, 3, 4], (n) => tell("log", "a", "note", n), {
          concurrency: "unbounded"
        })
        yield* Effect.promise(() => first!.begun.promise)
        yield* (yield* Agents).resume(home, "log/a", { box: `|${agentBoxKey("log/a")}`, reset: true })
        first!.open.resolve()
        yield* Effect.promise(() => second!.begun.promise)
        // The second is handled with what the first has left, whose end is refused meanwhile.
        yield* eventually(
          Effect.map(
            Dispatcher.use((dispatcher) => dispatcher.task(ids[0]!)),
            ({ state }) => state === "queued"
          )
        )

        second!.open.resolve()

        yield* Effect.forEach(ids, ended)
        expect(yield* ask("log", "a", "read")).toEqual([1, 2, 3, 4])
      }).pipe(on(log))
    })

    it.live("is in quarantine when a message has failed for good, until it is resumed", () =>
      Effect.gen(function* () {
        yield* ask("counter", "a", "add", { by: 2 })
        expect(yield* ask("counter", "a", "fail")).toMatchObject({ message: "no" })

        const refused = yield* Effect.flip(tell("counter", "a", "read"))
        expect(refused._tag).toBe("AgentQuarantined")
        expect(yield* ask("counter", "b", "read")).toBe(0)

        yield* (yield* Agents).resume(home, "counter/a", {
          box: `|${agentBoxKey("counter/a")}`,
          reset: false
        })
        expect(yield* ask("counter", "a", "read")).toBe(2)
      }).pipe(on(counter()))
    )

    it.live("sinks no other messages of a batch while it is in quarantine", () =>
      Effect.gen(function* () {
        yield* ask("counter", "a", "fail")
        yield* ask("counter", "c", "fail")
        const batch = ["a", "b", "c", "b", "d"].map((key) => send("counter", key, "add", { by: 1 }))

        const answers = yield* (yield* Dispatcher).submitAll(batch)

        expect(answers.map((answer) => answer._tag)).toEqual([
          "Failure",
          "Success",
          "Failure",
          "Success",
          "Success"
        ])
        expect(yield* ask("counter", "b", "read")).toBe(2)
      }).pipe(on(counter()))
    )

    it.live("says what does not fit before anything is stored", () =>
      Effect.gen(function* () {
        const faults = [
          [{ name: "counter", input: { message: "read" } }, "/key"],
          [send("counter", "a", "rea"), "/input/message"],
          [send("counter", "a", "add", { by: "2" }), "/input/input/by"],
          [send("counter", "a", "read", {}, { queue: "other" }), "/queue"],
          [{ ...send("counter", "a", "read"), input: { message: "read", extra: 1 } }, "/input/extra"]
        ] as const
        for (const [task, path] of faults) {
          const refused = yield* Effect.flip((yield* Dispatcher).submit(task))
          expect(refused).toMatchObject({ _tag: "SubmitRefused", faults: [{ path }] })
        }
      }).pipe(on(counter()))
    )

    it.live("refuses a state that does not fit its schema, and keeps the old one", () => {
      const strict = defineAgent({
        name: "strict",
        retry: { attempts: 1 },
        state: { schema: z.object({ n: z.number() }), initial: () => ({ n: 1 }) },
        messages: { set: {}, read: {} },
        handle: {
          set: (_, ctx) => ctx.setState({ n: "two" } as never),
          read: (_, ctx) => ctx.state.n
        }
      })
      return Effect.gen(function* () {
        expect(yield* ask("strict", "a", "set")).toMatchObject({ type: "ActRefused" })
        expect((yield* stored("strict/a")).state).toBeUndefined()
      }).pipe(on(strict))
    })

    it.live("migrates a state of an earlier version when it reads it", () => {
      const of = (version: number, migrate?: (old: { count: number }, from: number) => { total: number }) =>
        defineAgent({
          name: "moving",
          state: { version, initial: () => ({}) as never, ...(migrate && { migrate }) },
          messages: { set: { input: z.unknown() }, read: {} },
          handle: { set: (input, ctx) => ctx.setState(input as never), read: (_, ctx) => ctx.state }
        })
      const newer = of(2, ({ count }, from) => ({ total: count * 10 + from }))
      return Effect.gen(function* () {
        yield* ask("moving", "a", "set", { count: 4 })
        yield* load(newer)

        expect(yield* ask("moving", "a", "read")).toEqual({ total: 41 })
      }).pipe(on(of(1)))
    })

    it.live("waits for a worker of a newer version with a message that only that one has", () => {
      const begun = Promise.withResolvers<void>()
      const gate = Promise.withResolvers<void>()
      const hold = () => {
        begun.resolve()
        return gate.promise
      }
      const common = { name: "rolling", retry: { attempts: 1 }, state: { initial: () => 0 } }
      const older = defineAgent({ ...common, messages: { hold: {} }, handle: { hold } })
      const newer = defineAgent({
        ...common,
        messages: { hold: {}, wave: {} },
        handle: { hold, wave: () => "hello" }
      })
      return Effect.gen(function* () {
        yield* tell("rolling", "a", "hold")
        yield* Effect.promise(() => begun.promise)
        const wave = yield* tell("rolling", "a", "wave")
        yield* load(older)
        gate.resolve()
        yield* eventually(
          Effect.map(
            Dispatcher.use((dispatcher) => dispatcher.task(wave)),
            ({ attempt }) => attempt === 2
          )
        )

        yield* load(newer)

        expect(yield* ended(wave)).toMatchObject({ output: "hello" })
      }).pipe(on(newer))
    })

    it.live("handles messages in effects, with services and typed errors, too", () => {
      class Tax extends Context.Service<Tax, { readonly rate: number }>()("test/Tax") {}
      const shop = defineAgent.effect({
        name: "shop",
        state: { schema: Schema.Struct({ sum: Schema.Finite }), initial: () => ({ sum: 0 }) },
        messages: { buy: { input: Schema.Struct({ price: Schema.Finite }), output: Schema.Finite } },
        handle: {
          buy: Effect.fnUntraced(function* ({ price }, ctx) {
            const { rate } = yield* Tax
            yield* ctx.emit({ price })
            ctx.setState({ sum: ctx.state.sum + price * rate })
            return ctx.state.sum
          })
        },
        layer: Layer.succeed(Tax, { rate: 2 })
      })
      return Effect.gen(function* () {
        expect(yield* ask("shop", "a", "buy", { price: 5 })).toBe(10)
        expect(yield* ask("shop", "a", "buy", { price: 1 })).toBe(12)
      }).pipe(on(shop))
    })
  })

  describe(`what agents tell each other on ${store}`, () => {
    it.live("is sent once its message has succeeded, once, and in order", () => {
      let failures = 0
      const sender = defineAgent({
        name: "sender",
        retry: { attempts: 2, backoff: { fixed: "1 milli" } },
        state: { initial: () => 0 },
        messages: { go: {} },
        handle: {
          go: async (_, ctx) => {
            for (let by = 1; by <= 20; by++) await ctx.tell("list", "x", "add", by)
            if (failures++ === 0) throw new Error("not yet")
          }
        }
      })
      const list = defineAgent({
        name: "list",
        queue: "elsewhere",
        state: { initial: (): ReadonlyArray<number> => [] },
        messages: { add: { input: z.number() }, read: {} },
        handle: { add: (n, ctx) => ctx.setState([...ctx.state, n]), read: (_, ctx) => ctx.state }
      })
      return Effect.gen(function* () {
        yield* ask("sender", "s", "go")
        const all = Array.from({ length: 20 }, (_, at) => at + 1)

        yield* eventually(
          Effect.map(ask("list", "x", "read"), (read) => (read as Array<number>).length >= 20)
        )

        expect(yield* ask("list", "x", "read")).toEqual(all)
      }).pipe(on(sender, list))
    })

    it.live("refuses what does not fit, so that the message fails", () => {
      const sender = defineAgent({
        name: "sender",
        state: { initial: () => 0 },
        messages: { go: { input: z.string() } },
        handle: {
          go: async (message, ctx) => {
            try {
              await ctx.tell("counter", "x", message, { by: "one" })
            } catch (error) {
              if (error instanceof ChildRefused) return error.message
              throw error
            }
          }
        }
      })
      return Effect.gen(function* () {
        expect(yield* ask("sender", "s", "go", "add")).toContain("/input/input/by")
        expect(yield* ask("sender", "s", "go", "ad")).toContain("/input/message")
      }).pipe(on(sender, counter()))
    })
  })

  describe(`what an agent sends or sets on ${store}`, () => {
    const sender = defineAgent({
      name: "sender",
      retry: { attempts: 1 },
      state: { initial: () => 0 },
      messages: { tell: { input: z.number() }, delay: {}, call: {}, take: {} },
      handle: {
        tell: async (count, ctx) => {
          for (let n = 0; n < count; n++)
            await ctx.tell("sender", "other", "take", "x".repeat(2 ** 20 - 1_000))
        },
        delay: (_, ctx) => ctx.tell("sender", "other", "take", {}, { delay: "4000 days" }),
        call: (_, ctx) => ctx.schedule("take", {}, { delay: "1 day", name: "\ud800" }),
        take: () => "taken"
      }
    })

    it.live("is refused where it is too much for one step, lies too far ahead or has no name", () =>
      Effect.gen(function* () {
        expect(yield* ask("sender", "a", "tell", 8)).toBeNull()
        const refused = [
          ["tell", 9, "what it sends has more than 8388608 characters of JSON altogether"],
          ["delay", {}, "delay 4000 days is more than ten years"],
          ["call", {}, "a timer's name has 1 to 128 characters, none of them a control character"]
        ] as const
        for (const [at, [message, input, reason]] of refused.entries()) {
          expect(yield* ask("sender", `refused ${at}`, message, input)).toMatchObject({
            type: "ActRefused",
            message: expect.stringContaining(reason) as never
          })
        }
      }).pipe(on(sender))
    )
  })

  describe(`what agents ask each other on ${store}`, () => {
    const asker = (
      name: string,
      body: (key: string) => readonly [agent: string, key: string, message: string]
    ) =>
      defineAgent({
        name,
        retry: { attempts: 1 },
        state: { initial: () => 0 },
        messages: { go: {} },
        handle: {
          go: async (_, ctx) => {
            const [agent, key, message] = body(ctx.key)
            ctx.setState(ctx.state + 1)
            try {
              return { reply: await ctx.ask(agent, key, message, { by: 3 }), runs: ctx.state }
            } catch (error) {
              if (error instanceof AskCycle || error instanceof ChildFailed) return { error: error.message }
              throw error
            }
          }
        }
      })

    it.live("is answered, while the asker's agent holds no worker and keeps its place", () =>
      Effect.gen(function* () {
        const asks = yield* Effect.forEach(["a", "b", "c"], (key) => ask("asker", key, "go"), {
          concurrency: "unbounded"
        })

        expect(asks).toEqual([3, 3, 3].map((reply) => ({ reply, runs: 1 })))
      }).pipe((effect) =>
        Effect.provide(
          effect,
          system([asker("asker", (key) => ["counter", key, "add"]), counter()] as never, {
            queues: [{ queue: "default", concurrency: 1 }]
          })
        )
      )
    )

    it.live("is told as a cycle where one would wait for itself, by whatever way", () => {
      const a = asker("a", (key) => ["b", key, "go"])
      const b = asker("b", (key) => ["c", key, "go"])
      const c = asker("c", (key) => ["a", key, "go"])
      const self = asker("self", (key) => ["self", key, "go"])
      return Effect.gen(function* () {
        expect(yield* ask("a", "x", "go")).toEqual({
          runs: 1,
          reply: {
            runs: 1,
            reply: { error: "c/x asks a/x, which waits for its answer: neither would ever go on" }
          }
        })
        expect(yield* ask("self", "x", "go")).toEqual({
          error: "self/x asks self/x, which waits for its answer: neither would ever go on"
        })
      }).pipe(on(a, b, c, self))
    })

    it.live("fails when the one that was asked has failed", () =>
      Effect.gen(function* () {
        expect(yield* ask("asker", "a", "go")).toEqual({ error: expect.stringContaining("no") as never })
      }).pipe(
        on(
          asker("asker", (key) => ["counter", key, "fail"]),
          counter()
        )
      )
    )
  })

  describe(`the timers of an agent on ${store}`, () => {
    const alarm = defineAgent({
      name: "alarm",
      state: { initial: (): ReadonlyArray<string> => [] },
      messages: {
        set: {
          input: z.object({ name: z.string().optional(), ms: z.number(), every: z.boolean().optional() })
        },
        clear: { input: z.string() },
        ring: { input: z.string() },
        read: {}
      },
      handle: {
        set: ({ every, ms, name }, ctx) => {
          const when = every === true ? { every: ms } : { delay: ms }
          ctx.schedule("ring", `${name}:${ms}`, { ...(name === undefined ? {} : { name }), ...when })
        },
        clear: (name, ctx) => ctx.unschedule(name),
        ring: (what, ctx) => ctx.setState([...ctx.state, what]),
        read: (_, ctx) => ctx.state
      }
    })
    const rung = (count: number) =>
      eventually(Effect.map(ask("alarm", "a", "read"), (read) => (read as Array<string>).length >= count))

    it.live("send it a message when they are due, once", () =>
      Effect.gen(function* () {
        yield* ask("alarm", "a", "set", { ms: 5, name: "one" })
        yield* ask("alarm", "a", "set", { ms: 10, name: "two" })

        yield* rung(2)

        expect(yield* ask("alarm", "a", "read")).toEqual(["one:5", "two:10"])
        expect((yield* stored("alarm/a")).timers.size).toBe(0)
      }).pipe(on(alarm))
    )

    it.live("take each other's place, and ring no more when they are cleared", () =>
      Effect.gen(function* () {
        yield* ask("alarm", "a", "set", { ms: 60_000, name: "x" })
        yield* ask("alarm", "a", "set", { ms: 10, name: "x" })
        yield* ask("alarm", "a", "set", { ms: 60_000, name: "y" })
        yield* ask("alarm", "a", "clear", "y")

        yield* rung(1)

        expect(yield* ask("alarm", "a", "read")).toEqual(["x:10"])
        expect((yield* stored("alarm/a")).timers.size).toBe(0)
      }).pipe(on(alarm))
    )

    const planner = defineAgent({
      name: "planner",
      retry: { attempts: 1 },
      state: { initial: () => 0 },
      messages: { plan: { input: z.object({ from: z.number(), to: z.number() }) }, swap: {}, ring: {} },
      handle: {
        plan: ({ from, to }, ctx) => {
          for (let n = from; n < to; n++) ctx.schedule("ring", {}, { delay: "1 day", name: `t${n}` })
        },
        swap: (_, ctx) => {
          ctx.unschedule("t0")
          ctx.unschedule("t0")
          ctx.schedule("ring", {}, { delay: "1 day", name: "another" })
          ctx.schedule("ring", {}, { delay: "1 day", name: "one too many" })
        },
        ring: () => {}
      }
    })

    it.live("are bounded in number, and one that takes another's place is no more", () =>
      Effect.gen(function* () {
        expect(yield* ask("planner", "a", "plan", { from: 0, to: 600 })).toBeNull()
        expect(yield* ask("planner", "a", "plan", { from: 500, to: 1_000 })).toBeNull()
        expect((yield* stored("planner/a")).timers.size).toBe(1_000)
        expect(yield* ask("planner", "a", "plan", { from: 999, to: 1_000 })).toBeNull()

        expect(yield* ask("planner", "a", "swap")).toMatchObject({
          type: "ActRefused",
          message: expect.stringContaining("it has 1000 timers already") as never
        })
        expect((yield* stored("planner/a")).timers.size).toBe(1_000)
      }).pipe(on(planner))
    )

    it.live("go on and on, if they are to", () =>
      Effect.gen(function* () {
        yield* ask("alarm", "a", "set", { ms: 15, name: "beat", every: true })

        yield* rung(3)

        yield* ask("alarm", "a", "clear", "beat")
        expect((yield* stored("alarm/a")).timers.size).toBe(0)
      }).pipe(on(alarm))
    )
  })

  describe(`a timer that goes on and on, on ${store}`, () => {
    const failing = (how: "throws" | "takes too long") => {
      let rings = 0
      return defineAgent({
        name: "beat",
        timeout: "50 millis",
        retry: { attempts: 1 },
        state: { initial: () => 0 },
        messages: { set: {}, ring: {}, read: {} },
        handle: {
          set: (_, ctx) => ctx.schedule("ring", {}, { every: 20, name: "beat" }),
          ring: async (_, ctx) => {
            rings += 1
            if (rings === 1 && how === "throws") throw new Error("no")
            if (rings === 1) await new Promise(() => {})
            ctx.setState(ctx.state + 1)
          },
          read: (_, ctx) => ctx.state
        }
      })
    }

    for (const how of ["throws", "takes too long"] as const) {
      it.live(`goes on when a message of it ${how}`, () =>
        Effect.gen(function* () {
          const agents = yield* Agents
          const box = `|${agentBoxKey("beat/a")}`
          yield* ask("beat", "a", "set")
          yield* eventually(
            Effect.map(agents.read(home, "beat/a", box), (found) => found?.quarantined !== undefined)
          )

          yield* agents.resume(home, "beat/a", { box, reset: false })

          yield* eventually(Effect.map(ask("beat", "a", "read"), (rung) => (rung as number) >= 2))
        }).pipe(on(failing(how)))
      )
    }
  })

  describe(`what arrives at a busy agent on ${store}`, () => {
    const busy = (onBusy: "reject" | "coalesce" | "interrupt") => {
      const begun = Promise.withResolvers<void>()
      const gate = Promise.withResolvers<void>()
      const agent = defineAgent({
        name: "busy",
        onBusy,
        state: { initial: () => 0 },
        messages: { go: { input: z.string() }, other: {} },
        handle: {
          go: async (what, ctx) => {
            begun.resolve()
            if (what === "first") await Promise.race([gate.promise, aborted(ctx.signal)])
            return what
          },
          other: () => "other"
        }
      })
      return { agent, begun: Effect.promise(() => begun.promise), open: Effect.sync(() => gate.resolve()) }
    }
    const aborted = (signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve())
      })

    it.live("is refused, where it is to be rejected", () => {
      const { agent, begun, open } = busy("reject")
      return Effect.gen(function* () {
        const first = yield* tell("busy", "a", "go", "first")
        yield* begun
        expect((yield* Effect.flip(tell("busy", "a", "go", "second")))._tag).toBe("AgentBusy")
        yield* open
        expect(yield* ended(first)).toMatchObject({ output: "first" })
        expect(yield* ask("busy", "a", "go", "third")).toBe("third")
      }).pipe(on(agent))
    })

    it.live("takes the place of one of its kind that waits, where they are to be coalesced", () => {
      const { agent, begun, open } = busy("coalesce")
      return Effect.gen(function* () {
        const first = yield* tell("busy", "a", "go", "first")
        yield* begun
        const [second, other, third] = [
          yield* tell("busy", "a", "go", "second"),
          yield* tell("busy", "a", "other"),
          yield* tell("busy", "a", "go", "third")
        ]
        yield* open

        expect(yield* ended(first)).toMatchObject({ output: "first" })
        expect(yield* ended(second)).toMatchObject({ state: "cancelled" })
        expect(yield* ended(other)).toMatchObject({ output: "other" })
        expect(yield* ended(third)).toMatchObject({ output: "third" })
      }).pipe(on(agent))
    })

    it.live("cancels the one that runs, where it is to interrupt", () => {
      const { agent, begun } = busy("interrupt")
      return Effect.gen(function* () {
        const first = yield* tell("busy", "a", "go", "first")
        yield* begun

        expect(yield* ask("busy", "a", "go", "second")).toBe("second")
        expect(yield* ended(first)).toMatchObject({ state: "cancelled", error: { type: "Interrupted" } })
      }).pipe(on(agent))
    })
  })

  describe(`what a busy agent is told for later on ${store}`, () => {
    for (const onBusy of ["reject", "interrupt"] as const) {
      it.live(`waits, and leaves alone what it handles now, where others are to ${onBusy}`, () => {
        const begun = Promise.withResolvers<void>()
        const gate = Promise.withResolvers<void>()
        const busy = defineAgent({
          name: "busy",
          onBusy,
          state: { initial: () => 0 },
          messages: { hold: {}, note: {} },
          handle: {
            hold: async () => {
              begun.resolve()
              await gate.promise
              return "held"
            },
            note: () => "noted"
          }
        })
        return Effect.gen(function* () {
          const first = yield* tell("busy", "a", "hold")
          yield* Effect.promise(() => begun.promise)
          const later = yield* tell("busy", "a", "note", {}, { delayMs: 20 })
          gate.resolve()

          expect(yield* ended(first)).toMatchObject({ output: "held" })
          expect(yield* ended(later)).toMatchObject({ output: "noted" })
        }).pipe(on(busy))
      })
    }
  })

  describe(`a message of an agent on ${store}`, () => {
    it.live("is a task: it has an id, a partition, and a key", () =>
      Effect.gen(function* () {
        const id = yield* tell("counter", "a", "add", { by: 1 })
        yield* ended(id)

        const task = yield* Dispatcher.use((dispatcher) => dispatcher.task(id))
        expect(task).toMatchObject({ name: "counter", key: "a", state: "succeeded" })
        expect(partitionOfId(id)).toBe(home)
      }).pipe(on(counter()))
    )

    it.live("is not sent twice with one idempotency key", () =>
      Effect.gen(function* () {
        const once = { idempotencyKey: "a 1" }
        const [one, two] = [
          yield* tell("counter", "a", "add", { by: 1 }, once),
          yield* tell("counter", "a", "add", { by: 1 }, once)
        ]
        expect(two).toBe(one)
        expect(yield* ask("counter", "a", "read")).toBe(1)
      }).pipe(on(counter()))
    )
  })
}
