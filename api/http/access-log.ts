/**
 * One line for each request that was answered: its route, not its address, and nothing that it said, so that no key, ticket
 * or payload comes into a log.
 */
import { Effect } from "effect"
import type { MiddlewareHandler } from "hono"
import type { Variables } from "./run.ts"

/** Which requests have a line: all, those that failed by our fault, or none. */
export type AccessLog = "all" | "errors" | "none"

type Log = (effect: Effect.Effect<void>) => unknown

/** Calls back with how many bytes were sent when there are no more, or nobody takes them. */
const counted = (body: ReadableStream<Uint8Array>, done: (bytes: number) => void) => {
  const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader()
  let bytes = 0
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { done: over, value } = await reader.read()
        if (over) {
          controller.close()
          return done(bytes)
        }
        bytes += value.byteLength
        controller.enqueue(value)
      },
      cancel: async (reason) => {
        done(bytes)
        await reader.cancel(reason)
      }
    },
    { highWaterMark: 0 }
  )
}

export const accessLog =
  (which: AccessLog, log: Log): MiddlewareHandler<{ Variables: Variables }> =>
  async (c, next) => {
    if (which === "none") return next()
    const start = performance.now()
    await next()
    const { status } = c.res
    if (which === "errors" && status < 500) return
    const row = c.get("row") as Variables["row"] | undefined
    const caller = c.get("caller") as Variables["caller"] | undefined
    const said = {
      method: c.req.method,
      route: row?.path ?? "none",
      status,
      request: c.get("requestId"),
      ...(caller === undefined ? {} : { tenant: caller.tenant }),
      ...(caller?.key === undefined ? {} : { key: caller.key })
    }
    const write = (bytes: number) => {
      const ms = Math.round((performance.now() - start) * 10) / 10
      log(Effect.annotateLogs(Effect.logInfo("request"), { ...said, ms, bytes }))
    }
    const { body } = c.res
    if (body === null || c.req.method === "HEAD") return write(0)
    const length = c.res.headers.get("content-length")
    if (length !== null) return write(Number(length))
    if (c.res.headers.get("content-type")?.startsWith("text/event-stream") === true) {
      c.res = new Response(counted(body, write), c.res)
      return
    }
    const bytes = await c.res.arrayBuffer()
    c.res = new Response(bytes, c.res)
    write(bytes.byteLength)
  }
