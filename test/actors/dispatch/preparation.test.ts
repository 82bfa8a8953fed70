import { describe, expect, test } from "bun:test"
import { Result } from "effect"
import * as z from "zod"
import { type Circumstances, type Prepared, prepare } from "../../../actors/dispatch/preparation.ts"
import { defineTask } from "../../../runtime/handler.ts"
import { UnknownHandler } from "../../../runtime/registry.ts"
import { decodeRecord, readEnvelope } from "../../../runtime/record.ts"
import type { TaskId } from "../../../runtime/task.ts"
import { ulidAt } from "../../support/tasks.ts"

const now = Date.UTC(2030, 0, 1)
const unique = ulidAt(now, 1)

const handlers = [
  defineTask({ name: "plain", run: () => null }),
  defineTask({
    name: "keyed",
    input: z.object({ user: z.string(), amount: z.number().default(1) }),
    key: { concurrency: 3, of: ({ user }) => user },
    limits: [{ key: "api", rate: 10, per: "1 second", amount: ({ amount }) => amount }],
    run: () => null
  }),
  defineTask({ name: "hasty", expires: "1 minute", deadline: "1 hour", run: () => null })
]

const prepared = (task: unknown, over: Partial<Circumstances> = {}) =>
  prepare(
    {
      find: (name) => handlers.find((handler) => handler.name === name),
      unknown: (handler) => new UnknownHandler({ handler })
    },
    task,
    { now, unique, retentionMs: 86_400_000, routes: [], choose: ([first]) => first!, ...over }
  ) as Result.Result<Prepared, { readonly faults?: ReadonlyArray<object> }>

const accepted = (options: object, over?: Partial<Circumstances>) =>
  Result.getOrThrow(prepared({ name: "plain", ...options }, over))

const faults = (options: object, over?: Partial<Circumstances>) => {
  const result = prepared({ name: "plain", ...options }, over)
  return Result.isFailure(result) ? result.failure.faults : []
}

const envelopeOf = ({ record }: Prepared) => readEnvelope(decodeRecord(record).json)

describe("an option that is none", () => {
  test("is told with the nearest that is, wherever it stands", () => {
    expect(
      faults({ delayms: 1, retry: { atempts: 1 }, unique: { until: "ended", kye: "a" }, cache: { forms: 1 } })
    ).toEqual(
      expect.arrayContaining([
        { path: "/delayms", message: "there is no such option; did you mean delayMs?" },
        { path: "/retry/atempts", message: "there is no such option; did you mean attempts?" },
        { path: "/unique/kye", message: "there is no such option; did you mean key?" },
        { path: "/cache/forms", message: "there is no such option; did you mean forMs?" }
      ])
    )
  })

  test("is told as such when nothing is near", () => {
    expect(faults({ birthday: "http://localhost" })).toEqual([
      { path: "/birthday", message: "there is no such option" }
    ])
  })
})

describe("an input", () => {
  const checks = (validate: () => never) =>
    prepare(
      {
        find: () =>
          defineTask({
            name: "checks",
            input: { "~standard": { version: 1, vendor: "test", validate } },
            run: () => null
          }),
        unknown: (handler) => new UnknownHandler({ handler })
      },
      { name: "checks", input: "x" },
      { now, unique, retentionMs: 86_400_000, routes: [], choose: ([first]) => first! }
    )
  const failing = () => {
    throw new Error("out of order")
  }

  test("that is no JSON is refused as one that does not fit", () => {
    const circle: Record<string, unknown> = {}
    circle["self"] = [circle]
    for (const input of [1n, { amount: 1n }, () => 1, Symbol("s"), { toJSON: failing }]) {
      expect(faults({ input })).toMatchObject([
        { path: "/input", message: expect.stringContaining("no JSON") }
      ])
    }
  })

  test("with a number that JSON has not is refused where that stands: it would be stored as null", () => {
    const input = { usual: 1e300, far: [0, JSON.parse("1e400")], none: { at: NaN } }

    expect(faults({ input })).toMatchObject([
      { path: "/input/far/1", message: expect.stringContaining("no finite number") },
      { path: "/input/none/at", message: expect.stringContaining("no finite number") }
    ])
    expect(faults({ input: Infinity })).toMatchObject([{ path: "/input" }])
  })

  test("whose check fails itself is refused, and says so", async () => {
    for (const check of [failing, () => Promise.reject(new Error("out of order")) as never]) {
      const result = (await checks(check)) as Result.Result<
        unknown,
        { readonly faults: ReadonlyArray<object> }
      >
      expect(Result.isFailure(result) && result.failure.faults).toEqual([
        { path: "/input", message: "checks cannot check it: out of order" }
      ])
    }
  })
})

