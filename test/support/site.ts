/** A web site of this machine, for crawls: its pages are given as what they answer, and it notes who asked when. */
import { Effect } from "effect"

export interface Asked {
  readonly path: string
  /** In milliseconds, and when its answer was ready. */
  readonly at: number
  readonly until: number
  readonly userAgent: string
}

type Answer = string | Response | ((request: Request) => Response | Promise<Response>)

export type Pages = Readonly<Record<string, Answer>> | ((path: string) => Answer | undefined)

/** A page with links. */
export const page = (text: string, links: ReadonlyArray<string> = [], head = ""): string =>
  `<!doctype html><html><head><title>${text}</title>${head}</head><body><p>${text}</p>${links
    .map((link) => `<a href="${link}">link</a>`)
    .join(" ")}</body></html>`

const html = (body: string) => new Response(body, { headers: { "content-type": "text/html; charset=utf-8" } })

export const startSite = (pages: Pages) => {
  const asked: Array<Asked> = []
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch: async (request) => {
      const { pathname, search } = new URL(request.url)
      const path = pathname + search
      const at = performance.now()
      const found = typeof pages === "function" ? pages(path) : pages[path]
      const answer =
        found === undefined
          ? new Response("not here", { status: 404 })
          : typeof found === "string"
            ? html(found)
            : typeof found === "function"
              ? await found(request)
              : found.clone()
      asked.push({ path, at, until: performance.now(), userAgent: request.headers.get("user-agent") ?? "" })
      return answer
    }
  })
  return {
    origin: `http://127.0.0.1:${server.port}`,
    asked,
    /** The pages that were asked for, robots.txt and sitemaps aside, in their order. */
    paths: () => asked.map(({ path }) => path).filter((path) => !/^\/(robots\.txt|sitemap)/.test(path)),
    stop: () => server.stop(true)
  }
}

/** The same for the length of a test. */
export const aSite = (pages: Pages) =>
  Effect.acquireRelease(
    Effect.sync(() => startSite(pages)),
    ({ stop }) => Effect.promise(stop)
  )
