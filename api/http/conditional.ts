/**
 * Says an answer only to who does not have it: what a route answers with 200 is named by its digest, and who sends that name
 * is told with 304 that it still holds.
 */
import type { MiddlewareHandler } from "hono"
import { etag, RETAINED_304_HEADERS } from "hono/etag"

/** A browser lays the headers of a 304 over those that it has kept: a page must go on under its own policy. */
const name = etag({ retainedHeaders: [...RETAINED_304_HEADERS, "content-security-policy"] })

/** Whoever keeps an answer asks again before it uses it. */
const askAgain = "private, no-cache"

export const conditional: MiddlewareHandler = async (c, next) => {
  await next()
  if (c.res.status !== 200) return
  if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", askAgain)
  await name(c, async () => {})
}
