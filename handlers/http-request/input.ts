/** What a task may ask for: the request, its bounds, and what counts as an answer. */
import { Schema } from "effect"
import { fileBytesMax } from "../../runtime/files.ts"

const urlCharactersMax = 8_192
const headersMax = 64

/** An answer with more bytes is refused, unless the task says otherwise; it may say up to `fileBytesMax`. */
export const bytesDefault = 10 * 1024 * 1024

/** A body with more bytes goes into a file, unless the task says otherwise. */
export const inlineDefault = 256 * 1024
const inlineMax = 1024 * 1024

export const timeoutDefaultMs = 60_000
export const answerDefaultMs = 30_000
export const timeoutMaxMs = 15 * 60_000

export const redirectsDefault = 5
export const idempotencyDefault = "Idempotency-Key"

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/u

/** They are made by whoever sends the request, or would change what is sent after it. */
const reserved = new Set([
  ...["host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer"],
  ...["expect", "proxy-authorization", "proxy-connection"]
])

/** What these say is a secret, and the input of a task is kept. */
const secretive = new Set(["authorization", "cookie", "x-api-key", "api-key", "x-auth-token"])

const headerFault = (name: string): string | undefined =>
  !token.test(name)
    ? `"${name}" is not the name of a header`
    : reserved.has(name.toLowerCase())
      ? `${name} is set by whoever sends the request`
      : undefined

const HeaderName = Schema.String.check(Schema.makeFilter((name) => headerFault(name) ?? true))

const HeaderText = Schema.String.check(
  Schema.isMaxLength(8_192),
  Schema.isPattern(/^[\t\x20-\x7e\x80-\xff]*$/u, { message: "must be one line of characters up to U+00FF" })
)

/** A variable of the worker's environment: `{secret: "GITHUB_TOKEN", prefix: "Bearer "}`. */
const SecretValue = Schema.Struct({
  secret: Schema.String.check(
    Schema.isPattern(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/u, { message: "must be the name of a variable" })
  ),
  prefix: Schema.optionalKey(HeaderText)
})

const Headers = Schema.Record(Schema.String, Schema.Union([HeaderText, SecretValue])).check(
  Schema.makeFilter((headers) => {
    const names = Object.keys(headers).map((name) => name.toLowerCase())
    if (names.length > headersMax) return `has more than ${headersMax} headers`
    const fault = names.map(headerFault).find((fault) => fault !== undefined)
    if (fault !== undefined) return fault
    const twice = names.find((name, at) => names.indexOf(name) !== at)
    if (twice !== undefined) return `has ${twice} twice`
    const open = Object.entries(headers).find(
      ([name, value]) => secretive.has(name.toLowerCase()) && typeof value === "string"
    )
    return (
      open === undefined ||
      `${open[0]} would be kept with the task; name a variable instead: {"secret": "NAME", "prefix": "Bearer "}`
    )
  })
)

const MediaType = Schema.String.check(
  Schema.isPattern(/^[\x20-\x7e]{1,255}$/u, { message: "must be a media type" })
)

/** Four characters are three bytes; without padding the last ones may be fewer, but one says less than a byte. */
const isBase64 = (text: string) => {
  const padding = /={0,2}$/.exec(text)![0].length
  return padding === 0 ? text.length % 4 !== 1 : text.length % 4 === 0
}

const kinds = ["json", "text", "form", "base64", "file"] as const

const Body = Schema.Struct({
  json: Schema.optionalKey(Schema.Unknown),
  text: Schema.optionalKey(Schema.String),
  form: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  base64: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^[A-Za-z0-9+/]*={0,2}$/u, { message: "must be base64" }),
      Schema.makeFilter((text) => isBase64(text) || "must be base64, which has no such length")
    )
  ),
  /** The id of an upload. */
  file: Schema.optionalKey(Schema.NonEmptyString),
  /** The media type of a text, of bytes or of a file. */
  type: Schema.optionalKey(MediaType)
}).check(
  Schema.makeFilter((body) => {
    const given = kinds.filter((kind) => Object.hasOwn(body, kind))
    if (given.length !== 1) return `give exactly one of ${kinds.join(", ")}`
    return (
      body.type === undefined || !["json", "form"].includes(given[0]!) || `${given[0]} has a type of its own`
    )
  })
)
export type Body = typeof Body.Type

const Ms = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: timeoutMaxMs }))

export const Request = Schema.Struct({
  url: Schema.String.check(
    Schema.isMaxLength(urlCharactersMax),
    Schema.isPattern(/^https?:\/\/[^/?#@\s]+([/?#]|$)/iu, {
      message: "must be an http or https URL without a user and password"
    })
  ),
  /** Default `GET`. */
  method: Schema.optionalKey(Schema.Literals(["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])),
  headers: Schema.optionalKey(Headers),
  body: Schema.optionalKey(Body),
  /** How long it may take until the answer begins, and until all of it was read. */
  answerTimeoutMs: Schema.optionalKey(Ms),
  timeoutMs: Schema.optionalKey(Ms),
  /** Of the answer, decompressed. */
  bytesMax: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: fileBytesMax }))),
  inlineMax: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: inlineMax }))),
  /** How many are followed; 0 makes a redirect an answer. */
  redirects: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10 }))),
  /** Statuses that are answers as well, beside 200 to 299. */
  accept: Schema.optionalKey(
    Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 300, maximum: 599 })))
  ),
  /** What is made of the body. Default `auto`: what its media type says. */
  as: Schema.optionalKey(Schema.Literals(["auto", "json", "text", "base64", "file"])),
  /** The header that carries the task's idempotency key with a POST or PATCH; `false` sends none, and tries once. */
  idempotencyHeader: Schema.optionalKey(Schema.Union([HeaderName, Schema.Literal(false)]))
}).check(
  Schema.makeFilter(
    ({ body, method = "GET" }) =>
      body === undefined || !["GET", "HEAD", "OPTIONS"].includes(method) || `a ${method} has no body`
  )
)
export type Request = typeof Request.Type
