/**
 * Who stands before every route: it asks for a key, or a ticket where a browser can send no header, and lets in who may do
 * what the route's row says.
 *
 * What is refused is told apart by status: 401 for nobody, 403 for somebody who may not, 429 for somebody who goes too
 * fast. What another tenant has is not refused: it is not there. What changes what is everybody's is noted.
 */
import { type Context, Effect, Exit, Cause } from "effect"
import type { Context as HonoContext, MiddlewareHandler } from "hono"
import { mayUse, rolesFor } from "../../runtime/roles.ts"
import { tenantDefault } from "../../runtime/tenant.ts"
import { type Entrant, Gate, type Purpose, type Shown, type TooFast } from "../../actors/access/gate.ts"
import { isNoted, note } from "./audit.ts"
import type { Caller } from "./caller.ts"
import { contentType, toResponse } from "./problem.ts"
import { NotAllowed } from "./refusals.ts"
import type { Row } from "./row.ts"
import type { ApiContext, ApiServices, Bindings, Variables } from "./run.ts"

/** What a browser follows, and so may show a ticket for. */
const purposes: Readonly<Record<string, (c: HonoContext) => Purpose>> = {
  "/v1/tasks/:id/events": (c) => ({ for: "task", task: c.req.param("id") ?? "" }),
  "/v1/events": () => ({ for: "events" }),
  "/v1/ws": () => ({ for: "socket" })
}

/** Whether a ticket may be shown on a path. */
export const takesTickets = (path: string): boolean => path in purposes

/** The text of a key, however the word before it is written. */
const bearerIn = (header: string | undefined): string | undefined =>
  header === undefined ? undefined : (/^bearer +(\S+)$/i.exec(header.trim())?.[1] ?? "")

/** What a request shows. A key counts before a ticket. */
export const shownIn = (c: HonoContext, path: string): Shown => {
  const bearer = bearerIn(c.req.header("authorization"))
  if (bearer !== undefined) return { bearer }
  const ticket = c.req.query("ticket")
  const purpose = purposes[path]?.(c)
  return ticket === undefined || purpose === undefined ? undefined : { ticket, purpose }
}

/** Why somebody who was let in may not do what a row is, or nothing. */
export const refusalOf = ({ role, tenant }: Caller, { needs, reach }: Row): NotAllowed | undefined => {
  if (needs === "nothing") return undefined
  if (!mayUse(role, needs)) return new NotAllowed({ needs, roles: rolesFor(needs) })
  return reach === "cluster" && tenant !== tenantDefault
    ? new NotAllowed({ needs, roles: [], tenant: tenantDefault })
    : undefined
}

/** What is only counted is not done. */
const isDry = (c: ApiContext, { query }: Row): boolean =>
  query?.fields["dryRun"] !== undefined && /^(1|true)$/.test(c.req.query("dryRun") ?? "")

/** The type of the problem that a response is. */
const outcomeOf = async (response: Response): Promise<string> => {
  if (response.status < 400) return "done"
  if (response.headers.get("content-type") !== contentType) return String(response.status)
  const { type } = (await response.clone().json()) as { readonly type?: string }
  return type ?? String(response.status)
}

const wwwAuthenticate = (more = "") => `Bearer realm="troupe"${more}`

const unauthorized = (response: Response, isShown: boolean) => {
  response.headers.set("www-authenticate", wwwAuthenticate(isShown ? ', error="invalid_token"' : ""))
  return response
}

const forbidden = (refusal: NotAllowed) => {
  const response = toResponse(refusal)
  response.headers.set(
    "www-authenticate",
    wwwAuthenticate(`, error="insufficient_scope", scope="${refusal.needs}"`)
  )
  return response
}

/** What is left of a key's rate; `ratelimit-reset` is in seconds. */
const limited = (
  { headers }: Response,
  left: { readonly limit: number; readonly remaining: number; readonly resetAfterMs: number }
) => {
  headers.set("ratelimit-limit", String(left.limit))
  headers.set("ratelimit-remaining", String(left.remaining))
  headers.set("ratelimit-reset", String(Math.ceil(left.resetAfterMs / 1_000)))
}

export interface GuardOptions {
  /** Whether everybody is let in while there never was a key. */
  readonly open: boolean
}

/** Makes what stands before a route, of its row. */
export const guarding = (context: Context.Context<ApiServices>, { open }: GuardOptions) => {
  const runExit = Effect.runPromiseExitWith(context)
  const fork = Effect.runForkWith(context)

  const letIn = async (c: ApiContext, shown: Shown, { outlastsStore }: Row) => {
    const recalling = outlastsStore === true
    const entering = Gate.use((gate) =>
      Effect.flatMap(gate.admit(shown, { open, recalling }), (entrant) =>
        gate.spend(entrant).pipe(
          (spending) =>
            recalling ? Effect.catchTag(spending, "StoreError", () => Effect.undefined) : spending,
          Effect.map((allowance) => ({ entrant, allowance })),
          Effect.catchTag("TooFast", (error) => Effect.succeed(tooFast(error, entrant)))
        )
      )
    )
    const exit = await runExit(
      Effect.match(entering, { onFailure: (error) => toResponseOf(error, shown), onSuccess: (ok) => ok }),
      { signal: c.req.raw.signal }
    )
    if (Exit.isSuccess(exit)) return exit.value
    throw Cause.squash(exit.cause)
  }

  return (row: Row): MiddlewareHandler<{ Bindings: Bindings; Variables: Variables }> =>
    async (c, next) => {
      if (row.needs === "nothing") return next()
      const entered = await letIn(c, shownIn(c, row.path), row)
      if (entered instanceof Response) return entered
      const { allowance, entrant } = entered
      c.set("caller", entrant)
      const refusal = refusalOf(entrant, row)
      if (refusal === undefined) await next()
      const response = refusal === undefined ? c.res : forbidden(refusal)
      if (isNoted(row, entrant.role) && !isDry(c, row)) {
        const outcome = await outcomeOf(response)
        fork(note(entrant, { what: row.name, on: c.req.path, outcome, request: c.get("requestId") }))
      }
      if (allowance !== undefined) limited(response, allowance)
      return refusal === undefined ? undefined : response
    }
}

/** The answer to somebody who was not let in. */
const toResponseOf = (error: Parameters<typeof toResponse>[0], shown: Shown): Response => {
  const response = toResponse(error)
  return error._tag === "NotLetIn" ? unauthorized(response, shown !== undefined) : response
}

/** The answer to somebody who goes too fast: one request is there again first, and each further one as long after it. */
const tooFast = (error: TooFast, { rate }: Entrant): Response => {
  const response = toResponse(error)
  const { limit, retryAfterMs } = error
  const othersMs = ((rate?.perMs ?? 0) * (limit - 1)) / limit
  limited(response, { limit, remaining: 0, resetAfterMs: retryAfterMs + othersMs })
  return response
}
