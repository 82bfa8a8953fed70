import { describe, expect, test } from "bun:test"
import { Cause, Data, Schema } from "effect"
import { describe as describeError, inOneLine, unfinished, unfinishedCause } from "../../runtime/fault.ts"
import { ChildFailed, Fatal, RetryAfter, Snooze, StepChanged, StepTooLarge } from "../../runtime/handler.ts"
import type { TaskError } from "../../runtime/record.ts"

class Closed extends Data.TaggedError("Closed")<{ readonly at: number; readonly body?: unknown }> {}
class Gone extends Schema.TaggedError<Gone>()("Gone", { id: Schema.Int }) {}

const causesOf = (error: TaskError): ReadonlyArray<TaskError> =>
  error.cause === undefined ? [error] : [error, ...causesOf(error.cause)]

/** An error of so many causes, the innermost called 0. */
const nested = (causes: number): Error =>
  causes === 0 ? new Error("0") : new Error(String(causes), { cause: nested(causes - 1) })

describe("an error, as it is kept,", () => {
  test("has a type, a message and a stack", () => {
    const error = describeError(new TypeError("not a page"))

    expect(error).toMatchObject({ type: "TypeError", message: "not a page" })
    expect(error.stack).toContain("fault.test.ts")
    expect("cause" in error).toBe(false)
  })

  test("is named by its tag, and what has neither name nor tag is an Error", () => {
    expect(describeError(new Gone({ id: 3 })).type).toBe("Gone")
    expect(describeError({ _tag: "Gone", id: 3 })).toEqual({
      type: "Gone",
      message: `{"_tag":"Gone","id":3}`
    })
    expect(describeError("just text")).toEqual({ type: "Error", message: "just text" })
    expect(describeError(undefined)).toEqual({ type: "Error", message: "undefined" })
  })

  test("tells its fields, where it has no message", () => {
    expect(describeError(new Gone({ id: 3 }))).toMatchObject({ type: "Gone", message: `{"id":3}` })
    expect(describeError(new Closed({ at: 7 }))).toMatchObject({ type: "Closed", message: `{"at":7}` })
    expect(describeError(new Error("", { cause: new Gone({ id: 3 }) }))).toMatchObject({
      message: "",
      cause: { message: `{"id":3}` }
    })
    expect(describeError(Object.assign(new Error("said"), { code: 7 })).message).toBe("said")
    expect(describeError(new Closed({ at: 7, body: "x".repeat(1_000_000) })).message).toHaveLength(4_097)
    expect(describeError(new Closed({ at: 7, body: 7n })).message).toBe("")
  })

  test("keeps what caused it, each with a message and a stack of its own", () => {
    const error = describeError(new Error("outer", { cause: new TypeError("inner") }))

    expect(error).toMatchObject({ message: "outer", cause: { type: "TypeError", message: "inner" } })
    expect(error.cause?.stack).toContain("fault.test.ts")
  })

  test("keeps four causes, even of an error that caused itself", () => {
    const circle = new Error("circle")
    circle.cause = circle

    expect(causesOf(describeError(nested(9))).map(({ message }) => message)).toEqual([
      "9",
      "8",
      "7",
      "6",
      "5"
    ])
    expect(causesOf(describeError(circle))).toHaveLength(5)
  })

  test("can be made of anything that has the form of one, or breaks when it is looked at", () => {
    const with_ = (fields: object) => Object.assign(new Error("x"), fields)
    const { proxy, revoke } = Proxy.revocable(new Error("x"), {})
    revoke()
    const throwing = Object.defineProperty(new Error("x"), "message", {
      get: () => {
        throw new Error("not to be read")
      }
    })

    expect(describeError(with_({ message: { code: 7 } }))).toMatchObject({
      type: "Error",
      message: '{"code":7}'
    })
    expect(describeError(with_({ message: undefined })).message).toBe("undefined")
    expect(describeError(with_({ message: 7n })).message).toBe("7")
    expect(describeError(with_({ message: Symbol("s") })).message).toBe("Symbol(s)")
    expect(describeError(with_({ name: { a: 1 } })).type).toBe("Error")
    expect("stack" in describeError(with_({ stack: [1] }))).toBe(false)
    expect(describeError(throwing).message).toBe("undefined")
    expect(describeError(proxy)).toEqual({ type: "Error", message: "an object that is no JSON" })
    expect(unfinished(proxy)).toMatchObject({ kind: "failure", failure: { fatal: false } })
    expect(inOneLine(with_({ message: ["a"] }))).toBe('["a"]')
  })

  test("is of bounded size, whatever was thrown", () => {
    const long = "x".repeat(1_000_000)
    const error = new Error(long, { cause: new Error(long, { cause: { long } }) })
    error.stack = long
    error.name = long

    expect(JSON.stringify(describeError(error)).length).toBeLessThan(20_000)
  })

  test("is described even if it cannot be JSON", () => {
    const circle: Record<string, unknown> = { _tag: "Circle" }
    circle["self"] = circle

    expect(describeError(circle)).toEqual({
      type: "Circle",
      message: expect.stringContaining("an object that is no JSON") as string
    })
  })

  test("is put in one line with its causes", () => {
    expect(inOneLine(nested(2))).toBe("2: 1: 0")
  })
})

describe("what a run throws", () => {
  test("is a failure that may be tried again", () => {
    expect(unfinished(new Error("down"))).toMatchObject({ kind: "failure", failure: { fatal: false } })
    expect(unfinishedCause(Cause.fail("down"))).toMatchObject({ failure: { error: { message: "down" } } })
  })

  test.each([
    ["Fatal", new Fatal("no")],
    ["a step that changed", new StepChanged({ number: 1, expected: "a", got: "b" })],
    ["a step that is too large", new StepTooLarge({ name: "a", reason: "too large" })],
    [
      "a child that failed",
      new ChildFailed({ child: "default.0.X", state: "failed", error: { type: "Error", message: "no" } })
    ]
  ])("is final when it is %s", (_, thrown) => {
    expect(unfinished(thrown)).toMatchObject({ failure: { fatal: true } })
  })

  test("may say when to come back, whether that counts, and which limit it is about", () => {
    const cause = new Error("429")

    expect(unfinished(new RetryAfter("2 seconds", { cause }))).toMatchObject({
      failure: {
        fatal: false,
        error: { type: "RetryAfter", message: "asked to try again after 2000 ms", cause: { message: "429" } },
        after: { ms: 2_000, counted: true, limit: undefined }
      }
    })
    const uncounted = new RetryAfter(1, { message: "busy", counted: false, limit: "openai" })
    expect(unfinished(uncounted)).toMatchObject({
      failure: { error: { message: "busy" }, after: { ms: 1, counted: false, limit: "openai" } }
    })
  })

  test("is no failure when it is a snooze", () => {
    expect(unfinished(new Snooze("1 minute"))).toEqual({ kind: "snooze", afterMs: 60_000 })
    expect(unfinishedCause(Cause.fail(new Snooze(5)))).toEqual({ kind: "snooze", afterMs: 5 })
  })

  test.each(["2 blinks", -1, Number.NaN, "4000 days", Number.POSITIVE_INFINITY])(
    "cannot ask to be left alone for %p",
    (duration) => {
      expect(() => new Snooze(duration as never)).toThrow(TypeError)
      expect(() => new RetryAfter(duration as never)).toThrow("RetryAfter: ")
    }
  )
})
