/**
 * Sends an HTTP request that cannot be turned against this machine's network, and keeps the answer.
 *
 * What may pass is tried again: no connection, 408, 425, 429 and 5xx, when the server says so with `Retry-After`; any
 * other answer outside of 200 to 299 ends the task. Safe to repeat as far as HTTP says so: a POST or PATCH carries the
 * task's idempotency key, the same in every run; with `idempotencyHeader: false` it is sent once, and not again when nobody
 * knows what became of it.
 */
import { Clock, Duration, Effect, Layer, Redacted, Schema, Stream } from "effect"
import { Files } from "../../runtime/files.ts"
import { CurrentTask, defineTask, Fatal, RetryAfter } from "../../runtime/handler.ts"
import { isSafeToRepeat } from "../../runtime/network/pinned.ts"
import { retryAfterMs } from "../../runtime/network/retry-after.ts"
import { exactly } from "../input/exactly.ts"
import { type Answer, bodyOf, exchange, FetchFailed, readUrl } from "../network/exchange.ts"
import { mayPass } from "../network/fetch.ts"
import { guardedNetwork } from "../network/guard.ts"
import type { Hop } from "../network/redirect.ts"
import { beginTry, type Try } from "../outcome/tries.ts"
import { refuse } from "../refusal/refuse.ts"
import { Secrets } from "../secrets/secrets.ts"
import { type Withheld, type Withholding, withholding } from "../secrets/withhold.ts"
import {
  answerDefaultMs,
  type Body,
  bytesDefault,
  idempotencyDefault,
  inlineDefault,
  redirectsDefault,
  Request,
  timeoutDefaultMs,
  timeoutMaxMs
} from "./input.ts"
import { headersOf, readReply, Reply } from "./reply.ts"

/** How many requests go to one host at once. */
const hostConcurrency = 8

/** No server puts a request off for longer. */
const putOffMaxMs = Duration.toMillis("1 day")

/** Of all secrets of a request: no server takes longer headers, and all of them are looked for in its answer. */
const secretCharactersMax = 8_192

/** How much of an answer that is none an error tells. */
const saidCharactersMax = 300

/** The server answered with a status that may pass. Worth another try later. */
export class StatusUnusable extends Schema.TaggedError<StatusUnusable>()("StatusUnusable", {
  url: Schema.String,
  status: Schema.Int
}) {
  override get message() {
    return `${this.url}: the server answered ${this.status}`
  }
}

/** `http.request`: sends a guarded request, with secrets by their names. */
export const httpRequest = defineTask.effect({
  name: "http.request",
  queue: "http",
  input: exactly(Request),
  output: Reply,
  timeout: Duration.millis(timeoutMaxMs + 30_000),
  retry: { attempts: 5, backoff: { base: "1 second", cap: "1 minute" } },
  key: {
    of: ({ url }) => (URL.parse(url)?.host ?? "").slice(-128),
    concurrency: hostConcurrency,
    ordered: false
  },
  layer: Layer.mergeAll(Files.layer, Secrets.layer, guardedNetwork),

  run: Effect.fn("http.request")(function* (request) {
    const { idempotencyHeader = idempotencyDefault, method = "GET", timeoutMs = timeoutDefaultMs } = request
    const url = yield* readUrl(request.url)
    const body = request.body === undefined ? undefined : yield* bodyBytes(request.body)
    const secrets = yield* secretsOf(request, url)
    const withheld = withholding(secrets)
    const once =
      idempotencyHeader === false && !isSafeToRepeat(method)
        ? yield* beginTry(`${method} ${url.host}`)
        : undefined
    return yield* send(request, url, body, secrets).pipe(
      Effect.flatMap((answer) => settle(request, answer, withheld, once)),
      Effect.scoped,
      Effect.timeoutOrElse({
        duration: timeoutMs,
        orElse: () =>
          Effect.fail(new FetchFailed({ url: url.href, reason: `not read within ${timeoutMs} ms` }))
      }),
      Effect.catchTag("BodyTooLarge", ({ bytesMax }) =>
        refuse("BodyTooLarge", `${url.href} has more than ${bytesMax} bytes`)
      ),
      Effect.tapError((error) => (once !== undefined && isUnsent(error) ? once.harmless : Effect.void)),
      Effect.mapError((error) => withoutSecrets(error, withheld))
    )
  })
})

const isUnsent = (error: unknown): boolean => error instanceof FetchFailed && error.unsent === true

/** What the request failed with, as it may be kept: a server says where it leads, and may say its secrets with it. */
const withoutSecrets = <E>(error: E, { text }: Withholding) => {
  if (error instanceof FetchFailed) {
    const { reason, unsent, url } = error
    return new FetchFailed({
      url: text(url),
      reason: text(reason),
      ...(unsent === undefined ? {} : { unsent })
    })
  }
  if (error instanceof StatusUnusable) {
    return new StatusUnusable({ url: text(error.url), status: error.status })
  }
  if (error instanceof RetryAfter) return new RetryAfter(error.afterMs, { message: text(error.message) })
  if (error instanceof Fatal) {
    return new Fatal(text(error.message), { type: error.name, cause: error.cause })
  }
  return error
}

// ---------------------------------------------------------------------------------------------------------
// What is sent
// ---------------------------------------------------------------------------------------------------------

interface Sent {
  readonly bytes: string | Uint8Array<ArrayBuffer>
  readonly type: string
}

