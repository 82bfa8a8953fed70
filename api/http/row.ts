/**
 * What is known of a route before anybody asks it: the one description that mounting, checking of parameters, scopes, the
 * OpenAPI document and the tests read.
 */
import type { Schema } from "effect"
import type { Scope } from "../../runtime/roles.ts"
import type { ErrorTag } from "./problem.ts"

export type { ErrorTag } from "./problem.ts"

/** Fields that are said in an address, by their names. What is no text in them is read from one. */
export type Parameters = Schema.Struct<Readonly<Record<string, Schema.Codec<unknown, unknown>>>>

/** The parts of a path, or headers: each with an example that fits. */
export type Parts = Readonly<Record<string, { readonly schema: Schema.Top; readonly example: string }>>

/** What a route takes as its body. */
export interface Taken {
  readonly schema: Schema.Top
  /** Default: JSON. */
  readonly types?: ReadonlyArray<string>
  /** Whether a request may have none. */
  readonly optional?: true
  /** One that is good as it is. */
  readonly example?: unknown
  /** Its items are checked one by one, and each fault is answered in its place. */
  readonly each?: true
}

/** What a route answers with one status. */
export interface Answered {
  readonly description: string
  /** Absent where there is no body. */
  readonly schema?: Schema.Top
  /** Default: JSON. */
  readonly type?: string
  readonly headers?: ReadonlyArray<AnswerHeader>
}

export type AnswerHeader = "location" | "retry-after" | "etag"

export interface Row<Tag extends ErrorTag = ErrorTag, Query extends Parameters = Parameters> {
  /** Unique, for programs: the operation's id in the OpenAPI document. */
  readonly name: string
  readonly method: "GET" | "POST" | "PUT" | "DELETE"
  /** As Hono writes it: `/v1/tasks/:id`. */
  readonly path: `/${string}`
  readonly group: string
  readonly summary: string
  /** What a key must be allowed to do; `nothing` where no key is asked for. */
  readonly needs: Scope | "nothing"
  /** Whose things it shows and changes: the caller's own, or everybody's. */
  readonly reach: "tenant" | "cluster"
  /** It tells how things are: whoever was let in lately is let in while the store is away, too. */
  readonly outlastsStore?: true
  readonly parts?: Parts
  readonly query?: Query
  readonly headers?: Parts
  readonly body?: Taken
  /** Whether an answer that has not changed since is said with 304: it then has an ETag. */
  readonly conditional?: true
  readonly answers: Readonly<Partial<Record<200 | 201 | 202 | 204 | 304, Answered>>>
  /** Every error it may fail with, beyond those that any route may: what is not here does not compile. */
  readonly problems: ReadonlyArray<Tag>
}

/** Declares a row, and keeps which problems it names. */
export const row = <const Tag extends ErrorTag, Query extends Parameters = Parameters>(
  row: Row<Tag, Query>
): Row<Tag, Query> => row

/**
 * Whether what is said after the `?` is read: also where a row says nothing of it, so that nobody takes what is not read for
 * heard. Probes and pages may say there what they like.
 */
export const readsQuery = ({ path, query }: Row): boolean => query !== undefined || path.startsWith("/v1/")

/** What reading that may come to, and what an answer may say of it: no row names these. */
export const ofQuery = ["QueryRefused", "ParameterInvalid"] as const

/** What reading a JSON body may come to. */
export const ofBody = [
  "BodyMalformed",
  "BodyRefused",
  "BodyTooLarge",
  "BodyTooSlow",
  "MediaTypeRefused"
] as const

/** What storing a task may come to. */
export const ofSubmit = [
  "UnknownHandler",
  "SubmitRefused",
  "IdempotencyConflict",
  "TaskGone",
  "QueueFull",
  "AgentQuarantined",
  "AgentBusy",
  "NoWorker",
  "StoreError",
  "StoreFull",
  "GoingAway"
] as const
