/**
 * Requests as parts of a trace: what comes with the headers `traceparent` and `tracestate` is followed by what the request
 * submits, and where traces are recorded the request is a span of its own. What is no traceparent is none.
 */
import { Effect } from "effect"
import { Following } from "../../runtime/telemetry/following.ts"
import { carriedIn } from "../../runtime/telemetry/trace-context.ts"
import { endWith, type Tracing } from "../../runtime/telemetry/tracing.ts"
import type { ApiContext } from "./run.ts"

/** Whoever asks whether we live asks often, and follows nothing. */
const untold = new Set(["/healthz", "/readyz", "/metrics"])

export const followingIn = <E, R>(
  c: ApiContext,
  tracing: Tracing,
  effect: Effect.Effect<Response, E, R>
): Effect.Effect<Response, E, R> => {
  const traceparent = c.req.header("traceparent")
  if (traceparent === undefined && !tracing.on) return effect
  const carried = carriedIn({ traceparent, tracestate: c.req.header("tracestate") })
  const { path } = c.get("row") ?? c.req
  if (!tracing.on || untold.has(path))
    return carried.traceparent === undefined ? effect : Effect.provideService(effect, Following, carried)
  return Effect.suspend(() => {
    const span = tracing.begin(`${c.req.method} ${path}`, {
      parent: carried,
      kind: "server",
      attributes: {
        "http.request.method": c.req.method,
        "http.route": path,
        "troupe.request.id": c.get("requestId")
      }
    })
    return span.around(Effect.provideService(effect, Following, span.carried)).pipe(
      Effect.tap((response) => Effect.sync(() => span.set({ "http.response.status_code": response.status }))),
      Effect.onExit((exit) => Effect.sync(() => endWith(span, exit)))
    )
  })
}