describe("a key", () => {
  test("is 1 to 128 characters without control characters, and does not begin with our sign", () => {
    expect(accepted({ key: "ä b|c/💥" }).box?.name).toBe("|ä b|c/💥")
    expect(accepted({ key: "💥".repeat(128) }).box).toBeDefined()
    for (const key of ["", "x".repeat(129), "a\nb", "a\u007f", "~normal"]) {
      expect(faults({ key })).toMatchObject([{ path: "/key" }])
    }
  })

  test("puts the task into its box, with a capital letter in entry and record", () => {
    const { box, entry, record } = accepted({ key: "k", priority: "high" })

    expect(box).toEqual({ name: "|k", limit: 1, ordered: true })
    expect(entry).toBe(`${unique}H1`)
    expect(record).toStartWith("QH1.0{")
    expect(accepted({}).box).toBeUndefined()
    expect(accepted({}).entry).toBe(`${unique}n1`)
  })

  test("is what the handler makes of the input when its submitter says none, and is kept with the task", () => {
    const task = accepted({ name: "keyed", input: { user: "ann" } })

    expect(task.box).toEqual({ name: "api|ann", limit: 3, ordered: false })
    expect(envelopeOf(task).key).toBe("ann")
    expect(accepted({ name: "keyed", input: { user: "ann" }, key: "other" }).box?.name).toBe("api|other")
    expect(faults({ name: "keyed", input: { user: "a\nb" } })).toMatchObject([{ path: "/key" }])
  })

  test("is joined by what the handler takes of its limits", () => {
    expect(accepted({ name: "keyed", input: { user: "ann", amount: 5 } }).box?.name).toBe("api*5|ann")
  })
})

describe("times of a task", () => {
  const later = new Date(now + 60_000).toISOString()

  test("are kept on the caller's clock, and delays left to the store's", () => {
    const task = accepted({ delayMs: 1_000, expiresMs: 5_000, deadlineMs: 9_000 })

    expect(task).toMatchObject({ due: { afterMs: 1_000 }, expiresAt: now + 5_000, deadlineAt: now + 9_000 })
    expect(envelopeOf(task)).toMatchObject({
      dueAt: now + 1_000,
      expiresAt: now + 5_000,
      deadlineAt: now + 9_000
    })
    expect(accepted({ runAt: later }).due).toEqual({ at: now + 60_000 })
    expect(accepted({ expiresAt: later }).expiresAt).toBe(now + 60_000)
  })

  test("are the handler's when the task says none", () => {
    expect(accepted({ name: "hasty" })).toMatchObject({
      expiresAt: now + 60_000,
      deadlineAt: now + 3_600_000
    })
    expect(accepted({ name: "hasty", expiresMs: 1, deadlineMs: 2 })).toMatchObject({
      expiresAt: now + 1,
      deadlineAt: now + 2
    })
    expect(accepted({ name: "hasty", expiresAt: new Date(now + 5).toISOString() }).expiresAt).toBe(now + 5)
  })

  test("cannot be over before it may start, be said twice, or be no times", () => {
    const refused = (options: object, path: string) =>
      expect(faults(options)).toMatchObject([{ path: `/${path}` }])
    refused({ expiresAt: new Date(now).toISOString() }, "expiresAt")
    refused({ expiresMs: 1_000, delayMs: 1_000 }, "expiresMs")
    refused({ deadlineMs: 1_000, runAt: later }, "deadlineMs")
    refused({ expiresMs: 1_000, expiresAt: later }, "expiresAt")
    refused({ expiresAt: "soon" }, "expiresAt")
    refused({ delayMs: 1_000, runAt: later }, "runAt")
    refused({ debounce: { key: "k", forMs: 1_000 }, delayMs: 1_000 }, "debounce")
    refused({ expiresMs: 500, debounce: { key: "k", forMs: 1_000 } }, "expiresMs")
  })
})

