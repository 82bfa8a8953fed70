import { describe, expect, test } from "bun:test"
import { Effect, Result, Schema } from "effect"
import * as v from "valibot"
import { z } from "zod"
import {
  AttemptOver,
  type Checked,
  defineTask,
  EventRefused,
  Fatal,
  isTaskDefinition,
  Misfit
} from "../../runtime/handler.ts"

const run = () => null

/** What a check gives, or the faults that it names. */
const outcome = async (checked: Checked) =>
  Result.match(await checked, { onSuccess: (value) => ({ value }), onFailure: ({ faults }) => ({ faults }) })

describe("a handler", () => {
  test("has defaults for all that it does not say", () => {
    expect(defineTask({ name: "some", run })).toMatchObject({
      name: "some",
      queue: "default",
      lane: "normal",
      timeoutMs: undefined,
      retry: {},
      body: { kind: "plain", run }
    })
  })

  test("is refused, with what is wrong, where code without types gives what it cannot be", () => {
    const given = (over: object) => () => defineTask({ name: "some", run, ...over } as never)
    expect(given({ priority: "hihg" })).toThrow('priority "hihg" is none of urgent, high, normal, low')
    expect(given({ priority: 7 })).toThrow("priority 7 is none of")
    expect(given({ run: undefined })).toThrow("run is no function")
    expect(given({ input: { type: "object" } })).toThrow("input is no schema")
    expect(given({ output: "text" })).toThrow("output is no schema")
    expect(given({ key: { of: "tenant" } })).toThrow("key.of is no function")
  })

  test.each([
    [{ timout: "1 minute" }, "timout: there is no such option; did you mean timeout?"],
    [{ layer: undefined, colour: "red" }, "colour: there is no such option"],
    [{ retry: { atempts: 5 } }, "retry/atempts: there is no such option; did you mean attempts?"],
    [{ retry: { backoff: { bse: 1 } } }, "retry/backoff/bse: there is no such option; did you mean base?"],
    [
      { limits: [{ key: "a", rate: 1, pre: 1 }] },
      "limits[0].pre: there is no such option; did you mean per?"
    ],
    [{ key: { concurency: 3 } }, "key.concurency: there is no such option; did you mean concurrency?"],
    [
      { run: undefined, batch: { size: 2, wiat: 1 } },
      "batch.wiat: there is no such option; did you mean wait?"
    ]
  ])("is refused for a name that nobody reads, as in %j", (options, message) => {
    expect(() => defineTask({ name: "some", run, ...options } as never)).toThrow(`handler some: ${message}`)
  })

  test("in effects has a layer, and no batch", () => {
    const given = (over: object) => () => defineTask.effect({ name: "some", run, ...over } as never)
    expect(given({ layer: undefined })).not.toThrow()
    expect(given({ batch: { size: 2 } })).toThrow("handler some: batch: there is no such option")
  })

  test("is described by its options", () => {
    const options = {
      name: "document.process",
      queue: "documents",
      priority: 15,
      timeout: "2 minutes",
      retry: { attempts: 5, backoff: { base: "1 second", factor: 3, cap: "1 minute", jitter: false } },
      run
    } as const

    expect(defineTask(options)).toMatchObject({
      name: "document.process",
      queue: "documents",
      lane: "urgent",
      timeoutMs: 120_000,
      retry: { attempts: 5, backoff: { baseMs: 1_000, factor: 3, capMs: 60_000, jitter: false } }
    })
  })

  test("may say how long its tasks wait and last, and how they are tried again", () => {
    const backoff = () => "1 minute" as const
    const some = defineTask({
      name: "some",
      timeout: "1.5 seconds",
      expires: "1 hour",
      deadline: "1 day",
      retry: { attempts: 4, backoff },
      run
    })

    expect(some).toMatchObject({
      timeoutMs: 1_500,
      expiresMs: 3_600_000,
      deadlineMs: 86_400_000,
      retry: { attempts: 4 },
      backoff
    })
  })

  test.each([
    [{ timeout: "2 blinks" }, "handler some: timeout 2 blinks"],
    [{ timeout: 0 }, "timeout 0"],
    [{ expires: -1 }, "expires -1"],
    [{ deadline: Number.POSITIVE_INFINITY }, "deadline Infinity"],
    [{ retry: { attempts: 0 } }, "handler some: retry/attempts: "],
    [{ retry: { backoff: { factor: 0 } } }, "handler some: retry/backoff/factor: "],
    [{ retry: { backoff: { fixed: "2 blinks" } } }, "handler some: retry: "]
  ])("cannot say %j", (options, message) => {
    expect(() => defineTask({ name: "some", ...(options as object), run })).toThrow(TypeError)
    expect(() => defineTask({ name: "some", ...(options as object), run })).toThrow(message)
  })

  test("may be an effect, with a layer of services", () => {
    const run = () => Effect.succeed(1)

    expect(defineTask.effect({ name: "some", run }).body).toEqual({ kind: "effect", run, layer: undefined })
  })

  test.each(["a", "document.process", "Agent_1.query-2", "x".repeat(128)])("may be called %s", (name) => {
    expect(defineTask({ name, run }).name).toBe(name)
  })

  test.each(["", "1st", ".a", "a.", "a..b", "a b", "a/b", "a\n", "ä", "x".repeat(129)])(
    "cannot be called %j",
    (name) => {
      expect(() => defineTask({ name, run })).toThrow(TypeError)
      expect(() => defineTask({ name, run })).toThrow("cannot name a handler")
    }
  )

  test.each(["", "Documents", "a.b", "-a", "a:b", "q".repeat(64)])("cannot have the queue %j", (queue) => {
    expect(() => defineTask({ name: "some", queue, run })).toThrow(`handler some: queue "${queue}" is not`)
  })

  test("is told from everything else that a module may export", () => {
    expect(isTaskDefinition(defineTask({ name: "some", run }))).toBe(true)
    expect([null, undefined, 1, "some", run, {}, { name: "some", run }].some(isTaskDefinition)).toBe(false)
  })
})

