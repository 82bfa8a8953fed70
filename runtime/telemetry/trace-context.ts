/**
 * Where a trace stands, as it is handed on between processes: the `traceparent` and `tracestate` of W3C Trace Context.
 * Decisions over plain values.
 */
import { Schema } from "effect"

/** As it is kept beside a task, and handed on. Both texts are as W3C writes them. */
export interface Carried {
  readonly traceparent?: string
  readonly tracestate?: string
}

export interface TraceContext {
  /** 32 and 16 hexadecimal digits. */
  readonly traceId: string
  readonly spanId: string
  /** Whether those before have recorded it. */
  readonly sampled: boolean
}

/** A later version may add to what the first one says. */
const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** `undefined` when it is none: whoever receives one such goes on as if there were none. */
export const readTraceparent = (text: string): TraceContext | undefined => {
  const [, version, traceId = "", spanId = "", flags = "", more] = pattern.exec(text) ?? []
  if (version === undefined || version === "ff" || (version === "00" && more !== undefined)) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export const writeTraceparent = ({ sampled, spanId, traceId }: TraceContext): string =>
  `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`

export const Traceparent = Schema.String.check(
  Schema.makeFilter((text) =>
    text.length <= 256 && readTraceparent(text) !== undefined
      ? undefined
      : "no traceparent, such as 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
  )
)

/** What vendors add: they alone read it. */
export const Tracestate = Schema.String.check(
  Schema.isPattern(/^[\x20-\x7e]{1,512}$/, { message: "not 1 to 512 printable characters of ASCII" })
)

const isTracestate = Schema.is(Tracestate)

/** What came with a request, or with a task as somebody describes it: what does not fit is left out, as W3C asks. */
export const carriedIn = (given: {
  readonly traceparent?: unknown
  readonly tracestate?: unknown
}): Carried => {
  const { traceparent, tracestate } = given
  if (typeof traceparent !== "string" || readTraceparent(traceparent) === undefined) return {}
  return { traceparent, ...(isTracestate(tracestate) ? { tracestate } : {}) }
}
