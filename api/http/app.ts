/**
 * Every route, without a port: an app is asked with a request and gives a response. It can be mounted in another.
 */
import { Context, type Duration, Effect } from "effect"
import { Hono, type MiddlewareHandler } from "hono"
import { methodNotAllowed } from "hono/method-not-allowed"
import { requestId, type RequestIdVariables } from "hono/request-id"
import { getPath } from "hono/utils/url"
import { fileBytesMax } from "../../runtime/files.ts"
import { guarding } from "./auth.ts"
import { type AccessLog, accessLog } from "./access-log.ts"
import { againstForgery, againstRebinding, headed, sharing } from "./browser.ts"
import { conditional } from "./conditional.ts"
import { Drain } from "./drain.ts"
import { measured } from "./measure.ts"
import { serving } from "./mount.ts"
import { Pace, type PaceShape } from "./pace.ts"
import { general, generalProblem, problemResponse, toResponse } from "./problem.ts"
import { GoingAway } from "./refusals.ts"
import { agents } from "./routes/agents.ts"
import { audit } from "./routes/audit.ts"
import { batch } from "./routes/batch.ts"
import { caller } from "./routes/caller.ts"
import { dashboard } from "./routes/dashboard.ts"
import { dead } from "./routes/dead.ts"
import { documents } from "./routes/documents.ts"
import { events } from "./routes/events.ts"
import { files } from "./routes/files.ts"
import { type Check, health } from "./routes/health.ts"
import { lifecycle } from "./routes/lifecycle.ts"
import { metrics } from "./routes/metrics.ts"
import { keys } from "./routes/keys.ts"
import { nodes } from "./routes/nodes.ts"
import { query } from "./routes/query.ts"
import { queues } from "./routes/queues.ts"
import { schedules } from "./routes/schedules.ts"
import { socket } from "./routes/socket.ts"
import { stats } from "./routes/stats.ts"
import { tasks } from "./routes/tasks.ts"
import { tickets } from "./routes/tickets.ts"
import { workers } from "./routes/workers.ts"
import { routeTable } from "./route-table.ts"
import { type ApiServices, type Bindings, respondIn, type Variables } from "./run.ts"
import { EventStreams, heartbeatDefault, slowDefault } from "./sse.ts"
import { Sockets } from "./sockets.ts"

export interface AppOptions {
  /** How long a stream of events may be quiet. Default: 5 seconds. */
  readonly heartbeat?: Duration.Input
  /** How long a client may leave what was streamed to it unread before it is cut off. Default: a minute. */
  readonly slow?: Duration.Input
  /** How long the client of a web socket may give no sign of life before it is cut off. Default: 30 seconds. */
  readonly silent?: Duration.Input
  /** The largest upload. Default: 64 MiB. */
  readonly fileBytesMax?: number
  /** Begun by whoever takes the app down. */
  readonly drain?: Drain
  /**
   * Whether everybody is let in, as an admin, while there never was a key. Default: yes. Say no where others than this
   * machine can reach it.
   */
  readonly open?: boolean
  /** The origins whose pages may use it from a browser. Default: none. */
  readonly origins?: ReadonlyArray<string>
  /** Whether only this machine can reach it, so that another name than this machine's is no good sign. Default: no. */
  readonly local?: boolean
  /** How slowly a body may come, and a response may be taken. */
  readonly pace?: PaceShape
  /** Which requests have a line in the log. Default: none. */
  readonly accessLog?: AccessLog
  /** What else has to be well for this process to be ready, by name. */
  readonly checks?: Readonly<Record<string, Check>>
}

/**
 * HEAD is answered by what answers GET, with the length that its body would have had. Where that is not known beforehand it
 * is said to come in pieces, as it would: otherwise Bun says that it has no bytes.
 */
const withoutBody: MiddlewareHandler = async (c, next) => {
  await next()
  const { body, headers } = c.res
  if (c.req.method !== "HEAD" || body === null) return
  const isStream = headers.get("content-type")?.startsWith("text/event-stream") === true
  if (!isStream && !headers.has("content-length"))
    return headers.set("content-length", String((await c.res.arrayBuffer()).byteLength))
  await body.cancel()
  if (isStream) headers.set("transfer-encoding", "chunked")
}

/** Whoever submits to a process that goes away is sent elsewhere before anything is read. */
const unlessAway =
  (drain: Drain): MiddlewareHandler =>
  async (c, next) =>
    drain.closed ? toResponse(new GoingAway()) : next()

/**
 * The path of a request. Bun gives one that names no host, as a balancer's check in HTTP/1.0 does, or none that can be a name, its
 * path alone for an address; Hono would take the beginning of that for the host, and answer what stands behind it.
 */
const pathOf = (request: Request): string =>
  getPath(request.url.startsWith("/") ? new Request(`http://localhost${request.url}`) : request)

/** Hono puts the id on what its context answers; a problem is a response of its own. */
const withRequestId: MiddlewareHandler<{ Variables: RequestIdVariables }> = async (c, next) => {
  await next()
  c.res.headers.set("x-request-id", c.get("requestId"))
}

export const createApp = (context: Context.Context<ApiServices>, options: AppOptions = {}) => {
  const { checks = {}, drain = new Drain(), heartbeat = heartbeatDefault, origins = [] } = options
  const paced = options.pace === undefined ? context : Context.add(context, Pace, options.pace)
  const respond = respondIn(paced)
  const log = Effect.runForkWith(context)
  const app = new Hono<{ Bindings: Bindings; Variables: Variables }>({ getPath: pathOf })

  app.use(measured)
  app.use(requestId())
  app.use(withRequestId)
  app.use(accessLog(options.accessLog ?? "none", log))
  app.use(headed())
  for (const share of sharing(origins)) app.use(share)
  app.use(againstForgery(origins))
  app.use(withoutBody)
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => {
        const allow = methods.join(", ")
        const detail = `${c.req.method} is not one of ${allow}`
        return problemResponse(generalProblem(general.notAllowed, detail), { allow })
      }
    })
  )
  app.notFound((c) => problemResponse(generalProblem(general.notFound, c.req.path)))
  app.onError((error, c) => {
    log(Effect.logError(`${c.req.method} ${c.req.path} failed, request ${c.get("requestId")}`, error))
    return problemResponse(generalProblem(general.internal))
  })

  const guard = guarding(context, { open: options.open ?? true })
  const rightName = againstRebinding(origins)
  const serve = serving(app, respond, (row) => [
    ...(options.local === true ? [rightName(row)] : []),
    guard(row),
    ...(row.conditional === true ? [conditional] : []),
    ...(row.problems.includes("GoingAway") ? [unlessAway(drain)] : [])
  ])
  const { open = true, slow = slowDefault } = options
  const streams = new EventStreams(context, { drain, heartbeat, slow })
  const sockets = new Sockets(context, {
    drain,
    heartbeat,
    slow,
    open,
    ...(options.silent === undefined ? {} : { silent: options.silent })
  })
  batch(serve)
  tasks(serve, drain)
  query(serve)
  events(serve, streams)
  lifecycle(serve, streams)
  socket(serve, sockets, { open, origins, local: options.local === true })
  agents(serve, drain, streams)
  queues(serve)
  workers(serve)
  nodes(serve)
  dead(serve)
  schedules(serve)
  stats(serve)
  caller(serve)
  keys(serve)
  tickets(serve)
  audit(serve)
  files(serve, options.fileBytesMax ?? fileBytesMax)
  health(serve, drain, checks)
  documents(serve, () => routeTable)
  dashboard(serve)
  metrics(serve)
  return app
}