describe("a handler without schemas", () => {
  const some = defineTask({ name: "some", run })

  test.each([[null], ["text"], [{ any: ["thing"] }]])("takes and gives %j as it is", async (value) => {
    expect(await outcome(some.readInput(value))).toEqual({ value })
    expect(await outcome(some.writeOutput(value))).toEqual({ value })
  })
})

/** The same handler, three times: what comes in is made ready for it, and what goes out is checked. */
const alike = {
  zod: defineTask({
    name: "zod",
    input: z.object({ pages: z.array(z.object({ number: z.int() })), title: z.string().default("untitled") }),
    output: z.object({ done: z.boolean() }),
    run: () => ({ done: true })
  }),
  valibot: defineTask({
    name: "valibot",
    input: v.object({
      pages: v.array(v.object({ number: v.pipe(v.number(), v.integer()) })),
      title: v.optional(v.string(), "untitled")
    }),
    output: v.object({ done: v.boolean() }),
    run: () => ({ done: true })
  }),
  effect: defineTask({
    name: "effect",
    input: Schema.Struct({
      pages: Schema.Array(Schema.Struct({ number: Schema.Int })),
      title: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("untitled")))
    }),
    output: Schema.Struct({ done: Schema.Boolean }),
    run: () => ({ done: true })
  })
}

for (const [library, handler] of Object.entries(alike)) {
  describe(`a handler with schemas of ${library}`, () => {
    test("reads an input that fits, with its defaults", async () => {
      expect(await outcome(handler.readInput({ pages: [{ number: 1 }] }))).toEqual({
        value: { pages: [{ number: 1 }], title: "untitled" }
      })
    })

    test("names every fault of one that does not, with its path", async () => {
      const { faults } = (await outcome(
        handler.readInput({ pages: [{ number: 1 }, { number: "2" }], title: 3 })
      )) as Misfit

      expect(faults.map(({ path }) => path)).toEqual(["/pages/1/number", "/title"])
      expect(faults.every(({ message }) => message.length > 0)).toBe(true)
    })

    test("names a fault of the whole with an empty path", async () => {
      expect(await outcome(handler.readInput("text"))).toMatchObject({ faults: [{ path: "" }] })
    })

    test("checks its output", async () => {
      expect(await outcome(handler.writeOutput({ done: true }))).toEqual({ value: { done: true } })
      expect(await outcome(handler.writeOutput({ done: "yes" }))).toMatchObject({
        faults: [{ path: "/done" }]
      })
    })
  })
}

describe("a schema", () => {
  test("of effect encodes the output that it decodes as an input", async () => {
    const at = Schema.Struct({ at: Schema.DateTimeUtcFromString })
    const handler = defineTask.effect({
      name: "some",
      input: at,
      output: at,
      run: (input) => Effect.succeed(input)
    })

    const read = (await outcome(handler.readInput({ at: "2030-01-01T00:00:00.000Z" }))) as {
      readonly value: unknown
    }

    expect(await outcome(handler.writeOutput(read.value))).toEqual({
      value: { at: "2030-01-01T00:00:00.000Z" }
    })
  })

  test("may take its time", async () => {
    const handler = defineTask({
      name: "some",
      input: z.string().refine(async (text) => text === "right"),
      run
    })

    expect(await outcome(handler.readInput("right"))).toEqual({ value: "right" })
    expect(await outcome(handler.readInput("wrong"))).toMatchObject({ faults: [{ path: "" }] })
  })

  test("names keys that are signs in a path as a JSON pointer does", async () => {
    const handler = defineTask({ name: "some", input: z.object({ "a/b~c": z.string() }), run })

    expect(await outcome(handler.readInput({ "a/b~c": 1 }))).toMatchObject({ faults: [{ path: "/a~1b~0c" }] })
  })
})

describe("an error of a handler", () => {
  test("says all faults in one line", () => {
    const faults = [
      { path: "", message: "not an object" },
      { path: "/a", message: "missing" }
    ]

    expect(new Misfit({ faults }).message).toBe("/: not an object; /a: missing")
  })

  test("that is fatal has a type, which is Fatal unless it says otherwise", () => {
    const cause = new Error("404")

    expect(new Fatal("no such page")).toMatchObject({ name: "Fatal", message: "no such page" })
    expect(new Fatal("no such page", { type: "NotFound", cause })).toMatchObject({ name: "NotFound", cause })
  })

  test("tells which attempt is over, and why an event was refused", () => {
    expect(new AttemptOver({ task: "default.0.X", attempt: 2 }).message).toBe(
      "attempt 2 of default.0.X is over; nothing it writes is kept"
    )
    expect(new EventRefused({ reason: "too large" }).message).toBe("too large")
  })
})
