/**
 * The frames of the web socket as values: what a client may say, in which bounds, and how it is answered.
 *
 * A client says `{op, ref, …}` and is answered `{ref, ok: true, …}` or `{ref, problem}`, in any order; what it follows
 * comes as `{event, task, id, data}`. Every frame is one JSON text.
 */
import { Result, Schema } from "effect"
import type { FollowEvent } from "../../actors/follow/follower.ts"
import { LifecycleFilter, type LifecycleNews } from "../../actors/follow/lifecycle.ts"
import { faultsOfIssues, type Fault } from "../../runtime/handler.ts"
import { faultsOf, parseJson } from "../../runtime/input.ts"
import { TaskId } from "../../runtime/task.ts"
import { bodyBytesMax } from "./body.ts"
import { lifecycleJson } from "./lifecycle-view.ts"
import { Reason, waitMsMax } from "./parameters.ts"
import type { Problem } from "./problem.ts"
import { BodyMalformed, BodyRefused } from "./refusals.ts"

/** The largest frame: that of one task, and what is around it. */
export const frameBytesMax = bodyBytesMax + 4_096

/** What a client calls its frame, to know the answer by. */
const Ref = Schema.Union([Schema.String.check(Schema.isMaxLength(64)), Schema.Finite])
export type Ref = typeof Ref.Type

const waitMs = Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: waitMsMax })))

/** Frames whose every field is said here. */
const shapes = {
  auth: Schema.Struct({
    key: Schema.optionalKey(Schema.String),
    ticket: Schema.optionalKey(Schema.String)
  }),
  subscribe: Schema.Struct({
    /** Without it, all tasks: their lifecycle events. */
    task: Schema.optionalKey(TaskId),
    after: Schema.optionalKey(Schema.String),
    ...LifecycleFilter.fields
  }),
  unsubscribe: Schema.Struct({ task: Schema.optionalKey(TaskId) }),
  cancel: Schema.Struct({ task: TaskId, ...Reason.fields })
} as const

const askAgent = Schema.Struct({
  agent: Schema.String,
  key: Schema.String,
  timeoutMs: waitMs
})

export type Frame =
  | { readonly op: "auth"; readonly key?: string; readonly ticket?: string }
  | { readonly op: "subscribe"; readonly task: TaskId; readonly after?: string }
  | { readonly op: "listen"; readonly filter: LifecycleFilter; readonly after?: string }
  /** Without a task: lifecycle events. */
  | { readonly op: "unsubscribe"; readonly task?: TaskId }
  | { readonly op: "cancel"; readonly task: TaskId; readonly reason?: string }
  | { readonly op: "submit"; readonly given: object }
  | { readonly op: "ask"; readonly given: object; readonly waitMs?: number }
  | {
      readonly op: "askAgent"
      readonly agent: string
      readonly key: string
      readonly message: object
      readonly waitMs?: number
    }

export interface Said {
  /** `null` where none could be read. */
  readonly ref: Ref | null
  readonly frame: Result.Result<Frame, BodyMalformed | BodyRefused>
}

const readers = Object.fromEntries(
  Object.entries({ ...shapes, askAgent, ref: Ref, waitMs: Schema.Struct({ waitMs }) }).map(
    ([name, schema]) => [
      name,
      Schema.toStandardSchemaV1(schema as Schema.Codec<unknown, unknown>, {
        parseOptions: { errors: "all", onExcessProperty: name === "waitMs" ? "ignore" : "error" }
      })["~standard"]
    ]
  )
)

type Read<A> = Result.Result<A, ReadonlyArray<Fault>>

const read = <A>(name: keyof typeof shapes | "askAgent" | "ref" | "waitMs", value: unknown): Read<A> => {
  // None of these schemas is async.
  const result = readers[name]!.validate(value) as {
    readonly value: unknown
    readonly issues?: Parameters<typeof faultsOfIssues>[0]
  }
  return result.issues === undefined
    ? Result.succeed(result.value as A)
    : Result.fail(faultsOfIssues(result.issues))
}

const bad = (path: string, message: string): Result.Result<never, ReadonlyArray<Fault>> =>
  Result.fail([{ path, message }])

const ops = ["submit", "subscribe", "unsubscribe", "cancel", "ask", "auth"] as const

