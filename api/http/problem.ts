/**
 * The one table of answers to everything that can go wrong, as RFC 9457 problems.
 *
 * A problem's `type` is stable: programs may decide by it. `title` is the same for every problem of a type, `detail`
 * says what happened this time, `errors` lists each fault of what was sent, with its path as a JSON pointer. Remove a
 * row, or add an error without one, and the build names the error that has no answer.
 */
import type { ContentfulStatusCode } from "hono/utils/http-status"
import type {
  IdempotencyConflict,
  NotReschedulable,
  NoWorker,
  SubmitRefused,
  TaskEnded,
  TaskGone
} from "../../actors/dispatch/dispatcher.ts"
import type { AgentNotFound, UnknownAgent } from "../../actors/operate/agents.ts"
import type { QueryRefused } from "../../actors/operate/fields.ts"
import type { PositionInvalid } from "../../actors/follow/follow.ts"
import type { LifecyclePositionInvalid } from "../../actors/follow/lifecycle.ts"
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
import type { FileNotFound, FilesError, FileTooLarge, UploadBroken } from "../../runtime/files.ts"
import type { PayloadUnreadable } from "../../runtime/encryption/key-ring.ts"
import type { Fault } from "../../runtime/handler.ts"
import type { KeyNotFound, KeyOver, KeysFull } from "../../actors/access/keys.ts"
import type { NotLetIn, TooFast } from "../../actors/access/gate.ts"
import type { UnknownHandler } from "../../runtime/registry.ts"
import type { AgentBusy, AgentQuarantined, QueueFull, StoreError, StoreFull } from "../../runtime/store.ts"
import type { TaskError } from "../../runtime/record.ts"
import type { InvalidTaskId, TaskFailed } from "../client/errors.ts"
import type * as Refusals from "./refusals.ts"

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: ContentfulStatusCode
  readonly detail?: string
  readonly errors?: ReadonlyArray<Fault>
  /** When to come back: what the header `Retry-After` says, for those who see no headers, in a batch or a web socket. */
  readonly retryAfterMs?: number
  /** With what a task failed, when that is the problem. */
  readonly error?: Omit<TaskError, "stack">
}

interface Details extends Pick<Problem, "errors" | "error"> {
  /** Where there are several of the kind. */
  readonly type?: string
  readonly retryAfterSeconds?: number
}

export type ErrorTag = ApiError["_tag"]

/** Every error that a route may fail with. */
export type ApiError =
  | UnknownHandler
  | SubmitRefused
  | UnknownAgent
  | AgentNotFound
  | AgentBusy
  | AgentQuarantined
  | IdempotencyConflict
  | NoWorker
  | QueueFull
  | PayloadUnreadable
  | StoreError
  | StoreFull
  | TaskNotFound
  | TaskGone
  | TaskEnded
  | TaskFailed
  | InvalidTaskId
  | PositionInvalid
  | LifecyclePositionInvalid
  | QueryRefused
  | NotRetryable
  | NotReschedulable
  | WorkerNotFound
  | NodeNotFound
  | ScheduleRefused
  | ScheduleNotFound
  | ScheduleExists
  | ScheduleBusy
  | SchedulesFull
  | FileNotFound
  | FileTooLarge
  | UploadBroken
  | FilesError
  | NotLetIn
  | TooFast
  | KeyNotFound
  | KeyOver
  | KeysFull
  | Refusals.NotAllowed
  | Refusals.BodyMalformed
  | Refusals.BodyRefused
  | Refusals.BodyTooLarge
  | Refusals.BodyTooSlow
  | Refusals.MediaTypeRefused
  | Refusals.ParameterInvalid
  | Refusals.InputNotKept
  | Refusals.NotReady
  | Refusals.GoingAway
  | Refusals.UpgradeNeeded

export interface Kind {
  readonly status: ContentfulStatusCode
  /** Mostly one. */
  readonly types: readonly [string, ...ReadonlyArray<string>]
  readonly title: string
}

