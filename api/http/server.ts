/**
 * The API on a port, for as long as the scope is open.
 *
 * While there never was a key that says who may do what, it listens where only this machine can reach it, and refuses to
 * start elsewhere; where others can, nobody is let in without one, whatever becomes of the keys. When the scope closes it says that it is not ready, and serves as before for `Settings.grace`, so that
 * a balancer hears of it before anybody is refused; then it takes no new connections, ends its streams, lets requests finish within a limit, and cuts off
 * what is left.
 */
import { Context, Effect, Layer } from "effect"
import { Gate } from "../../actors/access/gate.ts"
import { Shutdown } from "../../actors/shutdown.ts"
import { Settings, SettingsError } from "../../runtime/config.ts"
import { type AppOptions, createApp } from "./app.ts"
import { isLoopback } from "./browser.ts"
import { Drain } from "./drain.ts"
import type { ApiServices, Bindings } from "./run.ts"
import { websocket } from "./socket-server.ts"

/** How long what was answered last may take to be sent when somebody is in a hurry. */
const lastWordMax = "250 millis"

/**
 * How long a connection may be silent, in seconds, when nobody says: longer than proxies keep one for the next request (nginx and
 * balancers of clouds a minute, Caddy two), so that they close it first. What they send while we close is lost. Bun takes no
 * more than 255.
 */
const idleSecondsDefault = 240

export class HttpServer extends Context.Service<
  HttpServer,
  {
    /** Where it listens, as `http://127.0.0.1:4000`. */
    readonly url: string
    readonly port: number
  }
>()("troupe/HttpServer") {}

const checkHost = Effect.fnUntraced(function* (host: string) {
  if (isLoopback(host)) return
  const gate = yield* Gate
  if (!(yield* gate.isOpen)) return
  return yield* new SettingsError({
    setting: "TROUPE_HOST",
    reason: `"${host}" can be reached from other machines, and there is no key that says who may: make one with \`troupe keys create --role admin\`, or use 127.0.0.1, ::1 or localhost`
  })
})

export const cannotListen = (host: string, port: number, cause: unknown, setting = "TROUPE_PORT") => {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause)
  const why =
    { EADDRINUSE: "somebody else listens there", EACCES: "this user may not listen there" }[code] ?? code
  return new SettingsError({
    setting,
    reason: `cannot listen on ${host} port ${port}: ${why}`
  })
}

/**
 * The last answer of its connection. A proxy keeps connections for other requests: one that came just when this server closes
 * would be lost, and a proxy that cannot know what became of it says 502.
 */
const lastAnswer = (response: Response): Response => {
  response.headers.set("connection", "close")
  return response
}

export interface ServerOptions extends Omit<AppOptions, "drain"> {
  /**
   * How long a connection may be silent where nobody said that it may take its time: whole seconds, and up to four more.
   * Default: 240.
   */
  readonly idleSeconds?: number
}

/** Listens at `Settings.host` and `Settings.port`; port 0 takes a free one. */
export const layerWith = ({ idleSeconds = idleSecondsDefault, ...options }: ServerOptions) =>
  Layer.effect(
    HttpServer,
    Effect.gen(function* () {
      const { accessLog, grace, host, origins, port } = yield* Settings
      const { during, hurried, run } = yield* Shutdown
      yield* checkHost(host)
      const drain = new Drain()
      const open = options.open ?? isLoopback(host)
      const app = createApp(yield* Effect.context<ApiServices>(), {
        accessLog,
        origins,
        local: isLoopback(host),
        ...options,
        open,
        drain
      })
      const listen = Effect.try({
        try: () =>
          Bun.serve({
            hostname: host,
            port,
            idleTimeout: idleSeconds,
            // Otherwise an error that nobody caught would be answered with a page about our source.
            development: false,
            // Outside of development Bun would share the port with whoever listens there already.
            reusePort: false,
            // Every route bounds what it reads, and says so; the server's own limit would be silent.
            maxRequestBodySize: Number.MAX_SAFE_INTEGER,
            websocket,
            fetch: (request, server) => {
              const answer = app.fetch(request, {
                untimed: (request: Request) => server.timeout(request, 0),
                timed: (request: Request) => server.timeout(request, idleSeconds),
                upgrade: (request, options) => server.upgrade(request, options)
              } satisfies Bindings)
              return drain.begun ? Promise.resolve(answer).then(lastAnswer) : answer
            }
          }),
        catch: (cause) => cannotListen(host, port, cause)
      })
      const server = yield* Effect.acquireRelease(listen, (server) => Effect.promise(() => server.stop(true)))
      const requests = () => ({ count: server.pendingRequests, of: "requests" })
      yield* during("stop admitting", {
        name: "API",
        run: Effect.andThen(
          Effect.sync(() => drain.begin()),
          Effect.sleep(grace)
        ),
        waitsFor: requests
      })
      yield* during("close the API", {
        name: "API",
        run: Effect.promise(() => {
          drain.close()
          return server.stop()
        }).pipe(Effect.raceFirst(Effect.andThen(hurried, Effect.sleep(lastWordMax)))),
        waitsFor: requests
      })
      yield* Effect.addFinalizer(() => run("its API is stopped"))
      const address = host.includes(":") ? `[${host}]` : host
      return HttpServer.of({ url: `http://${address}:${server.port}`, port: server.port! })
    })
  )

export const layer = layerWith({})

/** Where the server of a context listens. */
export const urlIn = (context: Context.Context<HttpServer>): string => Context.get(context, HttpServer).url
