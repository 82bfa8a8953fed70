/**
 * What a command answers to each way of failing: its exit code and what it says. The compiler keeps the table
 * complete: a program whose commands can fail in a way that has no row does not compile.
 */
import { Cause, Exit, Schema } from "effect"
import type {
  NotReschedulable,
  ResultTimeout,
  SubmitError,
  TaskEnded,
  TaskGone
} from "../../actors/dispatch/dispatcher.ts"
import type { AgentNotFound, UnknownAgent } from "../../actors/operate/agents.ts"
import type { KeyNotFound, KeyOver, KeysFull } from "../../actors/access/keys.ts"
import type { QueryRefused } from "../../actors/operate/fields.ts"
import type { PositionInvalid } from "../../actors/follow/follow.ts"
import type { LifecyclePositionInvalid } from "../../actors/follow/lifecycle.ts"
import type { ChildFailing } from "../../actors/node/place.ts"
import type { NodeNotFound, WorkerNotFound } from "../../actors/operate/operator.ts"
import type { TaskNotFound } from "../../actors/dispatch/replies.ts"
import type { NotRetryable } from "../../actors/operate/revival.ts"
import type { ScheduleRefused } from "../../actors/schedule/definition.ts"
import type {
  ScheduleBusy,
  ScheduleExists,
  ScheduleNotFound,
  SchedulesFull
} from "../../actors/schedule/operator.ts"
import type { SettingsError } from "../../runtime/config.ts"
import type { PayloadUnreadable } from "../../runtime/encryption/key-ring.ts"
import type { Fault } from "../../runtime/handler.ts"
import type { RedisUnusable } from "../../runtime/redis/address.ts"
import type { NoRedisServer, PrivateRedisFailed } from "../../runtime/redis/private.ts"
import type { SupervisorGaveUp } from "../../runtime/supervision/errors.ts"
import type { AskTimeout, InvalidTaskId, TaskFailed } from "../client/errors.ts"
import type { SampleFailed } from "../sample.ts"
import type { Unwell } from "./diagnosis.ts"
import { inFlags } from "./fault-flags.ts"
import type { QueueNotFound } from "./known-queue.ts"
import type { OutputClosed } from "./output.ts"
import type { NotEnded } from "./result.ts"

/** The exit codes. Scripts rely on them. */
export const exitCode = {
  done: 0,
  taskFailed: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  unreachable: 5,
  /** A fault of ours, as sysexits.h has it (EX_SOFTWARE). */
  bug: 70,
  waitedTooLong: 124,
  /** Whoever read our output went away: as if SIGPIPE had ended us. */
  outputClosed: 141
} as const

/** The command line cannot be understood. Nothing was done. */
export class UsageError extends Schema.TaggedError<UsageError>()("UsageError", {
  /** The command, as in `troupe submit`. */
  command: Schema.String,
  problem: Schema.String
}) {}

/** Every way in which a command may fail. */
export type Failure =
  | AgentNotFound
  | AskTimeout
  | ChildFailing
  | InvalidTaskId
  | KeyNotFound
  | KeyOver
  | KeysFull
  | LifecyclePositionInvalid
  | NoRedisServer
  | NotEnded
  | NotReschedulable
  | NotRetryable
  | OutputClosed
  | PayloadUnreadable
  | PositionInvalid
  | PrivateRedisFailed
  | QueryRefused
  | QueueNotFound
  | RedisUnusable
  | SampleFailed
  | ResultTimeout
  | ScheduleBusy
  | ScheduleExists
  | ScheduleNotFound
  | ScheduleRefused
  | SchedulesFull
  | SettingsError
  | SubmitError
  | SupervisorGaveUp
  | TaskEnded
  | TaskFailed
  | TaskGone
  | TaskNotFound
  | UnknownAgent
  | Unwell
  | UsageError
  | WorkerNotFound
  | NodeNotFound

export interface Answer {
  readonly code: number
  /** For stderr; `undefined` when there is nothing to say. */
  readonly message: string | undefined
}

const answer =
  (code: number) =>
  ({ message }: Error): Answer => ({ code, message })

/** Workers may well know what this process does not: it looks for handlers itself, and is mostly told nowhere to look. */
const unknown = ({
  message,
  nearest
}: {
  readonly message: string
  readonly nearest?: string | undefined
}): Answer => ({
  code: exitCode.notFound,
  message:
    nearest === undefined && process.env["TROUPE_HANDLERS"] === undefined
      ? `${message}\n  handlers of your own are looked for in the folder TROUPE_HANDLERS, which is not set here`
      : message
})

