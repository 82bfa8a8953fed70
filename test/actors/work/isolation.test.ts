/** Handlers in processes of their own: the worker and its neighbours go on, whatever happens there. */
import { describe, expect, test } from "bun:test"
import { Duration, Effect, Layer, References } from "effect"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import * as DispatcherLayer from "../../../actors/dispatch/dispatcher.ts"
import * as Replies from "../../../actors/dispatch/replies.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import * as Worker from "../../../actors/work/worker.ts"
import { defineTask, type TaskDefinition } from "../../../runtime/handler.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { Store } from "../../../runtime/store.ts"
import type { TaskId } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { eventually, isAlive } from "../../support/node.ts"
import { memorySettings } from "../../support/redis.ts"

const system = (given: ReadonlyArray<TaskDefinition> = []) =>
  Layer.mergeAll(DispatcherLayer.layer, Worker.layer()).pipe(
    Layer.provideMerge(Replies.layer),
    Layer.provideMerge(Memory.layer),
    Layer.provideMerge(
      Layer.mergeAll(
        Layer.provideMerge(Shutdown.layer, memorySettings({ drain: Duration.millis(100) })),
        Layer.succeed(References.MinimumLogLevel, "Error"),
        Handlers.layer({ given, folder: `${import.meta.dir}/isolated` })
      )
    )
  )

const promise = <A, E>(
  sentence: string,
  body: () => Effect.Effect<A, E, Dispatcher | Store>,
  given: ReadonlyArray<TaskDefinition> = []
) => it.live(sentence, () => Effect.suspend(body).pipe(Effect.provide(system(given))), 60_000)

const submit = (name: string, more: object = {}) =>
  Effect.map(
    Dispatcher.use((dispatcher) => dispatcher.submit({ name, input: null, ...more })),
    ({ id }) => id
  )

const ended = (id: TaskId) => Dispatcher.use((dispatcher) => dispatcher.result(id, "30 seconds"))

const outputOf = (id: TaskId) =>
  Effect.map(ended(id), (result) => {
    if (result.state !== "succeeded") throw new Error(JSON.stringify(result))
    return result.output as Record<string, unknown>
  })

/** The first piece that a task puts out. */
const firstPiece = (id: TaskId) =>
  Store.use((store) =>
    Effect.promise(() =>
      eventually("a piece", async () => {
        const [event] = await Effect.runPromise(store.events(id, { run: 0, seq: 0 }, 1))
        return event === undefined ? undefined : (JSON.parse(event.data) as number)
      })
    )
  )

