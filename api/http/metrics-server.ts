/**
 * Metrics of a process without an API, on a port of its own if the settings name one: `/metrics`, and `/healthz` for who
 * looks whether the process lives. There is nothing else to be asked there.
 *
 * A process of a node has none, since the node's API tells of it.
 */
import { Effect, Layer } from "effect"
import { Settings } from "../../runtime/config.ts"
import { exposition, expositionType } from "../../runtime/telemetry/exposition.ts"
import { ofProcess } from "../../runtime/telemetry/gathered.ts"
import { ownSeries } from "../../runtime/telemetry/process.ts"
import { cannotListen } from "./server.ts"

const answer = (process: string, request: Request): Response => {
  if (request.method !== "GET" && request.method !== "HEAD")
    return new Response(null, { status: 405, headers: { allow: "GET, HEAD" } })
  // Of a request that names no host, as a check in HTTP/1.0, it is a path.
  switch (URL.parse(request.url, "http://localhost")?.pathname ?? "") {
    case "/metrics":
      return new Response(exposition(ofProcess(process, ownSeries())), {
        headers: { "content-type": expositionType }
      })
    case "/healthz":
      return Response.json({ status: "alive" })
    default:
      return new Response(null, { status: 404 })
  }
}

/** Listens for as long as the scope is open; `process` is what this one is called in its series. */
export const layer = (process: string) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { host, metricsPort: port } = yield* Settings
      if (port === undefined || globalThis.process.send !== undefined) return
      const listen = Effect.try({
        try: () =>
          Bun.serve({
            hostname: host,
            port,
            development: false,
            reusePort: false,
            maxRequestBodySize: 0,
            fetch: (request) => answer(process, request)
          }),
        catch: (cause) => cannotListen(host, port, cause, "TROUPE_METRICS_PORT")
      })
      const server = yield* Effect.acquireRelease(listen, (server) => Effect.promise(() => server.stop(true)))
      yield* Effect.logInfo(`the metrics are at ${server.url.origin}/metrics`)
    })
  )
