/**
 * Requests as parts of a trace: what comes with the headers `traceparent` and `tracestate` is followed by what the request
 * submits, and where traces are recorded the request is a span of its own. So is each frame of a web socket, in the trace of
 * the request that opened it. What is no traceparent is none.
 */
import { Effect } from "effect"
import { Following } from "../../runtime/telemetry/following.ts"
import { type Carried, carriedIn } from "../../runtime/telemetry/trace-context.ts"
import { endWith, type Tracing } from "../../runtime/telemetry/tracing.ts"

/** A request, as far as its span tells of it. */
export interface TracedRequest {
  readonly method: string
  /** The pattern of its address. */
  readonly route: string
  readonly requestId: string
  readonly header: (name: string) => string | undefined
}

/** Whoever asks whether we live asks often, and follows nothing. */
const untold = new Set(["/healthz", "/readyz", "/metrics"])

export const followingIn = <E, R>(
  { header, method, requestId, route }: TracedRequest,
  tracing: Tracing,
  effect: Effect.Effect<Response, E, R>
): Effect.Effect<Response, E, R> => {
  const traceparent = header("traceparent")
  if (traceparent === undefined && !tracing.on) return effect
  const carried = carriedIn({ traceparent, tracestate: header("tracestate") })
  if (!tracing.on || untold.has(route)) return carrying(carried, effect)
  return Effect.suspend(() => {
    const span = tracing.begin(`${method} ${route}`, {
      parent: carried,
      kind: "server",
      attributes: {
        "http.request.method": method,
        "http.route": route,
        "troupe.request.id": requestId
      }
    })
    return span.around(Effect.provideService(effect, Following, span.carried)).pipe(
      Effect.tap((response) => Effect.sync(() => span.set({ "http.response.status_code": response.status }))),
      Effect.onExit((exit) => Effect.sync(() => endWith(span, exit)))
    )
  })
}

/** Goes on in a trace that nobody records here. */
const carrying = <A, E, R>(carried: Carried, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  carried.traceparent === undefined ? effect : Effect.provideService(effect, Following, carried)

/** What a frame of a web socket asks for, in the trace that its socket was opened in. */
export const followingFrame = <E, R>(
  op: string,
  carried: Carried,
  tracing: Tracing,
  effect: Effect.Effect<void, E, R>
): Effect.Effect<void, E, R> =>
  !tracing.on
    ? carrying(carried, effect)
    : Effect.suspend(() => {
        const span = tracing.begin(`frame ${op}`, {
          parent: carried,
          kind: "server",
          attributes: { "http.route": "/v1/ws", "troupe.frame": op }
        })
        return span
          .around(Effect.provideService(effect, Following, span.carried))
          .pipe(Effect.onExit((exit) => Effect.sync(() => endWith(span, exit))))
      })
