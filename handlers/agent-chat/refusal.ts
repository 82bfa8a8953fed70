/**
 * What becomes of a question that has no answer: it is asked again, or is answered by why there is none. A message that failed,
 * or took too long too often, would stop the whole conversation.
 */
import { Duration, Effect } from "effect"
import { Fatal } from "../../runtime/handler.ts"
import { ProviderUnavailable } from "../model/failure.ts"

/** How long a message may take in one run. */
export const runMax = Duration.minutes(5)

/** So much earlier it is given up here, where that can still be said. */
const answerMax = Duration.subtract(runMax, Duration.seconds(15))

/** A provider that is away in so late a run of a question is away for this question. */
export const unavailableRunsMax = 4

export interface Refused {
  readonly refused: { readonly type: string; readonly message: string }
}

/** An answer, or why there is none. What may pass fails, until it has failed too often. */
export const orRefused = <A, E, R>(
  asking: Effect.Effect<A, E, R>,
  { attempt, model }: { readonly attempt: number; readonly model: string }
): Effect.Effect<A | Refused, Exclude<E, Fatal> | ProviderUnavailable, R> =>
  asking.pipe(
    Effect.timeoutOrElse({
      duration: answerMax,
      orElse: () =>
        Effect.fail(
          new ProviderUnavailable({
            model,
            reason: `it had not answered after ${Duration.format(answerMax)}`
          })
        )
    }),
    Effect.catchIf(
      (error): error is Extract<E, Fatal> | ProviderUnavailable =>
        error instanceof Fatal || (error instanceof ProviderUnavailable && attempt >= unavailableRunsMax),
      ({ message, name }) => Effect.succeed<Refused>({ refused: { type: name, message } })
    )
  ) as Effect.Effect<A | Refused, Exclude<E, Fatal> | ProviderUnavailable, R>
