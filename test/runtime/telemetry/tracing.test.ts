/** Traces inside one process, over what is really exported: what is a span, and what is not recorded. */
import { describe, expect } from "bun:test"
import { Effect, Layer, Tracer } from "effect"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import * as ScheduleOperator from "../../../actors/schedule/operator.ts"
import { defineAgent } from "../../../api/client/index.ts"
import { followingFrame } from "../../../api/http/traced.ts"
import { CurrentTask, defineTask } from "../../../runtime/handler.ts"
import type { TaskDefinition } from "../../../runtime/handler.ts"
import type { TaskId } from "../../../runtime/task.ts"
import * as Tracing from "../../../runtime/telemetry/tracing.ts"
import { aCollector } from "../../support/collector.ts"
import { it } from "../../support/effect.ts"
import { memorySystem, redisSystem } from "../../support/system.ts"

const traceId = "0af7651916cd43dd8448eb211c80319c"
const sampled = `00-${traceId}-b7ad6b7169203331-01`
const unsampled = `00-${traceId}-b7ad6b7169203331-00`

const tells = defineTask({
  name: "tells",
  run: (_, { traceparent, tracestate }) => ({ traceparent, tracestate })
})
const tellsInEffects = defineTask.effect({
  name: "tells-in-effects",
  run: () => Effect.map(CurrentTask, ({ traceparent, tracestate }) => ({ traceparent, tracestate }))
})
const tellsAlone = defineTask({
  name: "tells-in-batches",
  batch: { size: 2, wait: "1 millis" },
  runAll: (items) => items.map(({ traceparent, tracestate }) => ({ traceparent, tracestate }))
})
const secretly = defineTask({
  name: "secretly",
  retry: { attempts: 1 },
  run: () => Promise.reject(new TypeError("canary-0815"))
})
const family = defineTask({
  name: "family",
  run: async (_, ctx) => ctx.group([{ task: "tells", input: 1 }])
})

const other = defineAgent({
  name: "other",
  state: { initial: () => null },
  messages: { what: {} },
  handle: { what: (_, { traceparent }) => traceparent ?? null }
})
const asking = defineAgent({
  name: "asking",
  state: { initial: () => null },
  messages: { go: {} },
  handle: {
    go: async (_, ctx) => {
      await ctx.tell("other", "b", "what", null)
      return ctx.ask("other", "a", "what", null)
    }
  }
})

const handlers = [
  tells,
  tellsInEffects,
  tellsAlone,
  secretly,
  family,
  other,
  asking
] as unknown as ReadonlyArray<TaskDefinition>

const submit = (task: object) => Dispatcher.use((dispatcher) => dispatcher.submit(task))
const outputOf = (id: TaskId) =>
  Effect.map(
    Dispatcher.use((dispatcher) => dispatcher.result(id, "10 seconds")),
    (ended) => (ended.state === "succeeded" ? ended.output : ended)
  )
const ran = (task: object) => Effect.flatMap(submit(task), ({ id }) => outputOf(id))

for (const [name, system] of Object.entries({
  memory: memorySystem(handlers),
  redis: redisSystem(handlers)
})) {
  describe(`without an exporter, on the ${name} store`, () => {
    it.live("a task's trace is handed on as it is, to all kinds of handlers and to children", () =>
      Effect.gen(function* () {
        const carried = { traceparent: sampled, tracestate: "vendor=1" }
        for (const handler of ["tells", "tells-in-effects", "tells-in-batches"])
          expect(yield* ran({ name: handler, input: 1, ...carried })).toEqual(carried)
        expect(yield* ran({ name: "family", input: 1, ...carried })).toEqual([carried])
        expect(yield* ran({ name: "tells", input: 1 })).toEqual({})
      }).pipe(Effect.provide(system))
    )
  })
}

describe("a task's trace", () => {
  it.live("is that of the program which submits it, where that traces itself", () =>
    Effect.gen(function* () {
      const tracer = Tracer.make({ span: (options) => new Tracer.NativeSpan(options) })
      const traced = Effect.gen(function* () {
        const span = yield* Effect.currentSpan
        const output = yield* ran({ name: "tells", input: 1 })
        expect(output).toEqual({ traceparent: `00-${span.traceId}-${span.spanId}-01` })
      }).pipe(Effect.withSpan("ours"), Effect.provideService(Tracer.Tracer, tracer))
      yield* traced
    }).pipe(Effect.provide(memorySystem(handlers)))
  )

  it.live("is refused when it is none, with the field", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(submit({ name: "tells", input: 1, traceparent: "00-1-2-3" }))
      expect(refused.message).toStartWith("/traceparent: no traceparent, such as 00-")
    }).pipe(Effect.provide(memorySystem(handlers)))
  )
})

const exporting = (environment: Readonly<Record<string, string>>) =>
  memorySystem(handlers).pipe(Layer.provideMerge(Tracing.layer(environment)))

/** Exports what a body does, all of it, and gives it. */
const spansOf = <A, E>(
  body: Effect.Effect<A, E, Dispatcher>,
  environment: Readonly<Record<string, string>> = {}
) =>
  Effect.promise(async () => {
    await using collector = aCollector()
    await Effect.runPromise(
      Effect.scoped(
        Effect.provide(body, exporting({ ...collector.environment, ...environment }))
      ) as Effect.Effect<A, E>
    )
    return { spans: collector.spans(), bytes: collector.bytes() }
  })