/** Every error with its answer. */
export const kinds = {
  UnknownHandler: { status: 404, types: ["unknown-handler"], title: "No handler has this name" },
  SubmitRefused: { status: 422, types: ["task-refused"], title: "The task does not fit" },
  UnknownAgent: { status: 404, types: ["unknown-agent"], title: "No agent has this name" },
  AgentNotFound: { status: 404, types: ["agent-not-found"], title: "There is nothing of such an agent" },
  AgentBusy: {
    status: 409,
    types: ["agent-busy"],
    title: "The agent handles a message, and takes one at a time"
  },
  AgentQuarantined: {
    status: 409,
    types: ["agent-quarantined"],
    title: "The agent takes no messages until it is resumed"
  },
  IdempotencyConflict: {
    status: 409,
    types: ["idempotency-conflict"],
    title: "The idempotency key was used before, for another input"
  },
  NoWorker: { status: 503, types: ["no-worker"], title: "No live worker can run the task" },
  QueueFull: { status: 429, types: ["queue-full"], title: "The queue takes no more tasks now" },
  StoreError: {
    status: 503,
    types: ["store-unavailable"],
    title: "The store did not answer; what was asked may have happened"
  },
  StoreFull: { status: 503, types: ["store-full"], title: "The store has no memory left for new tasks" },
  // Whoever runs this process has not given it the key.
  PayloadUnreadable: {
    status: 503,
    types: ["payload-unreadable"],
    title: "What is stored of the task cannot be read here"
  },
  TaskNotFound: { status: 404, types: ["task-not-found"], title: "There is no such task" },
  TaskGone: { status: 410, types: ["gone"], title: "The task is no longer kept" },
  TaskEnded: { status: 409, types: ["task-ended"], title: "The task had ended already" },
  // The request was in order and the task was not: neither a fault of this request, nor one of the server.
  TaskFailed: {
    status: 424,
    types: ["task-failed", "task-cancelled", "task-expired"],
    title: "The task ended without a result"
  },
  InvalidTaskId: { status: 404, types: ["invalid-id"], title: "This is no task id" },
  PositionInvalid: {
    status: 400,
    types: ["invalid-position"],
    title: "This is no place in a stream of events"
  },
  LifecyclePositionInvalid: {
    status: 400,
    types: ["invalid-position"],
    title: "This is no place in a stream of events"
  },
  QueryRefused: { status: 400, types: ["invalid-parameter"], title: "A parameter cannot be what it is" },
  NotRetryable: { status: 409, types: ["not-retryable"], title: "Only a failed task can be retried" },
  NotReschedulable: {
    status: 409,
    types: ["not-reschedulable"],
    title: "Only a task that waits for its time can be given another"
  },
  WorkerNotFound: { status: 404, types: ["worker-not-found"], title: "There is no such worker" },
  NodeNotFound: { status: 404, types: ["node-not-found"], title: "There is no such node" },
  ScheduleRefused: { status: 422, types: ["schedule-refused"], title: "The schedule does not fit" },
  ScheduleNotFound: { status: 404, types: ["schedule-not-found"], title: "There is no such schedule" },
  ScheduleExists: { status: 409, types: ["schedule-exists"], title: "Another schedule has this id" },
  ScheduleBusy: {
    status: 409,
    types: ["schedule-busy"],
    title: "The schedule runs already, and lets no other run begin"
  },
  SchedulesFull: { status: 409, types: ["schedules-full"], title: "There are too many schedules" },
  FileNotFound: { status: 404, types: ["file-not-found"], title: "There is no such file" },
  FileTooLarge: { status: 413, types: ["file-too-large"], title: "The file is too large" },
  UploadBroken: { status: 400, types: ["upload-broken"], title: "The upload broke off before its end" },
  FilesError: {
    status: 503,
    types: ["files-unavailable"],
    title: "The file store did not take or give the bytes"
  },
  NotLetIn: { status: 401, types: ["unauthorized"], title: "Show a key that counts" },
  NotAllowed: { status: 403, types: ["forbidden"], title: "This key may not do that" },
  TooFast: { status: 429, types: ["too-fast"], title: "This key makes more requests than it may" },
  KeyNotFound: { status: 404, types: ["key-not-found"], title: "There is no such key" },
  KeyOver: { status: 409, types: ["key-over"], title: "The key does not count any more" },
  KeysFull: { status: 409, types: ["keys-full"], title: "There are too many keys" },
  BodyMalformed: { status: 400, types: ["malformed-body"], title: "The body cannot be read" },
  BodyRefused: { status: 422, types: ["body-refused"], title: "The body is not what is asked for here" },
  BodyTooLarge: { status: 413, types: ["body-too-large"], title: "The body is too large" },
  BodyTooSlow: { status: 408, types: ["body-too-slow"], title: "The body came too slowly" },
  MediaTypeRefused: { status: 415, types: ["unsupported-media-type"], title: "The body is of another kind" },
  ParameterInvalid: { status: 400, types: ["invalid-parameter"], title: "A parameter cannot be what it is" },
  InputNotKept: { status: 410, types: ["input-not-kept"], title: "The input is no longer kept" },
  NotReady: { status: 503, types: ["not-ready"], title: "This process is not ready for requests" },
  UpgradeNeeded: { status: 426, types: ["upgrade-needed"], title: "Only web sockets are served here" },
  GoingAway: { status: 503, types: ["going-away"], title: "This process takes no new tasks any more" }
} as const satisfies { readonly [tag in ErrorTag]: Kind }

