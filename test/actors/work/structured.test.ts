/** Nothing that a run has started outlives it, however it ends. */
import { describe, expect } from "bun:test"
import {
  Context,
  Data,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  FiberSet,
  Layer,
  Schedule,
  Schema,
  Scope
} from "effect"
import * as Dispatcher from "../../../actors/dispatch/dispatcher.ts"
import * as Replies from "../../../actors/dispatch/replies.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import type { Incarnation } from "../../../actors/work/incarnation.ts"
import * as Worker from "../../../actors/work/worker.ts"
import { defineAgent } from "../../../runtime/agent.ts"
import { AttemptOver, CurrentTask, defineTask, type TaskDefinition } from "../../../runtime/handler.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { Store } from "../../../runtime/store.ts"
import { partitionOf } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { isAlive } from "../../support/node.ts"
import { memorySettings } from "../../support/redis.ts"

const ways = [
  "succeeds",
  "fails",
  "is over its time",
  "is cancelled",
  "is lost with its worker's lease",
  "is still running when its worker stops"
] as const
type Way = (typeof ways)[number]

const settings = memorySettings({
  drain: Duration.zero,
  lease: Duration.seconds(1),
  queues: [{ queue: "default", concurrency: 8 }]
})

const system = (handlers: ReadonlyArray<TaskDefinition>) =>
  Dispatcher.layer.pipe(
    Layer.provideMerge(Replies.layer),
    Layer.provideMerge(Memory.layer),
    Layer.provideMerge(
      Layer.merge(Layer.provideMerge(Shutdown.layer, settings), Handlers.layer({ given: handlers }))
    )
  )

const soon = Schedule.upTo(Schedule.spaced("5 millis"), { duration: "2 seconds" })

const eventually = (holds: () => boolean) =>
  Effect.repeat(Effect.delay(Effect.sync(holds), "1 millis"), { until: (held) => held })

const aborted = (signal: AbortSignal) => {
  const { promise, resolve } = Promise.withResolvers<unknown>()
  signal.addEventListener("abort", resolve)
  return promise
}

/** A first run, which ends as it is told to; a later one does nothing. */
const aRun = (way: Way) => {
  const begun = Deferred.makeUnsafe<void>()
  const byItself = way === "succeeds" || way === "fails"
  return {
    begin: () => Deferred.doneUnsafe(begun, Exit.void),
    begun: Deferred.await(begun),
    /** In a plain handler. */
    through: async (signal: AbortSignal) => {
      Deferred.doneUnsafe(begun, Exit.void)
      if (way === "fails") throw new Error("as it was told")
      if (!byItself) await aborted(signal)
    },
    /** In one of effects. */
    throughEffect: Effect.suspend(() => {
      Deferred.doneUnsafe(begun, Exit.void)
      if (way === "fails") return Effect.die(new Error("as it was told"))
      return byItself ? Effect.void : Effect.never
    })
  }
}

type Run = ReturnType<typeof aRun>

/** Submits a task, lets its first run end that way, and looks when that is known. */
const endedThat = Effect.fnUntraced(function* (
  way: Way,
  run: Run,
  task: object,
  look: () => Effect.Effect<unknown, unknown>
) {
  const incarnations: Array<Incarnation> = []
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  yield* Layer.buildWithScope(
    Worker.layer({ onIncarnation: (incarnation) => void incarnations.push(incarnation) }),
    scope
  )
  const { cancel, result, submit } = yield* Dispatcher.Dispatcher
  const attempts = way === "fails" || way === "is over its time" ? 1 : undefined
  const { id } = yield* submit({
    ...task,
    ...(attempts === undefined ? {} : { retry: { attempts } }),
    ...(way === "is over its time" ? { timeoutMs: 50 } : {})
  })
  yield* run.begun
  switch (way) {
    case "is cancelled":
      yield* cancel(id)
      break
    case "is lost with its worker's lease":
      yield* Store.use((store) => store.evict(partitionOf("default"), incarnations[0]!.worker))
      yield* eventually(() => incarnations.length > 1)
      break
    case "is still running when its worker stops":
      yield* Scope.close(scope, Exit.void)
      break
    case "succeeds":
    case "fails":
    case "is over its time":
      yield* result(id)
  }
  // Whoever cancels is answered at once, and the run hears of it.
  yield* way === "is cancelled" ? Effect.retry(Effect.suspend(look), soon) : look()
})

