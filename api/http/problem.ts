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
  NoWorker,
  SubmitRefused,
  TaskEnded,
  TaskGone
} from "../../actors/dispatch/dispatcher.ts"
import type { AgentNotFound, UnknownAgent } from "../../actors/operate/agents.ts"
import type { QueryRefused } from "../../actors/operate/fields.ts"
import type { PositionInvalid } from "../../actors/follow/follow.ts"
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
import type { Fault } from "../../runtime/handler.ts"
import type { KeyNotFound, KeyOver, KeysFull } from "../../actors/access/keys.ts"
import type { NotLetIn, TooFast } from "../../actors/access/gate.ts"
import type { UnknownHandler } from "../../runtime/registry.ts"
import type { AgentBusy, AgentQuarantined, QueueFull, StoreError, StoreFull } from "../../runtime/store.ts"
import type { TaskError } from "../../runtime/task.ts"
import type { InvalidTaskId, TaskFailed } from "../client/errors.ts"
import type * as Refusals from "./refusals.ts"

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: ContentfulStatusCode
  readonly detail?: string
  readonly errors?: ReadonlyArray<Fault>
  /** With what a task failed, when that is the problem. */
  readonly error?: Omit<TaskError, "stack">
}

interface Answer extends Omit<Problem, "detail"> {
  readonly retryAfterSeconds?: number
}

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
  | StoreError
  | StoreFull
  | TaskNotFound
  | TaskGone
  | TaskEnded
  | TaskFailed
  | InvalidTaskId
  | PositionInvalid
  | QueryRefused
  | NotRetryable
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