describe("guards of a task", () => {
  const guardsOf = (options: object) => accepted(options).guards

  test("are none when none is asked for", () => {
    expect(guardsOf({ key: "k", input: 1 })).toEqual([])
  })

  test("come with the idempotency key first", () => {
    const all = {
      cache: true,
      throttle: { key: "k", forMs: 1 },
      unique: { until: "ended" },
      idempotencyKey: "i",
      debounce: { key: "k", forMs: 1 }
    }

    expect(guardsOf(all).map(({ kind }) => kind)).toEqual([
      "idempotency",
      "unique",
      "throttle",
      "cache",
      "debounce"
    ])
  })

  test("keep an idempotency key for as long as a task is kept that is not late in being run", () => {
    const keptMs = (options: object) => {
      const [guard] = guardsOf({ idempotencyKey: "i", ...options })
      return guard?.kind === "idempotency" ? guard.keepMs : undefined
    }
    const day = 86_400_000
    const retentionMs = keptMs({})!

    expect(keptMs({ delayMs: 7 * day })).toBe(retentionMs + 7 * day)
    expect(keptMs({ runAt: new Date(0).toISOString() })).toBe(retentionMs)
  })

  test("know an input by its values, whatever the order of its keys", () => {
    const [one] = guardsOf({ cache: true, input: { a: 1, b: { c: [1, 2], d: null } } })

    expect(guardsOf({ cache: true, input: { b: { d: null, c: [1, 2] }, a: 1 } })).toEqual([one!])
    for (const input of [{ a: 1, b: { c: [2, 1], d: null } }, { a: "1", b: { c: [1, 2], d: null } }, null]) {
      expect(guardsOf({ cache: true, input })).not.toEqual([one!])
    }
    expect(guardsOf({ cache: true })).toEqual(guardsOf({ cache: true, input: null }))
  })

  test("are each handler's own", () => {
    for (const options of [
      { idempotencyKey: "k" },
      { unique: { until: "ended", key: "k" } },
      { cache: true }
    ]) {
      expect(guardsOf({ ...options, name: "hasty" })[0]!.name).not.toBe(guardsOf(options)[0]!.name)
    }
  })

  test("of a named unique task do not meet those of one that is known by its input", () => {
    const [byInput] = guardsOf({ unique: { until: "ended" } })
    const hash = byInput!.name.split(" ").at(-1)

    expect(guardsOf({ unique: { until: "ended", key: hash } })[0]!.name).not.toBe(byInput!.name)
  })

  test("hold no longer than tasks are kept", () => {
    expect(faults({ throttle: { key: "k", forMs: 86_400_001 }, cache: { forMs: 86_400_001 } })).toMatchObject(
      [{ path: "/throttle/forMs" }, { path: "/cache/forMs" }]
    )
    expect(accepted({ cache: true }, { retentionMs: 60_000 }).guards).toMatchObject([{ forMs: 60_000 }])
    expect(accepted({ cache: true }).guards).toMatchObject([{ forMs: 3_600_000 }])
  })

  test("of a debounced task delay it", () => {
    expect(accepted({ debounce: { key: "k", forMs: 1_000 } }).due).toEqual({ afterMs: 1_000 })
  })
})

describe("a child", () => {
  const parent = `default.0.${ulidAt(now, 9)}` as TaskId
  const born = (options: object, birth: Partial<Circumstances["birth"]> = {}) =>
    accepted(options, { birth: { parent, deadlineAt: undefined, id: undefined, ...birth } })

  test("names its parent, and ends no later than it", () => {
    const task = born({ deadlineMs: 9_000 }, { deadlineAt: now + 5_000 })

    expect(task).toMatchObject({ parent, deadlineAt: now + 5_000 })
    expect(envelopeOf(task)).toMatchObject({ parent, deadlineAt: now + 5_000 })
    expect(born({ deadlineMs: 1_000 }, { deadlineAt: now + 5_000 }).deadlineAt).toBe(now + 1_000)
  })

  test("keeps the id under which it was prepared before, and its queue", () => {
    const id = `other.0.${ulidAt(now, 5)}` as TaskId

    expect(born({ queue: "third" }, { id })).toMatchObject({ id, entry: `${ulidAt(now, 5)}n1` })
  })

  test("has no guards: its parent knows it by its id", () => {
    expect(
      faults({ unique: { until: "ended" } }, { birth: { parent, deadlineAt: undefined, id: undefined } })
    ).toMatchObject([{ path: "/unique" }])
    expect(
      faults({ idempotencyKey: "k" }, { birth: { parent, deadlineAt: undefined, id: undefined } })
    ).toMatchObject([{ path: "/idempotencyKey" }])
  })
})
