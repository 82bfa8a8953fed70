/**
 * The trace that an effect is part of: it goes along with the fiber, so that whoever takes a request in says it once, and
 * what is submitted in it follows.
 */
import { Context, type Fiber, Tracer } from "effect"
import { type Carried, writeTraceparent } from "./trace-context.ts"

export const Following = Context.Reference<Carried | undefined>("troupe/Following", {
  defaultValue: () => undefined
})

/** What a fiber follows: what was said, or the span of a program that traces itself. Cheap where there is neither. */
export const followedBy = (fiber: Fiber.Fiber<unknown, unknown>): Carried | undefined => {
  const said = fiber.getRef(Following)
  if (said !== undefined) return said
  const { span, tracer } = fiber.cache
  // The tracer that nobody has replaced tells nobody of its spans.
  if (span === undefined || tracer === undefined || tracer === Tracer.nativeTracer) return undefined
  const { sampled, spanId, traceId } = span
  return { traceparent: writeTraceparent({ traceId: traceId.padStart(32, "0"), spanId, sampled }) }
}
