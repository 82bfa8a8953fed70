/**
 * A task as callers describe it: the one list of submit options, with the bounds of each.
 *
 * Whatever does not fit is told all at once, each fault with its place, and a name that is misspelt with the nearest
 * that is not: an option that is silently left out would be a promise silently not kept.
 */
import { Duration, Result, Schema } from "effect"
import { Fault } from "../../runtime/handler.ts"
import { readerOf } from "../../runtime/known-fields.ts"
import { RetryJson } from "../../runtime/retry.ts"
import { Priority, QueueName } from "../../runtime/task.ts"
import { Traceparent, Tracestate } from "../../runtime/telemetry/trace-context.ts"
import { CallbackJson } from "../callback/option.ts"

/** The input or an option does not fit. Nothing was stored; `faults` says what to mend, and where. */
export class SubmitRefused extends Schema.TaggedError<SubmitRefused>()("SubmitRefused", {
  faults: Schema.Array(Fault)
}) {
  override get message() {
    return this.faults.map(({ message, path }) => `${path === "" ? "/" : path}: ${message}`).join("; ")
  }
}

/** For one thing that does not fit. */
export const refused = (path: string, message: string): Result.Result<never, SubmitRefused> =>
  Result.fail(new SubmitRefused({ faults: [{ path, message }] }))

/** How far ahead anything of a task may lie. */
export const aheadMaxMs = Duration.toMillis(Duration.days(3650))

const millis = (minimum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum: aheadMaxMs }))

/** A name that callers make up: so many characters, none of which a terminal or a log would act on. */
const name = (most: number) =>
  Schema.String.check(
    Schema.isPattern(new RegExp(`^[^\\p{Cc}\\p{Cs}]{1,${most}}$`, "u"), {
      message: `not 1 to ${most} characters without control characters`
    })
  )

const keyMax = 128

/** A task's key. Those that begin with a tilde are our own. */
export const Key = name(keyMax).check(Schema.isPattern(/^(?!~)/u, { message: "a key does not begin with ~" }))

const paced = Schema.Struct({ key: name(keyMax), forMs: millis(1) })

export const NewTaskJson = Schema.Struct({
  name: Schema.String,
  input: Schema.optionalKey(Schema.Unknown),
  /** Default: the handler's. */
  queue: Schema.optionalKey(QueueName),
  /** Default: the handler's. */
  priority: Schema.optionalKey(Priority),
  /** What it belongs to: tasks of one key run one after the other, unless the handler says otherwise. */
  key: Schema.optionalKey(Key),
  /** It becomes due so much later; or at a time, ISO 8601. At most one of them. */
  delayMs: Schema.optionalKey(millis(0)),
  runAt: Schema.optionalKey(Schema.String),
  /** It is expired if it has not started so much later; or by a time, ISO 8601. At most one of them. */
  expiresMs: Schema.optionalKey(millis(1)),
  expiresAt: Schema.optionalKey(Schema.String),
  /** How long one run may last. Default: the handler's. */
  timeoutMs: Schema.optionalKey(millis(1)),
  /** It has failed if it has not ended so much later, whatever has become of its runs. */
  deadlineMs: Schema.optionalKey(millis(1)),
  /** Laid over the handler's policy. */
  retry: Schema.optionalKey(RetryJson),
  /** A second submit with the same one gets the first one's task. */
  idempotencyKey: Schema.optionalKey(name(256)),
  /** While such a task waits, or lives, a second submit gets it. Default key: the handler and the input. */
  unique: Schema.optionalKey(
    Schema.Struct({ until: Schema.Literals(["started", "ended"]), key: Schema.optionalKey(name(keyMax)) })
  ),
  /** It waits for so long, and goes if another one of the key is submitted meanwhile. */
  debounce: Schema.optionalKey(paced),
  /** A further submit of the key within the time gets the first one's task. */
  throttle: Schema.optionalKey(paced),
  /** A task of the same handler and input that lives, or has succeeded within the time, is taken for this one. */
  cache: Schema.optionalKey(Schema.Union([Schema.Literal(true), Schema.Struct({ forMs: millis(1) })])),
  /** A URL that its end is told to, or `{url, events?, headers?}`. */
  callback: Schema.optionalKey(CallbackJson),
  /** At most 16 of at most 64 characters, to find the task by. */
  tags: Schema.optionalKey(
    Schema.Array(Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(64))).check(
      Schema.isMaxLength(16)
    )
  ),
  /** The trace that it is part of, as W3C Trace Context writes it. */
  traceparent: Schema.optionalKey(Traceparent),
  tracestate: Schema.optionalKey(Tracestate)
})
export type NewTaskJson = typeof NewTaskJson.Type

const readFields = readerOf(NewTaskJson, "option")

/** A task of a name and an input alone, as most are: there is nothing to decode. */
const isBare = (task: unknown): task is NewTaskJson => {
  if (typeof task !== "object" || task === null) return false
  let keys = 0
  for (const key in task) {
    if (key !== "name" && key !== "input") return false
    keys += 1
  }
  return keys > 0 && "name" in task && typeof task.name === "string"
}

/** The options as they are, or every fault they have. */
export const readOptions = (task: unknown): Result.Result<NewTaskJson, SubmitRefused> => {
  if (isBare(task)) return Result.succeed(task)
  return Result.mapError(readFields(task), (faults) => new SubmitRefused({ faults }))
}