const bodyBytes = Effect.fnUntraced(function* ({ base64, file: id, form, json, text, type }: Body) {
  if (form !== undefined) {
    const type = "application/x-www-form-urlencoded"
    return { bytes: new URLSearchParams(form).toString(), type } satisfies Sent
  }
  if (text !== undefined) return { bytes: text, type: type ?? "text/plain; charset=utf-8" } satisfies Sent
  if (base64 !== undefined) {
    const bytes = new Uint8Array(Buffer.from(base64, "base64"))
    return { bytes, type: type ?? "application/octet-stream" } satisfies Sent
  }
  if (id === undefined) return { bytes: JSON.stringify(json), type: "application/json" } satisfies Sent
  const files = yield* Files
  const file = Effect.all([files.info(id), files.read(id)])
  const [info, bytes] = yield* Effect.catchTag(file, "FileNotFound", ({ message }) =>
    refuse("FileNotFound", message)
  )
  return { bytes: new Uint8Array(bytes), type: type ?? info.type } satisfies Sent
})

/** The values that its headers name, for the host it goes to. */
const secretsOf = Effect.fnUntraced(function* ({ headers = {} }: Request, url: URL) {
  const { task } = yield* CurrentTask
  const { find } = yield* Secrets
  const named = Object.values(headers).flatMap((value) => (typeof value === "string" ? [] : [value.secret]))
  const secrets = yield* Effect.forEach([...new Set(named)], (name) =>
    Effect.map(find(name, task.tenant, url.hostname), (value): Withheld => ({
      name,
      value: Redacted.value(value)
    }))
  )
  const characters = secrets.reduce((sum, { value }) => sum + value.length, 0)
  return characters <= secretCharactersMax
    ? secrets
    : yield* refuse(
        "SecretRefused",
        `the secrets have ${characters} characters, and at most ${secretCharactersMax} are sent`
      )
})

const send = Effect.fnUntraced(function* (
  request: Request,
  url: URL,
  body: Sent | undefined,
  secrets: ReadonlyArray<Withheld>
) {
  const { idempotencyKey, traceparent, tracestate } = yield* CurrentTask
  const {
    answerTimeoutMs = answerDefaultMs,
    idempotencyHeader = idempotencyDefault,
    method = "GET"
  } = request
  const headers = (hop: Hop) => {
    const own = Object.entries(request.headers ?? {}).flatMap(
      ([name, value]): ReadonlyArray<[string, string]> => {
        if (typeof value === "string") return [[name.toLowerCase(), value]]
        // A secret is for the host that its rule names, and a redirect may lead anywhere.
        const secret = hop.own ? secrets.find((one) => one.name === value.secret) : undefined
        return secret === undefined ? [] : [[name.toLowerCase(), (value.prefix ?? "") + secret.value]]
      }
    )
    const keyed = idempotencyHeader !== false && !isSafeToRepeat(hop.method)
    return Effect.succeed<Record<string, string>>({
      accept: "*/*",
      "user-agent": "Troupe",
      ...(traceparent === undefined || !hop.own ? {} : { traceparent }),
      ...(tracestate === undefined || !hop.own ? {} : { tracestate }),
      ...(hop.body && body !== undefined ? { "content-type": body.type } : {}),
      ...(keyed ? { [idempotencyHeader.toLowerCase()]: idempotencyKey } : {}),
      ...Object.fromEntries(own)
    })
  }
  return yield* exchange(url, {
    method,
    headers,
    redirectsMax: request.redirects ?? redirectsDefault,
    ...(body === undefined ? {} : { body: body.bytes })
  }).pipe(
    Effect.timeoutOrElse({
      duration: answerTimeoutMs,
      orElse: () =>
        Effect.fail(new FetchFailed({ url: url.href, reason: `no answer within ${answerTimeoutMs} ms` }))
    })
  )
})

// ---------------------------------------------------------------------------------------------------------
// What is made of the answer
// ---------------------------------------------------------------------------------------------------------

const settle = Effect.fnUntraced(function* (
  request: Request,
  answer: Answer,
  withheld: Withholding,
  once: Try | undefined
) {
  const { accept = [], as = "auto", bytesMax = bytesDefault, inlineMax = inlineDefault, redirects } = request
  const { response, url } = answer
  const { headers, ok, status } = response
  const body = withheld.bytes(bodyOf(answer, bytesMax))
  const isAnswer = ok || accept.includes(status) || (redirects === 0 && status >= 300 && status < 400)
  if (isAnswer) {
    const files = yield* Files
    const type = withheld.text(headers.get("content-type") ?? "")
    return {
      status,
      url: withheld.text(url.href),
      redirects: answer.redirects.map(({ href }) => withheld.text(href)),
      headers: headersOf(headers, withheld.text),
      ...(yield* readReply(body, files, { as, type, inlineMax, bytesMax }))
    }
  }
  // 429 and 503 say that nothing was done, and 4xx that nothing will be.
  if (once !== undefined && (status < 500 || status === 503)) yield* once.harmless
  const putOff = status === 429 || status === 503 ? headers.get("retry-after") : null
  const afterMs = retryAfterMs(putOff, yield* Clock.currentTimeMillis, putOffMaxMs)
  const message = `${url.href}: the server answered ${status}`
  if (afterMs !== undefined) return yield* Effect.fail(new RetryAfter(afterMs, { message }))
  if (mayPass(status)) return yield* new StatusUnusable({ url: url.href, status })
  const said = yield* readSaid(answer, withheld)
  return yield* refuse("UrlRefused", said === "" ? message : `${message}: ${said}`)
})

/** The beginning of what the server says of why not. */
const readSaid = (answer: Answer, withheld: Withholding) =>
  Effect.suspend(() => {
    let said = ""
    return bodyOf(answer, Number.MAX_SAFE_INTEGER).pipe(
      withheld.bytes,
      Stream.decodeText(),
      Stream.takeUntil((piece) => (said += piece).length > 4 * saidCharactersMax),
      Stream.runDrain,
      Effect.ignore,
      Effect.map(() => said.replace(/\s+/g, " ").trim().slice(0, saidCharactersMax))
    )
  })
