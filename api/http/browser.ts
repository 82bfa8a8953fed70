/**
 * What stands between the API and the pages that a browser of somebody has open.
 *
 * A page of an origin on the list may use it. Any other page reads nothing, and cannot make the browser send what changes
 * something: not by a form, which a browser sends without asking, and not under a name that leads to this machine
 * although it belongs to the page. Programs that are no browsers say nothing of origins, and are not asked for any.
 */
import type { MiddlewareHandler } from "hono"
import { HTTPException } from "hono/http-exception"
import { cors } from "hono/cors"
import { csrf } from "hono/csrf"
import { secureHeaders } from "hono/secure-headers"
import ipaddr from "ipaddr.js"
import { takesTickets } from "./auth.ts"
import { general, generalProblem, problemResponse } from "./problem.ts"
import type { Row } from "./row.ts"

type Origins = ReadonlyArray<string>

/** What pages may send, and what they may see of an answer, beyond what every page may. */
const sent = [
  "authorization",
  "content-type",
  "idempotency-key",
  "if-none-match",
  "last-event-id",
  "traceparent",
  "x-request-id"
]
const seen = [
  "etag",
  "location",
  "ratelimit-limit",
  "ratelimit-remaining",
  "ratelimit-reset",
  "retry-after",
  "www-authenticate",
  "x-request-id",
  "x-vercel-ai-ui-message-stream"
]

/** How long a browser may remember what it was told, in seconds. */
const rememberSeconds = 600

/** Lets the pages of these origins read answers. Keys are sent in a header, so nothing that a browser sends by itself counts. */
export const sharing = (origins: Origins): ReadonlyArray<MiddlewareHandler> =>
  origins.length === 0
    ? []
    : [
        cors({
          origin: [...origins],
          allowMethods: ["GET", "HEAD", "POST", "PUT", "DELETE"],
          allowHeaders: sent,
          exposeHeaders: seen,
          maxAge: rememberSeconds
        })
      ]

const refused = (detail: string) => problemResponse(generalProblem(general.originRefused, detail))

/** Refuses what a page of a strange origin makes a browser send without asking. */
export const againstForgery = (origins: Origins): MiddlewareHandler => {
  const check = csrf({
    origin: (origin, c) => origins.includes(origin) || origin === URL.parse(c.req.url)?.origin
  })
  return async (c, next) => {
    const origin = c.req.header("origin")
    if (origin === undefined && c.req.header("sec-fetch-site") === undefined) return next()
    let passed = false
    try {
      await check(c, async () => {
        passed = true
      })
    } catch (error) {
      if (!(error instanceof HTTPException)) throw error
    }
    return passed ? next() : refused(`pages of ${origin ?? "another site"} may not send this`)
  }
}

/** Whether an address is this machine's own, whoever asks. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" ||
  host.endsWith(".localhost") ||
  (ipaddr.isValid(host) && ipaddr.process(host).range() === "loopback")

/** The name in a `Host` header, without its port. */
const nameIn = (host: string): string =>
  host
    .replace(/:\d+$/, "")
    .replace(/^\[(.*)\]$/, "$1")
    .toLowerCase()

/** Makes what says whether a request names this machine, or a server that pages on the list come from. */
export const ownHosts = (origins: Origins) => {
  const hosts = new Set(origins.map((origin) => new URL(origin).host))
  return (host: string | undefined): boolean =>
    host === undefined || isLoopback(nameIn(host)) || hosts.has(host)
}

export const wrongHost = (host: string | undefined) =>
  problemResponse(generalProblem(general.wrongHost, `this server is called localhost, not ${host}`))

/**
 * Refuses requests that reach a server of this machine under another name, as they do from a page whose name was made to
 * lead here. Whoever shows a key is no such page.
 */
export const againstRebinding = (origins: Origins) => {
  const isOwnHost = ownHosts(origins)
  return ({ needs, path }: Row): MiddlewareHandler =>
    async (c, next) => {
      const host = c.req.header("host")
      const isKnown =
        c.req.header("authorization") !== undefined ||
        (takesTickets(path) && c.req.query("ticket") !== undefined)
      return needs === "nothing" || isKnown || isOwnHost(host) ? next() : wrongHost(host)
    }
}

const nothingRuns = "default-src 'none'; frame-ancestors 'none'"

/** What browsers are to make of answers. One that has a policy of its own keeps it. */
export const headed = (): MiddlewareHandler => {
  const headers = secureHeaders({ xFrameOptions: "DENY", strictTransportSecurity: false })
  return async (c, next) => {
    await headers(c, next)
    if (!c.res.headers.has("content-security-policy")) {
      c.res.headers.set("content-security-policy", nothingRuns)
    }
  }
}
