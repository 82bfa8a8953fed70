/** A task as code describes it, made into the task that the dispatcher takes. */
import { Duration, Option, Result } from "effect"
import { type NewTaskJson, SubmitRefused } from "../../actors/dispatcher.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { retryJson, type RetryOptions } from "../../runtime/retry.ts"
import type { Priority } from "../../runtime/task.ts"

/** What says which handler is meant: its definition, which knows its types, or its name, which does not. */
export type Named = TaskDefinition | string

/** What a handler is given, before its schema's transformations. */
export type InputOf<T extends Named> = T extends TaskDefinition<infer Input> ? Input : unknown

/** What its submitter reads in the end. */
export type OutputOf<T extends Named> = T extends TaskDefinition<unknown, infer Output> ? Output : unknown

export interface SubmitOptions {
  /** How much later it becomes due. */
  readonly delay?: Duration.Input
  /** When it becomes due; a text is ISO 8601. Give this or `delay`. */
  readonly runAt?: Date | string
  /** Default: the handler's. */
  readonly priority?: Priority
  /** Default: the handler's. */
  readonly queue?: string
  /** How long one run may last. Default: the handler's. */
  readonly timeout?: Duration.Input
  /** Laid over the handler's policy. */
  readonly retry?: RetryOptions
  /** To find the task by: at most 16, of at most 64 characters each. */
  readonly tags?: ReadonlyArray<string>
}

export const nameOf = (task: Named): string => (typeof task === "string" ? task : task.name)

const refuse = (path: string, message: string) => new SubmitRefused({ faults: [{ path, message }] })

const millis = (path: string, duration: Duration.Input): Result.Result<number, SubmitRefused> =>
  Option.match(Duration.fromInput(duration), {
    onNone: () => Result.fail(refuse(path, `not a duration such as "10 seconds"`)),
    onSome: (duration) => Result.succeed(Math.round(Duration.toMillis(duration)))
  })

/** An invalid date goes on as a text that the dispatcher refuses. */
const time = (at: Date | string) =>
  at instanceof Date && !Number.isNaN(at.getTime()) ? at.toISOString() : String(at)

/** Gives an option that is there its name in the task, or says why it cannot be read. */
const part = <A>(
  name: string,
  value: A | undefined,
  read: (value: A) => Result.Result<unknown, SubmitRefused>
) => (value === undefined ? Result.succeed({}) : Result.map(read(value), (read) => ({ [name]: read })))

const policy = (retry: RetryOptions) =>
  Result.try({ try: () => retryJson(retry), catch: (error) => refuse("/retry", String(error)) })

/** Fails on a duration that is none; everything else is for the dispatcher to check. */
export const submission = (
  task: Named,
  input: unknown,
  options: SubmitOptions | undefined
): Result.Result<NewTaskJson, SubmitRefused> => {
  const name = nameOf(task)
  if (options === undefined || Object.keys(options).length === 0) return Result.succeed({ name, input })
  const { delay, priority, queue, retry, runAt, tags, timeout } = options
  const parts = Result.all([
    part("delayMs", delay, (delay) => millis("/delay", delay)),
    part("timeoutMs", timeout, (timeout) => millis("/timeout", timeout)),
    part("retry", retry, policy),
    part("runAt", runAt, (at) => Result.succeed(time(at))),
    part("priority", priority, Result.succeed),
    part("queue", queue, Result.succeed),
    part("tags", tags, Result.succeed)
  ])
  return Result.map(
    parts,
    (parts) => Object.assign({ name, input }, ...(parts as Array<object>)) as NewTaskJson
  )
}
