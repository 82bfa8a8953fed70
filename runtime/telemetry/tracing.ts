/**
 * Traces that follow a task through processes, exported by OTLP over HTTP when the standard variables say where to.
 *
 * Without `OTEL_EXPORTER_OTLP_ENDPOINT` (or `_TRACES_ENDPOINT`) nothing is recorded: what a task carries of a trace is
 * handed on as it is, and costs no more than its letters. With it, spans begin where they are asked for here, and
 * nowhere else: what the store is asked for has none, since a turn serves many tasks. A span never holds a payload, nor
 * the message of an error, which may quote one.
 *
 * The only file that knows effect's exporter of traces.
 */
import {
  Cause,
  Clock,
  ConfigProvider,
  Context,
  Effect,
  Exit,
  Layer,
  Option,
  Random,
  Result,
  Tracer
} from "effect"
import { OtlpSerialization, OtlpTracer } from "effect/observability"
import manifest from "../../package.json" with { type: "json" }
import { type Environment, SettingsError } from "../config.ts"
import { type Sampler, samplerOf } from "./sampler.ts"
import * as Sending from "./sending.ts"
import { type Carried, readTraceparent, type TraceContext, writeTraceparent } from "./trace-context.ts"

export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>

export interface SpanOptions {
  /** What it follows; a trace of its own begins where there is nothing. */
  readonly parent?: Carried
  readonly kind?: Tracer.SpanKind
  readonly attributes?: Attributes
  /** Unix milliseconds. Default: now. */
  readonly startMs?: number
}

/** A part of a trace that has begun. It is exported when it ends. */
export interface Span {
  /** What follows it is told this. */
  readonly carried: Carried
  readonly set: (attributes: Attributes) => void
  readonly event: (name: string) => void
  /** `failure` is the type of an error. Only the first end counts. */
  readonly end: (failure?: string) => void
  /** The same for effects: what they begin themselves is part of it. */
  readonly around: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export interface Tracing {
  readonly on: boolean
  readonly begin: (name: string, options?: SpanOptions) => Span
  /** Unix milliseconds on the clock that spans are measured with. */
  readonly nowMs: () => number
}

/** Records nothing, and hands on what is there. */
export const noTracing: Tracing = {
  on: false,
  nowMs: () => 0,
  begin: (_, { parent = {} } = {}) => ({
    carried: parent,
    set: () => {},
    event: () => {},
    end: () => {},
    around: (effect) => effect
  })
}

export const Tracing = Context.Reference<Tracing>("troupe/Tracing", { defaultValue: () => noTracing })

/** The type of what an effect failed with, which says nothing of what it was about. */
const typeOf = (cause: Cause.Cause<unknown>): string => {
  if (Cause.hasInterruptsOnly(cause)) return "Interrupted"
  const error = Cause.squash(cause)
  if (typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string")
    return error._tag
  return error instanceof Error ? error.name : "Error"
}

/** Ends a span as an effect ends. */
export const endWith = (span: Span, exit: Exit.Exit<unknown, unknown>): void =>
  span.end(Exit.isSuccess(exit) ? undefined : typeOf(exit.cause))

/** Runs an effect as a span. */
export const spanning = <A, E, R>(
  tracing: Tracing,
  name: string,
  options: SpanOptions,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const span = tracing.begin(name, options)
    return Effect.onExit(span.around(effect), (exit) => Effect.sync(() => endWith(span, exit)))
  })

const external = (context: TraceContext) => Tracer.externalSpan({ ...context })

/** An error that has a type and no message: OTLP asks for one to mark a span as failed. */
const failed = (type: string) => {
  const error = new Error(type)
  error.name = type
  delete error.stack
  return Exit.fail(error)
}

const make = (
  tracer: Tracer.Tracer,
  sampler: Sampler,
  clock: Clock.Clock,
  random: () => number
): Tracing => ({
  on: true,
  nowMs: () => clock.currentTimeMillisUnsafe(),
  begin: (name, { attributes = {}, kind = "internal", parent = {}, startMs } = {}) => {
    const before = parent.traceparent === undefined ? undefined : readTraceparent(parent.traceparent)
    const sampled = sampler(before, random())
    const native = tracer.span({
      name,
      parent: before === undefined ? Option.none() : Option.some(external(before)),
      annotations: Context.empty(),
      links: [],
      startTime: startMs === undefined ? clock.currentTimeNanosUnsafe() : BigInt(Math.round(startMs * 1e6)),
      kind,
      root: before === undefined,
      sampled
    })
    const set = (more: Attributes) => {
      for (const [key, value] of Object.entries(more)) if (value !== undefined) native.attribute(key, value)
    }
    set(attributes)
    const { tracestate } = parent
    return {
      // One that is not recorded is nobody's parent: what follows goes on from what was there, unrecorded too.
      carried: {
        traceparent: writeTraceparent({
          traceId: native.traceId,
          spanId: sampled || before === undefined ? native.spanId : before.spanId,
          sampled
        }),
        ...(tracestate === undefined ? {} : { tracestate })
      },
      set,
      event: (event) => native.event(event, clock.currentTimeNanosUnsafe()),
      end: (failure) =>
        native.end(clock.currentTimeNanosUnsafe(), failure === undefined ? Exit.void : failed(failure)),
      around: (effect) =>
        effect.pipe(
          Effect.provideService(Tracer.ParentSpan, native),
          Effect.provideService(Tracer.Tracer, tracer)
        )
    }
  }
})

/** Where traces are sent to, if anywhere. */
const endpointIn = (environment: Environment): Result.Result<boolean, SettingsError> => {
  for (const setting of ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]) {
    const said = environment[setting]
    if (said === undefined || said === "") continue
    return /^https?:$/.test(URL.parse(said)?.protocol ?? "")
      ? Result.succeed(true)
      : Result.fail(
          new SettingsError({ setting, reason: `"${said}" is no address such as http://127.0.0.1:4318` })
        )
  }
  return Result.succeed(false)
}

