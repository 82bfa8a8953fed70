/** Asks servers that know the same, over connections of their own: one after the other until one answers, or most at once. */
import { Effect, Latch, Random } from "effect"
import type { Redis } from "ioredis"
import { type Listener, RedisUnusable, type ServerAddress } from "../address.ts"
import { briefly } from "../briefly.ts"

/** How long one of them may take to answer, in milliseconds. */
const answerMaxMs = 1_000

type Ask<A> = (client: Redis) => Promise<A>

const askThis = <A>(server: ServerAddress, ask: Ask<A>): Effect.Effect<A, RedisUnusable> =>
  briefly(server, ask, {
    connectionName: "troupe-asks",
    connectTimeout: answerMaxMs,
    // Sentinels and nodes that wait for others answer nothing else.
    enableReadyCheck: false
  }).pipe(
    Effect.timeoutOrElse({
      duration: answerMaxMs,
      orElse: () => Effect.fail(RedisUnusable.of(new Error("no answer"), server))
    })
  )

/**
 * What the first of them says that answers, and does not say `undefined`; they are asked in any order, one after the other.
 * Where none does: what was wrong with the last one that failed, or `undefined`.
 */
export const askOneOf = Effect.fn("Redis.askOneOf")(function* <A>(
  all: ReadonlyArray<Listener>,
  login: Omit<ServerAddress, "host" | "port">,
  ask: Ask<A | undefined>
): Effect.fn.Return<A | undefined, RedisUnusable> {
  let failure: RedisUnusable | undefined
  for (const { host, port } of yield* Random.shuffle(all)) {
    const answer = yield* Effect.result(askThis({ ...login, host, port }, ask))
    if (answer._tag === "Failure") failure = answer.failure
    else if (answer.success !== undefined) return answer.success
  }
  return failure === undefined ? undefined : yield* failure
})

/** What some have said, and what was wrong with the last of those that failed. */
export interface Sayings<A> {
  readonly answers: ReadonlyArray<A>
  readonly failure: RedisUnusable | undefined
}

/** How long the others are waited for once more than half of them have answered, in milliseconds. */
const othersMaxMs = 200

/** What they say, all asked at once: one that is silent holds nobody up where more than half of them answer. */
export const askMostOf = Effect.fn("Redis.askMostOf")(function* <A>(
  all: ReadonlyArray<Listener>,
  login: Omit<ServerAddress, "host" | "port">,
  ask: Ask<A>
): Effect.fn.Return<Sayings<A>> {
  const answers: Array<A> = []
  let failure: RedisUnusable | undefined
  const isEnough = Latch.makeUnsafe(false)
  const askOne = ({ host, port }: Listener) =>
    askThis({ ...login, host, port }, ask).pipe(
      Effect.match({
        onSuccess: (answer) => {
          answers.push(answer)
          if (2 * answers.length > all.length) isEnough.openUnsafe()
        },
        onFailure: (error) => {
          failure = error
        }
      })
    )
  yield* Effect.raceFirst(
    Effect.andThen(isEnough.await, Effect.sleep(othersMaxMs)),
    Effect.forEach(all, askOne, { concurrency: "unbounded", discard: true })
  )
  return { answers, failure }
})
