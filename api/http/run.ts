/**
 * Runs a route's effect. A known error becomes its problem; a defect rejects, and the app's `onError` answers 500.
 * When the client goes away the effect is interrupted.
 */
import { Cause, Context, Effect, Exit } from "effect"
import type { Context as HonoContext } from "hono"
import type { RequestIdVariables } from "hono/request-id"
import type { Dispatcher } from "../../actors/dispatch/dispatcher.ts"
import type { Follow } from "../../actors/follow/follow.ts"
import type { Lifecycle } from "../../actors/follow/lifecycle.ts"
import type { AgentOperator } from "../../actors/operate/agents.ts"
import type { Figures } from "../../actors/operate/figures.ts"
import type { Operator } from "../../actors/operate/operator.ts"
import type { ScheduleOperator } from "../../actors/schedule/operator.ts"
import type { Gate } from "../../actors/access/gate.ts"
import type { KeyOperator } from "../../actors/access/keys.ts"
import type { Access } from "../../runtime/access.ts"
import type { Files } from "../../runtime/files.ts"
import type { Operations } from "../../runtime/operations.ts"
import type { Handlers } from "../../runtime/registry.ts"
import type { Store } from "../../runtime/store.ts"
import { Tenant } from "../../runtime/tenant.ts"
import { type Caller, callerOf } from "./caller.ts"
import { Tracing } from "../../runtime/telemetry/tracing.ts"
import { followingIn } from "./traced.ts"
import { Silence, type SilenceShape } from "./pace.ts"
import { type ApiError, isOurs, toResponse } from "./problem.ts"
import type { Row } from "./row.ts"
import type { Upgraded } from "./wire.ts"

/** What routes ask for. */
export type ApiServices =
  | Dispatcher
  | Follow
  | Lifecycle
  | Operator
  | AgentOperator
  | Operations
  | Files
  | Handlers
  | Store
  | ScheduleOperator
  | Access
  | Gate
  | KeyOperator
  | Figures

/** What the server beneath the app can do for a request. A test, which has no server, gives none. */
export interface Bindings {
  /** Lets a request take as long as it takes, where the server would cut one that is silent. */
  readonly untimed?: (request: Request) => void
  /** Lets its connection be silent no longer than others again. */
  readonly timed?: (request: Request) => void
  /** Makes a web socket of a request, and tells `data` of it. Bun's server has it under this name. */
  readonly upgrade?: (request: Request, options: { readonly data: Upgraded }) => boolean
}

/** What is known of a request on its way. */
export interface Variables extends RequestIdVariables {
  readonly row: Row
  /** Where the app is mounted: empty, or what its addresses begin with. */
  readonly base: string
  readonly caller: Caller
}

export type ApiContext = HonoContext<{ Bindings: Bindings; Variables: Variables }>

export type Respond = (
  c: ApiContext,
  effect: Effect.Effect<Response, ApiError, ApiServices>
) => Promise<Response>

/** Nobody is there to read it; the number is what proxies log when the client has closed the connection. */
const clientGone = () => new Response(null, { status: 499 })

export const respondIn = (context: Context.Context<ApiServices>): Respond => {
  const runExit = Effect.runPromiseExitWith(context)
  const tracing = Context.get(context, Tracing)
  return async (c, effect) => {
    const exit = await runExit(
      followingIn(requestOf(c), tracing, Effect.provideService(effect, Tenant, callerOf(c).tenant)).pipe(
        Effect.catch((error) => Effect.as(log(error), toResponse(error))),
        Effect.provideService(Silence, silenceOf(c))
      ),
      { signal: c.req.raw.signal }
    )
    if (Exit.isSuccess(exit)) return exit.value
    if (Cause.hasInterruptsOnly(exit.cause)) return clientGone()
    throw Cause.squash(exit.cause)
  }
}

const silenceOf = (c: ApiContext): SilenceShape => ({
  allow: () => c.env?.untimed?.(c.req.raw),
  forbid: () => c.env?.timed?.(c.req.raw)
})

const requestOf = (c: ApiContext) => ({
  method: c.req.method,
  route: (c.get("row") as Row | undefined)?.path ?? "other",
  requestId: c.get("requestId"),
  header: (name: string) => c.req.header(name)
})

/** What is our own trouble is told to the operator; what a caller did wrong is told to the caller. */
const log = (error: ApiError) => (isOurs(error) ? Effect.logWarning(error.message) : Effect.void)
