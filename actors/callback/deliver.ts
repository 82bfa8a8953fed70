/**
 * Tells a URL of the end of a task: one POST, signed by the Standard Webhooks scheme, again and again until it is taken.
 *
 * The address is resolved and checked at each delivery, and a redirect is an answer like any other. Nothing of what the
 * receiver says is read but its status. A message may come more than once, under one `webhook-id`; one that is never taken
 * is a dead letter.
 */
import { Clock, Duration, Effect, Layer, Redacted, Schema } from "effect"
import { Settings } from "../../runtime/config.ts"
import { CurrentTask, defineTask, Fatal, RetryAfter } from "../../runtime/handler.ts"
import { Network, withNetworks } from "../../runtime/network/network.ts"
import { pinned } from "../../runtime/network/pinned.ts"
import { retryAfterMs } from "../../runtime/network/retry-after.ts"

export const deliverName = "webhook.deliver"
export const webhooksQueue = "webhooks"

/** How long a receiver may take to answer. */
const answerMax = Duration.seconds(15)

/** How many messages one host is told at once. */
const hostConcurrency = 4

/** No receiver puts a message off for longer, or has it told again sooner. */
const putOffMax = Duration.days(1)
const putOffMin = Duration.seconds(1)

/** For so long after a task's end a receiver may put its message off without using up an attempt: as long as all delays are. */
const patience = Duration.days(3)

/** The receiver could not be reached, or did not take the message. It is told again. */
export class CallbackFailed extends Schema.TaggedError<CallbackFailed>()("CallbackFailed", {
  host: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.host}: ${this.reason}`
  }
}

/** How long after a failure a message is told again: over some three days in all, as the scheme proposes. */
const delays: ReadonlyArray<Duration.Input> = [
  "5 seconds",
  "5 minutes",
  "30 minutes",
  "2 hours",
  "5 hours",
  "10 hours",
  "14 hours",
  "20 hours",
  "24 hours"
]

export const delayAfter = (failed: number): Duration.Input => delays[failed - 1] ?? delays.at(-1)!

/**
 * When a receiver that was asked at `now` wants to be asked again, in milliseconds from then; nothing where it says nothing of
 * that. Whoever asks for a second each time must not use up in ten seconds what is to last for days; nor may it ask for ever.
 */
export const putOff = (
  { headers, status }: Response,
  now: number,
  endedAt: number
): { readonly ms: number; readonly counted: boolean } | undefined => {
  if (status !== 429 && status !== 503) return undefined
  const said = retryAfterMs(headers.get("retry-after"), now, Duration.toMillis(putOffMax))
  return said === undefined
    ? undefined
    : {
        ms: Math.max(said, Duration.toMillis(putOffMin)),
        counted: now - endedAt >= Duration.toMillis(patience)
      }
}

export const Delivery = Schema.Struct({
  /** The same in every delivery of a message. */
  id: Schema.String,
  url: Schema.String,
  headers: Schema.Record(Schema.String, Schema.String),
  /** Whose secrets sign. */
  tenant: Schema.String,
  body: Schema.String
})
export type Delivery = typeof Delivery.Type

/** A key is at most 128 characters long. */
export const hostOf = (url: string): string => (URL.parse(url)?.host ?? "").slice(-128)

export const deliver = defineTask.effect({
  name: deliverName,
  queue: webhooksQueue,
  input: Delivery,
  output: Schema.Struct({ status: Schema.Int }),
  retry: { attempts: delays.length + 1, backoff: delayAfter },
  key: { of: ({ url }) => hostOf(url), concurrency: hostConcurrency, ordered: false },
  layer: Layer.unwrap(
    Settings.useSync((settings) =>
      Layer.merge(
        Layer.succeed(Settings, settings),
        Layer.effect(
          Network,
          Effect.map(Network, (network) => withNetworks(network, settings.webhookNetworks))
        )
      )
    )
  ),
  run: Effect.fn(deliverName)(function* ({ body, headers, id, tenant, url }) {
    const { webhookSecrets } = yield* Settings
    const to = new URL(url)
    const secrets = webhookSecrets === undefined ? undefined : Redacted.value(webhookSecrets)
    if (secrets?.has(tenant) !== true) {
      return yield* new CallbackFailed({
        host: to.host,
        reason: "TROUPE_WEBHOOK_SECRETS has no secret to sign with"
      })
    }
    const now = yield* Clock.currentTimeMillis
    const timestamp = Math.floor(now / 1_000)
    const { task, traceparent, tracestate } = yield* CurrentTask
    const response = yield* pinned(to, {
      method: "POST",
      headers: {
        ...(traceparent === undefined ? {} : { traceparent }),
        ...(tracestate === undefined ? {} : { tracestate }),
        "user-agent": "Troupe",
        ...inLowerCase(headers),
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": String(timestamp),
        "webhook-signature": secrets.sign(tenant, id, timestamp, body)
      },
      body
    }).pipe(
      Effect.tap((response) => Effect.ignoreCause(Effect.promise(async () => response.body?.cancel()))),
      Effect.scoped,
      Effect.catchTags({
        // Another address tomorrow is another receiver: nobody is to find out what is where by trying.
        // @effect-diagnostics-next-line globalErrorInEffectFailure:off
        AddressNotAllowed: ({ _tag, message }) => Effect.fail(new Fatal(message, { type: _tag })),
        // What went wrong may quote the whole URL, which may hold a token; its code does not.
        Unreachable: ({ code }) =>
          Effect.fail(
            new CallbackFailed({
              host: to.host,
              reason: `it cannot be reached, or broke off${code === undefined ? "" : ` (${code})`}`
            })
          )
      }),
      Effect.timeoutOrElse({
        duration: answerMax,
        orElse: () =>
          Effect.fail(
            new CallbackFailed({
              host: to.host,
              reason: `it did not answer within ${Duration.format(answerMax)}`
            })
          )
      })
    )
    const { ok, status } = response
    if (ok) return { status }
    const message = `${to.host}: it answered ${status}`
    if (status === 410) {
      // @effect-diagnostics-next-line globalErrorInEffectFailure:off
      return yield* Effect.fail(new Fatal(message, { type: "CallbackGone" }))
    }
    const later = putOff(response, now, task.submittedAt)
    return yield* later === undefined
      ? new CallbackFailed({ host: to.host, reason: `it answered ${status}` })
      : Effect.fail(new RetryAfter(later.ms, { message, counted: later.counted }))
  })
})

/** Two names that differ in their case alone would be sent as one, with both values. */
const inLowerCase = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
