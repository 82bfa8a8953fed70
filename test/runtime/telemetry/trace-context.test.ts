/** What is handed on of a trace, and which traces are recorded. */
import { describe, expect, test } from "bun:test"
import { Result, Schema } from "effect"
import { type Sampler, samplerOf } from "../../../runtime/telemetry/sampler.ts"
import {
  carriedIn,
  readTraceparent,
  Traceparent,
  writeTraceparent
} from "../../../runtime/telemetry/trace-context.ts"

const traceId = "0af7651916cd43dd8448eb211c80319c"
const spanId = "b7ad6b7169203331"
const traceparent = `00-${traceId}-${spanId}-01`

describe("a traceparent", () => {
  test("is read as it is written", () => {
    const context = { traceId, spanId, sampled: true }
    expect(readTraceparent(traceparent)).toEqual(context)
    expect(writeTraceparent(context)).toBe(traceparent)
    expect(readTraceparent(`00-${traceId}-${spanId}-00`)?.sampled).toBe(false)
    expect(readTraceparent(`00-${traceId}-${spanId}-03`)?.sampled).toBe(true)
  })

  test("of a later version is read as far as it is known", () => {
    expect(readTraceparent(`cc-${traceId}-${spanId}-01-what-comes`)).toMatchObject({ traceId })
  })

  test.each([
    "",
    "00",
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${"0".repeat(32)}-${spanId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${traceId}-${spanId}`,
    ` ${traceparent}`,
    `${traceparent}\n`
  ])("is none when it is %j", (text) => {
    expect(readTraceparent(text)).toBeUndefined()
    expect(carriedIn({ traceparent: text, tracestate: "a=1" })).toEqual({})
    expect(Schema.is(Traceparent)(text)).toBe(false)
  })

  test("takes along only a tracestate that can be handed on", () => {
    expect(carriedIn({ traceparent, tracestate: "a=1,b=2" })).toEqual({ traceparent, tracestate: "a=1,b=2" })
    for (const tracestate of ["", "x".repeat(513), "a=\u0000", 7])
      expect(carriedIn({ traceparent, tracestate })).toEqual({ traceparent })
    expect(carriedIn({ tracestate: "a=1" })).toEqual({})
  })
})

describe("a sampler", () => {
  const sampler = (name?: string, argument?: string): Sampler => Result.getOrThrow(samplerOf(name, argument))
  const parent = (sampled: boolean, share = 0.5) => ({
    traceId:
      "0".repeat(18) +
      "1" +
      Math.floor(share * 2 ** 52)
        .toString(16)
        .padStart(13, "0"),
    spanId,
    sampled
  })

  test("heeds those before by default, and records what begins", () => {
    expect(sampler()(parent(true), 0.9)).toBe(true)
    expect(sampler()(parent(false), 0.1)).toBe(false)
    expect(sampler()(undefined, 0.99)).toBe(true)
  })

  test("records a share of what begins, and all or nothing of a trace", () => {
    const tenth = sampler("parentbased_traceidratio", "0.1")
    expect([tenth(undefined, 0.05), tenth(undefined, 0.15)]).toEqual([true, false])
    expect([tenth(parent(true, 0.9), 0), tenth(parent(false, 0.01), 0)]).toEqual([true, false])
    const alone = sampler("traceidratio", "0.1")
    expect([alone(parent(false, 0.05), 0), alone(parent(true, 0.15), 0)]).toEqual([true, false])
  })

  test("records everything or nothing when it is told so", () => {
    expect(sampler("always_on")(parent(false), 0)).toBe(true)
    expect(sampler("always_off")(parent(true), 0)).toBe(false)
    expect(sampler("parentbased_always_off")(undefined, 0)).toBe(false)
  })

  test("is refused by the variable that is wrong", () => {
    expect(samplerOf("sometimes")).toMatchObject({ failure: { variable: "OTEL_TRACES_SAMPLER" } })
    expect(samplerOf("traceidratio", "2")).toMatchObject({
      failure: { variable: "OTEL_TRACES_SAMPLER_ARG", reason: '"2" is no number from 0 to 1' }
    })
  })
})