const protocols = {
  "http/protobuf": OtlpSerialization.layerProtobuf,
  "http/json": OtlpSerialization.layerJson
}

const serializationIn = (environment: Environment) => {
  const setting =
    environment["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] === undefined
      ? "OTEL_EXPORTER_OTLP_PROTOCOL"
      : "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
  const said = environment[setting] ?? "http/protobuf"
  return Object.hasOwn(protocols, said)
    ? Result.succeed(protocols[said as keyof typeof protocols])
    : Result.fail(
        new SettingsError({ setting, reason: `"${said}" is none of ${Object.keys(protocols).join(", ")}` })
      )
}

/** Tracing as the standard variables of OpenTelemetry say; nothing where they do not say where to. */
export const layer = (environment: Environment = process.env): Layer.Layer<never, SettingsError> =>
  Layer.unwrap(
    Effect.fromResult(
      Result.gen(function* () {
        const isOff = /^true$/i.test(environment["OTEL_SDK_DISABLED"] ?? "")
        if (!(yield* endpointIn(environment)) || isOff) return Layer.empty
        const serialization = yield* serializationIn(environment)
        const sampler = yield* Result.mapError(
          samplerOf(environment["OTEL_TRACES_SAMPLER"], environment["OTEL_TRACES_SAMPLER_ARG"]),
          ({ reason, variable }) => new SettingsError({ setting: variable, reason })
        )
        const variables = ConfigProvider.fromEnvRecord({
          ...environment,
          // By the standard an exporter is one of OTLP unless somebody says otherwise.
          OTEL_TRACES_EXPORTER: environment["OTEL_TRACES_EXPORTER"] ?? "otlp",
          OTEL_SERVICE_NAME: environment["OTEL_SERVICE_NAME"] ?? "troupe"
        })
        const exporter = OtlpTracer.layerFromConfig({ resource: { serviceVersion: manifest.version } }).pipe(
          Layer.provide(serialization),
          Layer.provide(Sending.layer(environment)),
          Layer.provide(ConfigProvider.layer(variables))
        )
        return Layer.effect(
          Tracing,
          Effect.gen(function* () {
            const tracer = yield* Tracer.Tracer
            const random = yield* Random.Random
            // `OTEL_TRACES_EXPORTER=none` leaves the tracer that records nothing.
            if (tracer === Tracer.nativeTracer) return noTracing
            return make(tracer, sampler, yield* Clock.Clock, () => random.nextDoubleUnsafe())
          })
        ).pipe(Layer.provide(exporter))
      })
    )
  )