/** What is said beyond that, where something is. */
const details: { readonly [E in ApiError as E["_tag"]]?: (error: E) => Details } = {
  SubmitRefused: ({ faults }) => ({ errors: faults }),
  NoWorker: () => ({ retryAfterSeconds: 5 }),
  QueueFull: ({ retryAfterMs = 1_000 }) => ({ retryAfterSeconds: Math.ceil(retryAfterMs / 1_000) }),
  StoreError: () => ({ retryAfterSeconds: 5 }),
  StoreFull: () => ({ retryAfterSeconds: 30 }),
  TaskFailed: ({ error: { message, type }, state }) => ({ type: `task-${state}`, error: { type, message } }),
  QueryRefused: ({ faults }) => ({
    errors: faults.map(({ message, path }) => ({ path: path.slice(1), message }))
  }),
  ScheduleRefused: ({ faults }) => ({ errors: faults }),
  FilesError: () => ({ retryAfterSeconds: 5 }),
  TooFast: ({ retryAfterMs }) => ({ retryAfterSeconds: Math.ceil(retryAfterMs / 1_000) }),
  BodyRefused: ({ faults }) => ({ errors: faults }),
  ParameterInvalid: ({ parameter, reason }) => ({ errors: [{ path: parameter, message: reason }] }),
  NotReady: ({ faults }) => ({ errors: faults, retryAfterSeconds: 1 }),
  GoingAway: () => ({ retryAfterSeconds: 1 })
}

/** What any request may be answered, whatever its route. */
export const general = {
  notFound: { status: 404, types: ["no-such-address"], title: "There is nothing at this address" },
  notAllowed: { status: 405, types: ["method-not-allowed"], title: "This address takes other methods" },
  originRefused: { status: 403, types: ["origin-refused"], title: "Pages of this origin may not ask that" },
  wrongHost: { status: 421, types: ["wrong-host"], title: "This server does not go by that name" },
  internal: { status: 500, types: ["internal"], title: "This should not have happened; it is our fault" }
} as const satisfies Readonly<Record<string, Kind>>

/** What the store says of itself is for its operator's log, and may name hosts and users. */
const ours: ReadonlySet<ErrorTag> = new Set(["StoreError", "FilesError", "PayloadUnreadable"])
export const isOurs = (error: ApiError): boolean => ours.has(error._tag)

const detailsOf = (error: ApiError): Details =>
  (details[error._tag] as ((error: ApiError) => Details) | undefined)?.(error) ?? {}

/** A problem of a kind that any request may have. */
export const generalProblem = ({ status, title, types: [type] }: Kind, detail?: string): Problem => ({
  status,
  type,
  title,
  ...(detail === undefined ? {} : { detail })
})

/** The problem as it is shown. */
export const problemOf = (error: ApiError): Problem => {
  const { retryAfterSeconds, ...more } = detailsOf(error)
  const problem = {
    ...generalProblem(kinds[error._tag]),
    ...more,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterMs: retryAfterSeconds * 1_000 })
  }
  return isOurs(error) ? problem : { ...problem, detail: error.message }
}

export const contentType = "application/problem+json"

export const problemResponse = (problem: Problem, headers: Record<string, string> = {}): Response =>
  Response.json(problem, { status: problem.status, headers: { ...headers, "content-type": contentType } })

/** The answer to an error that a route failed with. */
export const toResponse = (error: ApiError): Response => {
  const { retryAfterSeconds } = detailsOf(error)
  return problemResponse(
    problemOf(error),
    retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) }
  )
}
