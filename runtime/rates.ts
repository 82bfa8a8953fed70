/**
 * How a key's rate is kept to, on Effect's `RateLimiter` as a bucket that fills evenly: a limiter over a store's one
 * operation, and its answers in our words.
 */
import { Duration, Effect } from "effect"
import { RateLimiter } from "effect/persistence"
import type { Allowance, Rate } from "./access.ts"
import { StoreError } from "./store.ts"

/** Takes tokens from the bucket of a name: how many are left, and the milliseconds since it last grew. */
export type TakeTokens = (
  name: string,
  options: {
    readonly tokens: number
    readonly limit: number
    readonly refillMs: number
    readonly over: boolean
  }
) => Effect.Effect<readonly [left: number, elapsedMs: number], StoreError>

const unused = Effect.die(new Error("only buckets are used"))

/** A limiter's store that keeps its buckets where `take` does. */
export const storeOf = (take: TakeTokens): RateLimiter.RateLimiterStore["Service"] =>
  RateLimiter.RateLimiterStore.of({
    tokenBucket: ({ allowOverflow, key, limit, refillRate, tokens }) =>
      Effect.mapError(
        take(key, { tokens, limit, refillMs: Duration.toMillis(refillRate), over: allowOverflow }),
        (cause) =>
          new RateLimiter.RateLimiterError({
            reason: new RateLimiter.RateLimitStoreError({ message: cause.message, cause })
          })
      ),
    fixedWindow: () => unused,
    adaptiveConsume: () => unused,
    adaptiveFeedback: () => unused
  })

const failed = (cause: unknown) => new StoreError({ operation: "Access.spend", cause })

/** Makes what uses one of a key's requests. Give it a limiter's store. */
export const makeSpend = Effect.map(
  RateLimiter.make,
  (limiter) =>
    (id: string, { count, perMs }: Rate): Effect.Effect<Allowance, StoreError> =>
      limiter
        .consume({
          algorithm: "token-bucket",
          onExceeded: "fail",
          key: id,
          limit: count,
          window: Duration.millis(perMs)
        })
        .pipe(
          Effect.map(({ remaining, resetAfter }) => ({
            allowed: true,
            remaining: Math.floor(remaining),
            retryAfterMs: 0,
            resetAfterMs: Math.ceil(Duration.toMillis(resetAfter))
          })),
          Effect.catch(({ reason }) =>
            reason._tag === "RateLimitExceeded"
              ? Effect.succeed({
                  allowed: false,
                  remaining: 0,
                  retryAfterMs: Math.max(1, Math.ceil(Duration.toMillis(reason.retryAfter))),
                  resetAfterMs: perMs
                })
              : Effect.fail(failed(reason.cause))
          )
        )
)