describe("with an exporter", () => {
  it.live("what fails is marked by the type of its error, and nothing of its message is told", () =>
    Effect.gen(function* () {
      const { bytes, spans } = yield* spansOf(ran({ name: "secretly", input: "canary-4711" }))

      const run = spans.find((span) => span.name === "run secretly")
      expect(run).toMatchObject({ status: 2, attributes: { "troupe.outcome": "failed" } })
      expect(bytes).toContain("TypeError")
      expect(bytes).not.toContain("canary")
      expect(new Set(spans.map((span) => span.traceId)).size).toBe(1)
      expect(spans[0]!.service).toBe("troupe")
    })
  )

  it.live("a frame of a web socket is a part of the trace that its socket was opened in", () =>
    Effect.gen(function* () {
      const { spans } = yield* spansOf(
        Effect.gen(function* () {
          const tracing = yield* Tracing.Tracing
          const submits = Effect.asVoid(ran({ name: "tells", input: 1 }))
          yield* followingFrame("submit", { traceparent: sampled }, tracing, submits)
        })
      )

      expect(spans.map(({ name }) => name).toSorted()).toEqual([
        "frame submit",
        "run tells",
        "submit tells",
        "wait default"
      ])
      expect(new Set(spans.map((span) => span.traceId))).toEqual(new Set([traceId]))
    })
  )

  it.live("what a caller has not sampled is not recorded, and goes on unsampled", () =>
    Effect.gen(function* () {
      let output: unknown
      const { spans } = yield* spansOf(
        Effect.tap(ran({ name: "tells", input: 1, traceparent: unsampled }), (seen) =>
          Effect.sync(() => (output = seen))
        )
      )

      expect(spans).toEqual([])
      expect(output).toEqual({ traceparent: unsampled })
    })
  )

  it.live("a trace that begins is recorded as often as the sampler says", () =>
    Effect.gen(function* () {
      const task = ran({ name: "tells", input: 1 })
      expect((yield* spansOf(task, { OTEL_TRACES_SAMPLER: "always_off" })).spans).toEqual([])
      expect((yield* spansOf(task, { OTEL_TRACES_EXPORTER: "none" })).spans).toEqual([])
      expect((yield* spansOf(task, { OTEL_SDK_DISABLED: "true" })).spans).toEqual([])
      expect((yield* spansOf(task)).spans.length).toBe(3)
    })
  )

  it.live("agents tell and ask within one trace", () =>
    Effect.gen(function* () {
      const { spans } = yield* spansOf(
        ran({ name: "asking", key: "k", input: { message: "go", input: null }, traceparent: sampled })
      )

      const parentOf = (name: string) => {
        const span = spans.find((one) => one.name === name)
        return spans.find(({ spanId }) => spanId === span?.parentSpanId)?.name
      }
      expect(parentOf("tell other")).toBe("run asking")
      expect(parentOf("ask other")).toBe("run asking")
      expect(parentOf("run other")).toBe("ask other")
      expect(new Set(spans.map((span) => span.traceId))).toEqual(new Set([traceId]))
    })
  )

  it.live("a setting that cannot be used is refused by its name", () =>
    Effect.gen(function* () {
      const refused = (environment: Readonly<Record<string, string>>) =>
        Effect.flip(Effect.scoped(Layer.build(Tracing.layer(environment))))
      const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" }
      expect((yield* refused({ OTEL_EXPORTER_OTLP_ENDPOINT: "collector" })).message).toBe(
        'OTEL_EXPORTER_OTLP_ENDPOINT: "collector" is no address such as http://127.0.0.1:4318'
      )
      expect((yield* refused({ ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" })).message).toBe(
        'OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" is none of http/protobuf, http/json'
      )
      expect((yield* refused({ ...endpoint, OTEL_TRACES_SAMPLER: "x" })).message).toStartWith(
        "OTEL_TRACES_SAMPLER:"
      )
    })
  )
})

describe("a slot of a schedule", () => {
  it.live("begins the trace of what it fires", () =>
    Effect.gen(function* () {
      const collector = yield* Effect.acquireDisposable(Effect.sync(aCollector))
      const system = ScheduleOperator.layer.pipe(Layer.provideMerge(exporting(collector.environment)))
      yield* Effect.gen(function* () {
        const operator = yield* ScheduleOperator.ScheduleOperator
        yield* operator.create({ id: "hourly", name: "tells", input: 1, cron: "0 * * * *" })
        const fired = yield* operator.run("hourly")
        if (fired.outcome !== "submitted") throw new Error("nothing was submitted")
        yield* outputOf(fired.task)
      }).pipe(Effect.provide(system), Effect.scoped)
      const spans = collector.spans()

      const slot = spans.find((span) => span.name === "slot hourly")
      expect(slot).toMatchObject({ parentSpanId: undefined, attributes: { "troupe.schedule": "hourly" } })
      expect(spans.find((span) => span.name === "run tells")?.parentSpanId).toBe(slot?.spanId)
    })
  )
})
