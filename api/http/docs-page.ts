/**
 * An OpenAPI document as a page that a browser can show without any other server.
 *
 * The viewer is Swagger UI as Effect brings it along. All of it stands in the page, so the page's policy names what may run by
 * its digest, and nothing else runs.
 */
import { createHash } from "node:crypto"
import { HttpRouter } from "effect/http"
import { HttpApi, HttpApiSwagger, OpenApi } from "effect/http-api"

export interface DocsPage {
  readonly html: string
  /** Its content security policy. */
  readonly policy: string
}

const digestsOf = (html: string, tag: "script" | "style"): string =>
  [...html.matchAll(new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`, "g"))]
    .map(([, text = ""]) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`)
    .join(" ")

/** What the page may do: run itself, and ask this server. */
const policyOf = (html: string): string =>
  [
    "default-src 'none'",
    `script-src ${digestsOf(html, "script")}`,
    `style-src ${digestsOf(html, "style")}`,
    "img-src data:",
    "font-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ].join("; ")

export const docsOf = async (document: object): Promise<DocsPage> => {
  const api = HttpApi.make("troupe").annotate(OpenApi.Transform, () => ({ ...document }))
  const { dispose, handler } = HttpRouter.toWebHandler(HttpApiSwagger.layer(api, { path: "/docs" }), {
    disableLogger: true
  })
  try {
    const html = await (await handler(new Request("http://localhost/docs"))).text()
    return { html, policy: policyOf(html) }
  } finally {
    await dispose()
  }
}
