/** Measures the requests of an app, by their routes: the pattern of an address, since addresses themselves are without end. */
import type { MiddlewareHandler } from "hono"
import { counter, level, perName, timer } from "../../runtime/telemetry/instruments.ts"
import type { Variables } from "./run.ts"

const inFlight = level("troupe_http_requests_in_flight")

const answered = perName((name: string) => {
  const [method = "", route = "", status = ""] = name.split(" ")
  return counter("troupe_http_requests_total", { method, route, status })
})

const took = perName((name: string) => {
  const [method = "", route = ""] = name.split(" ")
  return timer("troupe_http_request_seconds", { method, route })
})

/** The route of a request that no route answers. */
const none = "other"

/** Standard methods go by their names; what a stranger makes up does not make a metric. */
const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])

export const measured: MiddlewareHandler<{ Variables: Variables }> = async (c, next) => {
  const start = performance.now()
  inFlight(1)
  try {
    await next()
  } finally {
    inFlight(-1)
    const method = methods.has(c.req.method) ? c.req.method : none
    const route = (c.get("row") as Variables["row"] | undefined)?.path ?? none
    took(`${method} ${route}`)((performance.now() - start) / 1_000)
    answered(`${method} ${route} ${c.res.status}`)()
  }
}
