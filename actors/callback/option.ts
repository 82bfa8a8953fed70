/** Where the end of a task is told, as its submitter says it: what may be said is decided here, over plain values. */
import { Schema } from "effect"
import type { Callback } from "../../runtime/record.ts"

/** What becomes of a task at its end, as a callback names it. */
export const callbackEvents = ["task.completed", "task.failed", "task.cancelled", "task.expired"] as const
export type CallbackEvent = (typeof callbackEvents)[number]

const urlMax = 2_048
const headersMax = 16
const headerMax = 1_024

const isUrl = (text: string): boolean => {
  const url = URL.parse(text)
  return (
    url !== null &&
    (url.protocol === "https:" || url.protocol === "http:") &&
    // It would be kept with the task for everybody to read.
    url.username === "" &&
    url.password === ""
  )
}

const Url = Schema.String.check(
  Schema.isMaxLength(urlMax),
  Schema.makeFilter((text) => isUrl(text) || "not an http or https URL without a user name and a password")
)

/** Those that the connection, the scheme or the body say. */
const ours =
  /^(?:host|connection|content-.*|transfer-encoding|te|trailer|upgrade|expect|keep-alive|proxy-.*|webhook-.*)$/i

const HeaderName = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, {
    message: "not a header's name of at most 64 characters"
  }),
  Schema.makeFilter((name) => !ours.test(name) || "a header that is said by the request itself")
)
const HeaderValue = Schema.String.check(
  Schema.isMaxLength(headerMax),
  Schema.isPattern(/^[\x20-\x7e]*$/, { message: "not printable ASCII" })
)

/** Headers have one name, in whatever case it is written. */
const isSaidTwice = (names: ReadonlyArray<string>): boolean =>
  new Set(names.map((name) => name.toLowerCase())).size < names.length

const Detailed = Schema.Struct({
  url: Url,
  /** Which ends are told. Default: all. */
  events: Schema.optionalKey(
    Schema.Array(Schema.Literals(callbackEvents)).check(Schema.isMinLength(1), Schema.isMaxLength(4))
  ),
  /** Sent along, as `authorization`. */
  headers: Schema.optionalKey(
    Schema.Record(HeaderName, HeaderValue).check(
      Schema.isMaxProperties(headersMax),
      Schema.makeFilter((headers) => !isSaidTwice(Object.keys(headers)) || "says a header twice")
    )
  )
})

/** A URL alone, or with what is said of it. */
export const CallbackJson = Schema.Union([Url, Detailed])
export type CallbackJson = typeof CallbackJson.Type

export const callbackOf = (said: CallbackJson): Callback => (typeof said === "string" ? { url: said } : said)