const answers: { readonly [E in ApiError as E["_tag"]]: (error: E) => Answer } = {
  UnknownHandler: () => ({ status: 404, type: "unknown-handler", title: "No handler has this name" }),
  SubmitRefused: ({ faults }) => ({
    status: 422,
    type: "task-refused",
    title: "The task does not fit",
    errors: faults
  }),
  UnknownAgent: () => ({ status: 404, type: "unknown-agent", title: "No agent has this name" }),
  AgentNotFound: () => ({ status: 404, type: "agent-not-found", title: "There is nothing of such an agent" }),
  AgentBusy: () => ({
    status: 409,
    type: "agent-busy",
    title: "The agent handles a message, and takes one at a time"
  }),
  AgentQuarantined: () => ({
    status: 409,
    type: "agent-quarantined",
    title: "The agent takes no messages until it is resumed"
  }),
  IdempotencyConflict: () => ({
    status: 409,
    type: "idempotency-conflict",
    title: "The idempotency key was used before, for another input"
  }),
  NoWorker: () => ({
    status: 503,
    type: "no-worker",
    title: "No live worker can run the task",
    retryAfterSeconds: 5
  }),
  QueueFull: ({ retryAfterMs = 1_000 }) => ({
    status: 429,
    type: "queue-full",
    title: "The queue takes no more tasks now",
    retryAfterSeconds: Math.ceil(retryAfterMs / 1_000)
  }),
  StoreError: () => ({
    status: 503,
    type: "store-unavailable",
    title: "The store did not answer; what was asked may have happened",
    retryAfterSeconds: 5
  }),
  StoreFull: () => ({
    status: 503,
    type: "store-full",
    title: "The store has no memory left for new tasks",
    retryAfterSeconds: 30
  }),
  TaskNotFound: () => ({ status: 404, type: "task-not-found", title: "There is no such task" }),
  TaskGone: () => ({ status: 410, type: "gone", title: "The task is no longer kept" }),
  TaskEnded: () => ({ status: 409, type: "task-ended", title: "The task had ended already" }),
  // The request was in order and the task was not: neither a fault of this request, nor one of the server.
  TaskFailed: ({ error: { message, type }, state }) => ({
    status: 424,
    type: `task-${state}`,
    title: "The task ended without a result",
    error: { type, message }
  }),
  InvalidTaskId: () => ({ status: 400, type: "invalid-id", title: "This is no task id" }),
  PositionInvalid: () => ({
    status: 400,
    type: "invalid-position",
    title: "This is no place in a stream of events"
  }),
  QueryRefused: ({ faults }) => ({
    status: 400,
    type: "invalid-parameter",
    title: "A parameter cannot be what it is",
    errors: faults.map(({ message, path }) => ({ path: path.slice(1), message }))
  }),
  NotRetryable: () => ({ status: 409, type: "not-retryable", title: "Only a failed task can be retried" }),
  WorkerNotFound: () => ({ status: 404, type: "worker-not-found", title: "There is no such worker" }),
  NodeNotFound: () => ({ status: 404, type: "node-not-found", title: "There is no such node" }),
  ScheduleRefused: ({ faults }) => ({
    status: 422,
    type: "schedule-refused",
    title: "The schedule does not fit",
    errors: faults
  }),
  ScheduleNotFound: () => ({ status: 404, type: "schedule-not-found", title: "There is no such schedule" }),
  ScheduleExists: () => ({ status: 409, type: "schedule-exists", title: "Another schedule has this id" }),
  ScheduleBusy: () => ({
    status: 409,
    type: "schedule-busy",
    title: "The schedule runs already, and lets no other run begin"
  }),
  SchedulesFull: () => ({ status: 409, type: "schedules-full", title: "There are too many schedules" }),
  FileNotFound: () => ({ status: 404, type: "file-not-found", title: "There is no such file" }),
  FileTooLarge: () => ({ status: 413, type: "file-too-large", title: "The file is too large" }),
  UploadBroken: () => ({ status: 400, type: "upload-broken", title: "The upload broke off before its end" }),
  FilesError: () => ({
    status: 503,
    type: "files-unavailable",
    title: "The file store did not take or give the bytes",
    retryAfterSeconds: 5
  }),
  NotLetIn: () => ({ status: 401, type: "unauthorized", title: "Show a key that counts" }),
  NotAllowed: () => ({ status: 403, type: "forbidden", title: "This key may not do that" }),
  TooFast: ({ retryAfterMs }) => ({
    status: 429,
    type: "too-fast",
    title: "This key makes more requests than it may",
    retryAfterSeconds: Math.ceil(retryAfterMs / 1_000)
  }),
  KeyNotFound: () => ({ status: 404, type: "key-not-found", title: "There is no such key" }),
  KeyOver: () => ({ status: 409, type: "key-over", title: "The key does not count any more" }),
  KeysFull: () => ({ status: 409, type: "keys-full", title: "There are too many keys" }),
  BodyMalformed: () => ({ status: 400, type: "malformed-body", title: "The body cannot be read" }),
  BodyRefused: ({ faults }) => ({
    status: 422,
    type: "body-refused",
    title: "The body is not what is asked for here",
    errors: faults
  }),
  BodyTooLarge: () => ({ status: 413, type: "body-too-large", title: "The body is too large" }),
  BodyTooSlow: () => ({ status: 408, type: "body-too-slow", title: "The body came too slowly" }),
  MediaTypeRefused: () => ({
    status: 415,
    type: "unsupported-media-type",
    title: "The body is of another kind"
  }),
  ParameterInvalid: ({ parameter, reason }) => ({
    status: 400,
    type: "invalid-parameter",
    title: "A parameter cannot be what it is",
    errors: [{ path: parameter, message: reason }]
  }),
  InputNotKept: () => ({ status: 410, type: "input-not-kept", title: "The input is no longer kept" }),
  NotReady: ({ faults }) => ({
    status: 503,
    type: "not-ready",
    title: "This process is not ready for requests",
    errors: faults,
    retryAfterSeconds: 1
  }),
  GoingAway: () => ({
    status: 503,
    type: "going-away",
    title: "This process takes no new tasks any more",
    retryAfterSeconds: 1
  })
}

/** What the store says of itself is for its operator's log, and may name hosts and users. */
const isOurs = (error: ApiError) => error._tag === "StoreError" || error._tag === "FilesError"

const answer = (error: ApiError) => (answers[error._tag] as (error: ApiError) => Answer)(error)

/** The problem as it is shown. */
export const problemOf = (error: ApiError): Problem => {
  const { retryAfterSeconds: _, ...problem } = answer(error)
  return isOurs(error) ? problem : { ...problem, detail: error.message }
}

export const contentType = "application/problem+json"

export const problemResponse = (problem: Problem, headers: Record<string, string> = {}): Response =>
  Response.json(problem, { status: problem.status, headers: { ...headers, "content-type": contentType } })

/** The answer to an error that a route failed with. */
export const toResponse = (error: ApiError): Response => {
  const { retryAfterSeconds } = answer(error)
  return problemResponse(
    problemOf(error),
    retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) }
  )
}