const promise = (
  sentence: (way: Way) => string,
  body: (
    way: Way,
    run: Run
  ) => {
    readonly handler: unknown
    readonly task: object
    readonly look: () => Effect.Effect<unknown, unknown>
  }
) => {
  for (const way of ways) {
    it.live(
      sentence(way),
      () =>
        Effect.suspend(() => {
          const run = aRun(way)
          const { handler, look, task } = body(way, run)
          return Effect.provide(endedThat(way, run, task, look), system([handler as TaskDefinition]))
        }),
      20_000
    )
  }
}

/** A thing that is expected, as an effect: it may be looked at again. */
const that = (expectation: () => void) =>
  Effect.try({ try: expectation, catch: (thrown) => new Unmet({ thrown }) })

class Unmet extends Data.TaggedError("Unmet")<{ readonly thrown: unknown }> {
  override get message() {
    return String(this.thrown)
  }
}

/** What fibers of a run do until they are interrupted. */
const newFibers = () => {
  const living = new Set<string>()
  const lives = (name: string) =>
    Effect.suspend(() => {
      living.add(name)
      return Effect.never
    }).pipe(Effect.ensuring(Effect.sync(() => living.delete(name))))
  let ticks = 0
  const tick = Effect.sync(() => void (ticks += 1))
  /** Starts one of every kind. */
  const start = Effect.gen(function* () {
    yield* Effect.forkChild(lives("a child"), { startImmediately: true })
    yield* Effect.forkChild(Effect.andThen(Effect.forkChild(lives("a grandchild")), lives("its parent")), {
      startImmediately: true
    })
    yield* Effect.forkScoped(lives("one of a scope"), { startImmediately: true })
    const set = yield* FiberSet.make()
    yield* FiberSet.run(set, lives("one of a set"))
    yield* Effect.forkChild(Effect.repeat(tick, Schedule.spaced("1 millis")))
    yield* Effect.forkChild(Effect.forever(Effect.andThen(tick, Effect.sleep("1 millis"))))
    while (living.size < 5 || ticks === 0) yield* Effect.yieldNow
  })
  return { living, start, ticks: () => ticks }
}

const noFiberIsLeft = ({ living, ticks }: ReturnType<typeof newFibers>) =>
  Effect.gen(function* () {
    yield* that(() => expect([...living]).toEqual([]))
    const before = ticks()
    yield* Effect.sleep("20 millis")
    yield* that(() => expect(ticks()).toBe(before))
  })

/** What became of each write: the error it was refused with, or `undefined`. */
const refusals = (writes: Readonly<Record<string, () => Promise<unknown>>>) =>
  Effect.promise(async () =>
    Object.fromEntries(
      await Promise.all(
        Object.entries(writes).map(async ([name, write]) => [
          name,
          await Promise.resolve()
            .then(write)
            .then(
              () => undefined,
              (thrown: unknown) => (thrown instanceof AttemptOver ? "AttemptOver" : thrown)
            )
        ])
      )
    )
  ) as Effect.Effect<Record<string, unknown>>

const allRefused = (writes: Readonly<Record<string, () => Promise<unknown>>>) =>
  Effect.flatMap(refusals(writes), (refused) =>
    that(() =>
      expect(refused).toEqual(Object.fromEntries(Object.keys(writes).map((name) => [name, "AttemptOver"])))
    )
  )

/** The same of a context in effects. */
const inPromises = (writes: Readonly<Record<string, Effect.Effect<unknown, unknown>>>) =>
  Object.fromEntries(
    Object.entries(writes).map(([name, write]) => [name, () => Effect.runPromise(write)] as const)
  )

/** A process that a handler starts with its signal. */
const newProcess = () => {
  let child: Bun.Subprocess | undefined
  return {
    start: (signal: AbortSignal) => {
      child = Bun.spawn(["sleep", "1000"], { signal, stdio: ["ignore", "ignore", "ignore"] })
    },
    hasEnded: Effect.suspend(() =>
      that(() => expect(child).toBeDefined()).pipe(
        // The signal has fired; the system takes a moment.
        Effect.andThen(
          Effect.retry(
            that(() => expect(isAlive(child!.pid)).toBe(false)),
            soon
          )
        )
      )
    )
  }
}