const refusalOf = (what: string, faults: ReadonlyArray<Fault>) =>
  [
    `the ${what} is refused:`,
    ...faults.map(inFlags).map(({ message, path }) => `  ${path}: ${message}`)
  ].join("\n")

const answers: { readonly [E in Failure as E["_tag"]]: (error: E) => Answer } = {
  AskTimeout: answer(exitCode.waitedTooLong),
  // What kept the child from starting is what keeps the node from it.
  ChildFailing: ({ exit: code, message }) => ({
    code: code === exitCode.usage || code === exitCode.unreachable ? code : exitCode.bug,
    message
  }),
  AgentBusy: answer(exitCode.refused),
  AgentNotFound: answer(exitCode.notFound),
  AgentQuarantined: answer(exitCode.refused),
  IdempotencyConflict: answer(exitCode.refused),
  // What cannot be an id is that of no task.
  InvalidTaskId: answer(exitCode.notFound),
  KeyNotFound: answer(exitCode.notFound),
  KeyOver: answer(exitCode.refused),
  KeysFull: answer(exitCode.refused),
  LifecyclePositionInvalid: answer(exitCode.usage),
  NoRedisServer: answer(exitCode.unreachable),
  // As with a full queue: the same submit may be taken later.
  NoWorker: answer(exitCode.unreachable),
  NotEnded: answer(exitCode.waitedTooLong),
  NotReschedulable: answer(exitCode.refused),
  NotRetryable: answer(exitCode.refused),
  OutputClosed: ({ reason }) => ({
    code: exitCode.outputClosed,
    message: reason === undefined ? undefined : `the output cannot be written: ${reason}`
  }),
  // A setting does not have its key.
  PayloadUnreadable: answer(exitCode.usage),
  PositionInvalid: answer(exitCode.usage),
  PrivateRedisFailed: answer(exitCode.unreachable),
  QueryRefused: answer(exitCode.usage),
  QueueFull: answer(exitCode.unreachable),
  QueueNotFound: answer(exitCode.notFound),
  // An address that is none is a setting to correct; no Redis was looked for.
  RedisUnusable: ({ message, problem }) => ({
    code: problem === "address" ? exitCode.usage : exitCode.unreachable,
    message
  }),
  ResultTimeout: answer(exitCode.waitedTooLong),
  SampleFailed: answer(exitCode.taskFailed),
  ScheduleBusy: answer(exitCode.refused),
  ScheduleExists: answer(exitCode.refused),
  ScheduleNotFound: answer(exitCode.notFound),
  ScheduleRefused: ({ faults }) => ({ code: exitCode.refused, message: refusalOf("schedule", faults) }),
  SchedulesFull: answer(exitCode.refused),
  SettingsError: answer(exitCode.usage),
  StoreError: ({ message }) => ({ code: exitCode.unreachable, message: `Redis did not answer: ${message}` }),
  StoreFull: answer(exitCode.unreachable),
  SubmitRefused: ({ faults }) => ({ code: exitCode.refused, message: refusalOf("task", faults) }),
  SupervisorGaveUp: answer(exitCode.bug),
  TaskEnded: answer(exitCode.refused),
  TaskFailed: answer(exitCode.taskFailed),
  TaskGone: answer(exitCode.notFound),
  TaskNotFound: answer(exitCode.notFound),
  UnknownAgent: unknown,
  UnknownHandler: unknown,
  Unwell: ({ message, of }) => ({
    code: { settings: exitCode.usage, redis: exitCode.unreachable, others: exitCode.taskFailed }[of],
    message
  }),
  UsageError: ({ command, problem }) => ({
    code: exitCode.usage,
    message: `${problem}\nsee ${command} --help`
  }),
  WorkerNotFound: answer(exitCode.notFound),
  NodeNotFound: answer(exitCode.notFound)
}

const isFailure = (error: unknown): error is Failure =>
  typeof error === "object" && error !== null && "_tag" in error && String(error._tag) in answers

export const answerTo = (failure: Failure): Answer =>
  // A row takes the error of its own tag, which the compiler cannot follow through the lookup.
  answers[failure._tag](failure as never)

/** What a program answers in the end. `interrupted` is its exit code if it did nothing but stop when told to. */
export const answerToExit = (exit: Exit.Exit<unknown, unknown>, interrupted: number): Answer => {
  if (Exit.isSuccess(exit)) return { code: exitCode.done, message: undefined }
  if (Cause.hasInterruptsOnly(exit.cause)) return { code: interrupted, message: undefined }
  const error = Cause.squash(exit.cause)
  if (isFailure(error)) return answerTo(error)
  return { code: exitCode.bug, message: `this is a fault in Troupe: ${Cause.pretty(exit.cause)}` }
}