describe("an isolated handler", () => {
  promise("runs in a process of its own, with all that a run may write, and uses it again", () =>
    Effect.gen(function* () {
      const id = yield* submit("isolated.speaks")
      const output = yield* outputOf(id)
      expect(output).toEqual({
        pid: expect.any(Number),
        task: id,
        attempt: 1,
        chance: expect.any(Number)
      })
      expect(output["pid"]).not.toBe(process.pid)
      const events = yield* Store.use((store) => store.events(id, { run: 0, seq: 0 }, 10))
      expect(events.map(({ data, kind, seq }) => ({ kind, seq, data: JSON.parse(data) as unknown }))).toEqual(
        [
          { kind: "progress", seq: 1, data: { fraction: 0.5, message: "half" } },
          { kind: "log", seq: 2, data: { level: "info", message: "a line" } },
          { kind: "chunk", seq: 3, data: { piece: 1 } },
          { kind: "step", seq: 4, data: { number: 0, name: "chance" } }
        ]
      )
      const again = yield* outputOf(yield* submit("isolated.speaks"))
      expect(again["pid"]).toBe(output["pid"])
    })
  )

  promise("may be one in effects", () =>
    Effect.gen(function* () {
      const output = yield* outputOf(yield* submit("isolated.speaks-in-effects"))
      expect(output).toEqual({ pid: expect.any(Number), step: "kept" })
      expect(output["pid"]).not.toBe(process.pid)
    })
  )

  promise("submits children and waits for them", () =>
    Effect.gen(function* () {
      expect(yield* outputOf(yield* submit("isolated.parent"))).toEqual({
        reply: { got: { n: 1 } },
        attempt: 2
      })
    })
  )

  promise("fails as it says itself", () =>
    Effect.gen(function* () {
      expect(yield* ended(yield* submit("isolated.refuses"))).toMatchObject({
        state: "failed",
        error: { type: "Fatal", message: "not this one" }
      })
    })
  )

  promise("that ends its process has failed in that attempt, and is tried again", () =>
    Effect.gen(function* () {
      expect(yield* outputOf(yield* submit("isolated.exits"))).toEqual({ attempt: 2 })
      expect(yield* ended(yield* submit("isolated.exits", { input: "always" }))).toMatchObject({
        state: "failed",
        error: {
          type: "ProcessCrashed",
          message: "its process ended with exit code 3 before its handler did"
        }
      })
    })
  )

  promise("that burns CPU holds nobody up, and is killed when its time is up", () =>
    Effect.gen(function* () {
      const id = yield* submit("isolated.burns", { timeoutMs: 2_000, retry: { attempts: 1 } })
      const pid = yield* firstPiece(id)
      expect(yield* outputOf(yield* submit("isolated.beside"))).toEqual({ pid: process.pid })
      expect(isAlive(pid)).toBe(true)

      expect(yield* ended(id)).toMatchObject({ state: "failed", error: { type: "TimedOut" } })
      expect(isAlive(pid)).toBe(false)
    })
  )

  promise("that is cancelled is stopped, whether it heeds that or not", () =>
    Effect.gen(function* () {
      for (const name of ["isolated.waits", "isolated.burns"]) {
        const id = yield* submit(name)
        const pid = yield* firstPiece(id)
        yield* Dispatcher.use((dispatcher) => dispatcher.cancel(id))
        expect(yield* ended(id)).toMatchObject({ state: "cancelled" })
        yield* Effect.promise(() => eventually("its end", () => (isAlive(pid) ? undefined : true)))
      }
      expect(yield* outputOf(yield* submit("isolated.beside"))).toEqual({ pid: process.pid })
    })
  )

  promise("that takes too much memory is killed", () =>
    Effect.gen(function* () {
      expect(yield* ended(yield* submit("isolated.grows"))).toMatchObject({
        state: "failed",
        error: { type: "ProcessCrashed", message: expect.stringMatching(/MiB of memory; it may take 300$/) }
      })
    })
  )

  promise(
    "that was passed in code fails, and says where it belongs",
    () =>
      Effect.gen(function* () {
        expect(yield* ended(yield* submit("in-code"))).toMatchObject({
          state: "failed",
          error: { type: "NotIsolated", message: expect.stringContaining("put it into the folder") }
        })
      }),
    [defineTask({ name: "in-code", isolation: "process", run: () => 1 })]
  )
})

describe("a process that an isolated handler has started", () => {
  for (const [way, more] of [
    ["succeeds", {}],
    ["fails", { input: "throw" }],
    ["ends its process", { input: "crash" }],
    ["is over its time", { input: "wait", timeoutMs: 2_000 }]
  ] as const) {
    promise(`ends with the run when that ${way}`, () =>
      Effect.gen(function* () {
        const id = yield* submit("isolated.litters", more)
        const pid = yield* firstPiece(id)
        yield* ended(id)
        yield* Effect.promise(() => eventually("it to end", () => (isAlive(pid) ? undefined : true)))
      })
    )
  }
})

describe("the processes of a worker", () => {
  it.live(
    "end with it",
    () =>
      Effect.gen(function* () {
        const pid = yield* Effect.gen(function* () {
          return yield* firstPiece(yield* submit("isolated.burns"))
        }).pipe(Effect.provide(system()))
        expect(isAlive(pid)).toBe(false)
      }),
    60_000
  )
})

describe("isolation", () => {
  const refusal = (options: object) => () => defineTask({ name: "x", run: () => 1, ...options } as never)

  test("is refused where runs share what processes cannot", () => {
    expect(refusal({ isolation: "process", run: undefined, batch: { size: 2 }, runAll: () => [] })).toThrow(
      "handler x: isolation: the tasks of a batch share one run; leave out batch, and isolate each task"
    )
  })

  test("is refused when it is none, or its bound is", () => {
    expect(refusal({ isolation: "thread" })).toThrow(
      `handler x: isolation: "thread" is neither "process" nor { kind: "process", memory }`
    )
    expect(refusal({ isolation: { kind: "process", memory: 1 } })).toThrow(
      "handler x: isolation: memory 1 is no number of MiB from 64"
    )
  })
})