describe("a run in effects", () => {
  promise(
    (way) => `leaves no fiber and no timer behind when it ${way}`,
    (_, run) => {
      const fibers = newFibers()
      const handler = defineTask.effect({
        name: "forks",
        run: Effect.fnUntraced(function* () {
          if ((yield* CurrentTask).attempt > 1) return
          yield* Effect.scoped(Effect.andThen(fibers.start, run.throughEffect))
        })
      })
      return { handler, task: { name: "forks" }, look: () => noFiberIsLeft(fibers) }
    }
  )
})

describe("a plain run", () => {
  promise(
    (way) => `has its signal fired, its writes refused and its child process ended when it ${way}`,
    (_, run) => {
      const process = newProcess()
      let signal: AbortSignal | undefined
      let writes: Parameters<typeof allRefused>[0] = {}
      const handler = defineTask({
        name: "plain",
        run: async (_, ctx) => {
          if (ctx.attempt > 1) return
          signal = ctx.signal
          process.start(signal)
          writes = {
            emit: () => ctx.emit("late"),
            log: () => ctx.log("late"),
            progress: () => ctx.progress(1),
            step: () => ctx.step("late", () => 1),
            submit: () => ctx.submit("plain", null),
            all: () => ctx.all([])
          }
          await run.through(ctx.signal)
        }
      })
      const look = () =>
        Effect.gen(function* () {
          yield* that(() => expect(signal?.aborted).toBe(true))
          yield* that(() => expect(signal?.reason).toBeInstanceOf(AttemptOver))
          yield* allRefused(writes)
          yield* process.hasEnded
        })
      return { handler, task: { name: "plain" }, look }
    }
  )

  promise(
    (way) => `finds its signal fired if it first asks for it after it ${way}`,
    (_, run) => {
      let late: (() => AbortSignal) | undefined
      const handler = defineTask({
        name: "late",
        run: (_, ctx) => {
          if (ctx.attempt > 1) return
          late = () => ctx.signal
          return run.through(new AbortController().signal)
        }
      })
      return {
        handler,
        task: { name: "late" },
        look: () => that(() => expect(late?.().aborted).toBe(true))
      }
    }
  )
})

describe("a batch", () => {
  promise(
    (way) => `has both signals fired and its writes refused when it ${way}`,
    (_, run) => {
      const process = newProcess()
      let signals: ReadonlyArray<AbortSignal> = []
      let writes: Parameters<typeof allRefused>[0] = {}
      const handler = defineTask({
        name: "batch",
        batch: { size: 1 },
        runAll: async (items, { signal }) => {
          const [item] = items
          if (item!.attempt > 1) return items.map(() => null)
          signals = [signal, item!.signal]
          process.start(signal)
          writes = {
            emit: () => item!.emit("late"),
            log: () => item!.log("late"),
            progress: () => item!.progress(1)
          }
          await run.through(signal)
          return items.map(() => null)
        }
      })
      const look = () =>
        Effect.gen(function* () {
          yield* that(() => expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]))
          yield* allRefused(writes)
          yield* process.hasEnded
        })
      return { handler, task: { name: "batch" }, look }
    }
  )
})

const anAgent = {
  name: "agent",
  state: { schema: Schema.Null, initial: () => null },
  messages: { go: {} }
}
const toAgent = { name: "agent", key: "k", input: { message: "go", input: {} } }

