/** Everything that reads what others write, and what malformed input may come to there: a refusal, and nothing else. */
import { Effect, Exit, Result, Schema } from "effect"
import fc from "fast-check"
import { NewTaskJson } from "../../actors/dispatch/dispatcher.ts"
import { readPosition } from "../../actors/follow/follow.ts"
import { submission } from "../../api/client/submission.ts"
import { readFrame } from "../../api/http/socket-frames.ts"
import { Settings } from "../../runtime/config.ts"
import { retryJson } from "../../runtime/retry.ts"
import { readRoutes } from "../../runtime/routes.ts"
import { decodeRecord, encodeRecord, type Header } from "../../runtime/record.ts"
import { lanes, QueueName, State, TaskId } from "../../runtime/task.ts"
import type { Fuzzed } from "./api.ts"
import { json, noJson, text } from "./malformed.ts"
import { malformedFor, rows } from "./routes.ts"

/** What is tried, and what says of one input that it was not met as promised. */
export interface Target {
  readonly name: string
  /** How many of all inputs are this one's. */
  readonly share: number
  readonly property: fc.IAsyncProperty<unknown>
}

const target = <A>(
  name: string,
  share: number,
  inputs: fc.Arbitrary<A>,
  wrongWith: (input: A) => string | undefined | Promise<string | undefined>
): Target => ({
  name,
  share,
  property: fc.asyncProperty(inputs, async (input) => {
    const wrong = await wrongWith(input)
    if (wrong !== undefined) throw new Error(wrong)
  })
})

/** Fine, if it returns. */
const returns = (what: () => unknown) => {
  what()
  return undefined
}

const variables = fc.constantFrom(
  ...["REDIS_URL", "TROUPE_NAMESPACE", "TROUPE_HOST", "TROUPE_PORT", "TROUPE_HANDLERS", "TROUPE_QUEUES"],
  ...["TROUPE_ROUTES", "TROUPE_UNSERVED", "TROUPE_WORKERS", "TROUPE_SCALE_UP", "TROUPE_RECYCLE_AGE"],
  ...[
    "TROUPE_FILES",
    "TROUPE_FOLDERS",
    "TROUPE_LEASE",
    "TROUPE_HEARTBEAT",
    "TROUPE_STALL",
    "TROUPE_RETENTION"
  ],
  ...["TROUPE_DEAD_RETENTION", "TROUPE_DEAD_MAX", "TROUPE_DRAIN", "TROUPE_GRACE", "TROUPE_LOG", "TROUPE_X"]
)

const options = fc.record(
  Object.fromEntries(
    [
      ...[
        "delay",
        "runAt",
        "priority",
        "queue",
        "key",
        "timeout",
        "expires",
        "expiresAt",
        "deadline",
        "retry"
      ],
      ...["idempotencyKey", "unique", "debounce", "throttle", "cache", "tags", "callback", "x"]
    ].map((name) => [name, json])
  ),
  { requiredKeys: [] }
)

const header: fc.Arbitrary<Header> = fc.record({
  letter: fc.constantFrom("Q", "S", "F", "C", "E"),
  lane: fc.constantFrom(...lanes),
  run: fc.nat(1_000_000),
  crashes: fc.nat(9)
})

export const decoders: ReadonlyArray<Target> = [
  target("task ids", 1, text, (id) =>
    Schema.is(TaskId)(id) && !/^[A-Za-z0-9_-]+\.\d+\.[0-9A-HJKMNP-TV-Z]{26}$/.test(id)
      ? `${id} was taken for the id of a task`
      : undefined
  ),
  target("names of queues, states", 1, text, (name) =>
    returns(() => [Schema.is(QueueName)(name), Schema.is(State)(name)])
  ),
  target("positions in streams", 1, text, (position) => returns(() => readPosition(position))),
  target("routes of queues", 1, text, (routes) => returns(() => readRoutes(routes))),
  target("headers of records", 1, fc.tuple(header, json), ([header, value]) => {
    const read = decodeRecord(encodeRecord(header, JSON.stringify({ value })))
    return Bun.deepEquals(read.header, header) ? undefined : `read as ${JSON.stringify(read.header)}`
  }),
  target("records", 1, text, (record) => {
    const read = Result.try(() => decodeRecord(record))
    return Result.isSuccess(read) || String(read.failure).includes("not a task record")
      ? undefined
      : `ended with ${String(read.failure)}`
  }),
  target("envelopes of submits", 2, json, (task) =>
    returns(() => Schema.decodeUnknownExit(NewTaskJson)(task))
  ),
  target("policies of retries", 1, json, (retry) => {
    const read = Result.try(() => retryJson(retry as never))
    return Result.isSuccess(read) || read.failure instanceof Error ? undefined : "threw what is no error"
  }),
  target(
    "frames of web sockets",
    4,
    fc.oneof(
      json.map((value) => JSON.stringify(value) ?? ""),
      noJson
    ),
    (frame) => returns(() => readFrame(frame))
  ),
  target("settings", 2, fc.dictionary(variables, text, { minKeys: 1, maxKeys: 3 }), async (environment) => {
    const exit = await Effect.runPromiseExit(
      Effect.scoped(Effect.provide(Effect.asVoid(Settings), Settings.layer({}, environment)))
    )
    return Exit.isSuccess(exit) || JSON.stringify(exit.cause).includes("SettingsError")
      ? undefined
      : `ended with ${JSON.stringify(exit.cause)}`
  }),
  target("options of submits", 2, fc.tuple(json, options), ([input, options]) =>
    returns(() => submission("strict", input, options))
  )
]

/** Every route of the table. */
export const routesOf = (api: Fuzzed): ReadonlyArray<Target> =>
  rows.map((row) =>
    target(`${row.method} ${row.path}`, 3, malformedFor(row), (sent) => api.send(sent, row.body?.each))
  )