/** A task as it is said in a frame: beside `op` and `ref`, or by itself under `task`. */
const taskIn = (rest: Readonly<Record<string, unknown>>): object => {
  const { task } = rest
  return typeof task === "object" && task !== null && !("name" in rest) ? task : rest
}

const frameOf = (op: unknown, rest: Readonly<Record<string, unknown>>): Read<Frame> => {
  switch (op) {
    case "submit":
      return Result.succeed({ op, given: taskIn(rest) })
    case "ask": {
      if (!("agent" in rest)) {
        const { waitMs, ...task } = rest
        return Result.map(
          read<{ readonly waitMs?: number }>("waitMs", waitMs === undefined ? {} : { waitMs }),
          (wait) => ({
            op,
            given: taskIn(task),
            ...wait
          })
        )
      }
      const { agent, key, timeoutMs, ...message } = rest
      const said = { agent, key, ...(timeoutMs === undefined ? {} : { timeoutMs }) }
      return Result.map(read<typeof askAgent.Type>("askAgent", said), ({ agent, key, timeoutMs }): Frame => ({
        op: "askAgent",
        agent,
        key,
        message,
        ...(timeoutMs === undefined ? {} : { waitMs: timeoutMs })
      }))
    }
    case "subscribe":
      return Result.flatMap(
        read<typeof shapes.subscribe.Type>("subscribe", rest),
        ({ after, task, ...filter }): Read<Frame> => {
          const from = after === undefined ? {} : { after }
          if (task === undefined) return Result.succeed({ op: "listen", filter, ...from })
          const [field] = Object.keys(filter)
          return field === undefined
            ? Result.succeed({ op: "subscribe", task, ...from })
            : bad(`/${field}`, "is for all tasks: leave out `task`")
        }
      )
    case "unsubscribe":
    case "cancel":
    case "auth":
      return Result.map(read<Omit<Frame, "op">>(op, rest), (fields) => ({ op, ...fields }) as Frame)
    default:
      return bad("/op", `is none of ${ops.join(", ")}`)
  }
}

const refusing = (ref: Ref | null, frame: Read<Frame>): Said => ({
  ref,
  frame: Result.mapError(frame, (faults) => new BodyRefused({ faults }))
})

/** Reads a frame, of bounded depth and without keys that would reach an object's prototype. */
export const readFrame = (text: string): Said => {
  const parsed = parseJson(text)
  if (Result.isFailure(parsed)) {
    const { message, reason } = parsed.failure
    return reason === "malformed"
      ? { ref: null, frame: Result.fail(new BodyMalformed({ reason: message })) }
      : refusing(null, bad("", message))
  }
  const value = parsed.success
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refusing(null, bad("", "a frame is an object"))
  }
  const { op, ref: given, ...rest } = value as Readonly<Record<string, unknown>>
  const ref = read<Ref>("ref", given)
  if (Result.isFailure(ref))
    return refusing(null, bad("/ref", "is a text of at most 64 characters, or a number"))
  const faults = faultsOf(value)
  return refusing(ref.success, faults.length > 0 ? Result.fail(faults) : frameOf(op, rest))
}

export const okText = (ref: Ref | null, more: object = {}): string =>
  JSON.stringify({ ref, ok: true, ...more })

export const problemText = (ref: Ref | null, problem: Problem): string => JSON.stringify({ ref, problem })

/** All who follow a task share its events, and so their frames. */
const texts = new WeakMap<FollowEvent, string>()

/** An event of a task. */
export const eventText = (task: TaskId, event: FollowEvent): string => {
  const there = texts.get(event)
  if (there !== undefined) return there
  const { type, ...rest } = event
  const { id, ...data } = "id" in rest ? rest : { ...rest, id: undefined }
  const text = JSON.stringify({ event: type, task, ...(id === undefined ? {} : { id }), data })
  texts.set(event, text)
  return text
}

/** What becomes of all tasks. */
export const newsText = ({ id, ...news }: LifecycleNews): string =>
  "at" in news
    ? JSON.stringify({ event: news.type, task: news.task, id, data: lifecycleJson(news) })
    : JSON.stringify({ event: news.type, id, data: "queue" in news ? { queue: news.queue } : {} })