describe("an agent's message", () => {
  promise(
    (way) => `has its signal fired, its writes refused and its child process ended when it ${way}`,
    (_, run) => {
      const process = newProcess()
      let signal: AbortSignal | undefined
      let writes: Parameters<typeof allRefused>[0] = {}
      const handler = defineAgent({
        ...anAgent,
        handle: {
          go: async (_, ctx) => {
            if (ctx.attempt > 1) return
            signal = ctx.signal
            process.start(signal)
            writes = {
              emit: () => ctx.emit("late"),
              log: () => ctx.log("late"),
              progress: () => ctx.progress(1),
              step: () => ctx.step("late", () => 1),
              tell: () => ctx.tell("agent", "other", "go", {}),
              ask: () => ctx.ask("agent", "other", "go", {})
            }
            await run.through(ctx.signal)
          }
        }
      })
      const look = () =>
        Effect.gen(function* () {
          yield* that(() => expect(signal?.aborted).toBe(true))
          yield* allRefused(writes)
          yield* process.hasEnded
        })
      return { handler, task: toAgent, look }
    }
  )

  promise(
    (way) => `in effects leaves no fiber and no timer behind when it ${way}`,
    (_, run) => {
      const fibers = newFibers()
      const handler = defineAgent.effect({
        ...anAgent,
        handle: {
          go: (_, { attempt }) =>
            attempt > 1 ? Effect.void : Effect.scoped(Effect.andThen(fibers.start, run.throughEffect))
        }
      })
      return { handler, task: toAgent, look: () => noFiberIsLeft(fibers) }
    }
  )
})

describe("a fiber that a run has detached", () => {
  promise(
    (way) => `can write nothing more when the run ${way}`,
    (_, run) => {
      let writes: Parameters<typeof allRefused>[0] = {}
      let signal: AbortSignal | undefined
      const handler = defineTask.effect({
        name: "detaches",
        run: Effect.fnUntraced(function* () {
          const task = yield* CurrentTask
          if (task.attempt > 1) return
          ;({ signal } = task)
          writes = inPromises({
            emit: task.emit("late"),
            log: task.log("late"),
            progress: task.progress(1),
            step: task.step("late", Effect.succeed(1)),
            submit: task.submit("detaches", null)
          })
          yield* run.throughEffect
        })
      })
      const look = () =>
        Effect.andThen(
          that(() => expect(signal?.aborted).toBe(true)),
          allRefused(writes)
        )
      return { handler, task: { name: "detaches" }, look }
    }
  )
})

describe("a worker that stops", () => {
  class Needed extends Context.Service<Needed, string>()("test/Needed") {}

  it.live("closes what handlers need only when a run has ended that was cancelled before", () => {
    const events: Array<string> = []
    const begun = Deferred.makeUnsafe<void>()
    const stopping = Deferred.makeUnsafe<void>()
    const go = Deferred.makeUnsafe<void>()
    const handler = defineTask.effect({
      name: "needs",
      layer: Layer.effect(
        Needed,
        Effect.as(
          Effect.addFinalizer(() => Effect.sync(() => void events.push("closed"))),
          "needed"
        )
      ),
      run: Effect.fnUntraced(function* () {
        yield* Needed
        Deferred.doneUnsafe(begun, Exit.void)
        return yield* Effect.never.pipe(
          Effect.onInterrupt(() =>
            Effect.gen(function* () {
              Deferred.doneUnsafe(stopping, Exit.void)
              yield* Deferred.await(go)
              events.push("ended")
            })
          )
        )
      })
    })
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(Worker.layer(), scope)
      const { cancel, submit } = yield* Dispatcher.Dispatcher
      const { id } = yield* submit({ name: "needs" })
      yield* Deferred.await(begun)
      yield* cancel(id)
      yield* Deferred.await(stopping)

      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* Effect.sleep("100 millis")
      yield* Deferred.succeed(go, undefined)

      yield* Fiber.join(closing)
      expect(events).toEqual(["ended", "closed"])
    }).pipe(Effect.provide(system([handler])))
  })

  it.live("ends only when a batch has ended of which nothing is wanted any more", () => {
    const begun = Deferred.makeUnsafe<void>()
    let ended = false
    const handler = defineTask({
      name: "batch",
      batch: { size: 1 },
      runAll: async (items, { signal }) => {
        Deferred.doneUnsafe(begun, Exit.void)
        await aborted(signal)
        await Bun.sleep(100)
        ended = true
        return items.map(() => null)
      }
    })
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(Worker.layer(), scope)
      const { cancel, submit } = yield* Dispatcher.Dispatcher
      const { id } = yield* submit({ name: "batch" })
      yield* Deferred.await(begun)
      yield* cancel(id)

      yield* Scope.close(scope, Exit.void)

      expect(ended).toBe(true)
    }).pipe(Effect.provide(system([handler])))
  })
})
