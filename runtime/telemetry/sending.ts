/**
 * How what was recorded is sent to a collector: within a time, so many at once, and with a word in the log while nobody takes it.
 *
 * Effect's exporter waits for an answer for as long as there is none, and begins one more request for each thousand spans
 * meanwhile: a collector that takes connections and says nothing took all of a process's memory. After a request that has failed
 * it drops what it has, and records nothing for a minute, without saying so.
 */
import { Duration, Effect, Layer } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import type { Environment } from "../config.ts"
import { describe } from "../fault.ts"
import { Complaints } from "./complaints.ts"

/** How many requests may wait for their answers. A collector that is well has answered long before there are as many. */
const sendsMax = 16

/** As the standard has it, where nobody says otherwise. */
const timeoutDefault = Duration.seconds(10)

/** How long a request may take: `OTEL_EXPORTER_OTLP_TRACES_TIMEOUT` or `OTEL_EXPORTER_OTLP_TIMEOUT`, in milliseconds. */
const timeoutIn = (environment: Environment): Duration.Duration => {
  const said = environment["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"] ?? environment["OTEL_EXPORTER_OTLP_TIMEOUT"]
  const ms = Number(said)
  return ms > 0 && Number.isFinite(ms) ? Duration.millis(ms) : timeoutDefault
}

const make = (timeout: Duration.Duration) =>
  Effect.gen(function* () {
    const refused = (yield* Complaints).about(
      "traces are not taken, and dropped for up to a minute",
      "traces are taken again"
    )
    let underWay = 0

    /** A defect is not tried again, as one more try would take as long. */
    const givenUp = (why: string) => Effect.andThen(refused.wrong(why), Effect.die(new Error(why)))

    return HttpClient.transform(yield* HttpClient.HttpClient, (sending, { url }) =>
      Effect.suspend(() => {
        if (underWay >= sendsMax) return givenUp(`${underWay} requests wait for an answer of ${url}`)
        underWay += 1
        return sending.pipe(
          // The exporter reads it as well: it is kept. A body may be as long in coming as its head.
          Effect.tap((response) => Effect.ignore(response.arrayBuffer)),
          Effect.timeoutOrElse({
            duration: timeout,
            orElse: () => givenUp(`${url} does not answer within ${Duration.format(timeout)}`)
          }),
          Effect.tap(({ status }) =>
            status < 300
              ? (refused.well() ?? Effect.void)
              : refused.wrong(`${url} answers with the status ${status}`)
          ),
          Effect.tapError((error) => refused.wrong(describe(error).message)),
          Effect.ensuring(
            Effect.sync(() => {
              underWay -= 1
            })
          )
        )
      })
    )
  })

export const layer = (environment: Environment): Layer.Layer<HttpClient.HttpClient> =>
  Layer.effect(HttpClient.HttpClient, make(timeoutIn(environment))).pipe(Layer.provide(FetchHttpClient.layer))
