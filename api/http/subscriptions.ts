/** What one web socket follows: so many streams at most, each sent for as long as it lasts, and each ended by itself. */
import { Cause, Effect, Exit, Fiber, Latch, Pull, Stream } from "effect"
import { level } from "../../runtime/telemetry/instruments.ts"
import { Tenant } from "../../runtime/tenant.ts"
import type { ApiError } from "./problem.ts"
import { BodyRefused } from "./refusals.ts"
import type { ApiServices } from "./run.ts"

/** How many tasks one socket follows at once. */
export const subscriptionsMax = 256

const followers = level("troupe_followers")

export interface SubscriptionsOptions {
  readonly run: ReturnType<typeof Effect.runForkWith<ApiServices>>
  /** Sends a text to who follows. */
  readonly say: (text: string) => Effect.Effect<void>
  /** Told when a stream that had begun did not come to its end. */
  readonly brokeOff: () => void
}

export class Subscriptions {
  readonly #options: SubscriptionsOptions
  readonly #fibers = new Map<string, Fiber.Fiber<void>>()

  constructor(options: SubscriptionsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#fibers.size
  }

  /**
   * Sends a stream for as long as it lasts. The first of it is waited for, so that what is wrong with it is the answer. A
   * second subscription to the same takes the place of the first.
   */
  begin<A, E extends ApiError>(
    name: string,
    stream: Stream.Stream<A, E, ApiServices>,
    toText: (event: A) => string,
    begun: () => Effect.Effect<void>
  ): Effect.Effect<void, E | BodyRefused, ApiServices> {
    return Effect.gen({ self: this }, function* () {
      const { brokeOff, run, say } = this.#options
      yield* this.end(name)
      if (this.size >= subscriptionsMax) {
        const message = `a socket follows ${subscriptionsMax} tasks at most; unsubscribe from one, or open another socket`
        return yield* new BodyRefused({ faults: [{ path: "/task", message }] })
      }
      const first = Latch.makeUnsafe(false)
      let failed: Effect.Effect<never, E> | undefined
      let isAnswered = false
      const sending = Effect.scoped(
        Effect.gen(function* () {
          const pull = yield* Stream.toPull(stream)
          while (true) {
            const events = yield* Pull.catchDone(pull, () => Effect.undefined)
            if (!isAnswered) {
              isAnswered = true
              yield* begun()
              first.openUnsafe()
            }
            if (events === undefined) return
            for (const event of events) yield* say(toText(event))
          }
        })
      ).pipe(
        Effect.catch((error: E) => {
          failed = Effect.fail(error)
          return isAnswered ? Effect.logWarning("a subscription broke off", error) : Effect.void
        }),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            if (this.#fibers.get(name) === fiber) this.#fibers.delete(name)
            first.openUnsafe()
            // The client subscribes anew, and is then told what is wrong.
            if (
              isAnswered &&
              (Exit.isFailure(exit) ? !Cause.hasInterruptsOnly(exit.cause) : failed !== undefined)
            )
              brokeOff()
          })
        )
      )
      // In a turn of its own, so that it is known here before it can end.
      const fiber: Fiber.Fiber<void> = run(
        Effect.andThen(Effect.yieldNow, Effect.provideService(sending, Tenant, yield* Tenant))
      )
      this.#fibers.set(name, fiber)
      followers(1)
      fiber.addObserver(() => followers(-1))
      yield* first.await
      if (failed !== undefined && !isAnswered) return yield* failed
    })
  }

  /** Ends one of them, if it is there. */
  end(name: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const fiber = this.#fibers.get(name)
      this.#fibers.delete(name)
      return fiber === undefined ? Effect.void : Fiber.interrupt(fiber)
    })
  }

  /** Lets go of all of them, for whoever ends them. */
  clear(): ReadonlyArray<Fiber.Fiber<void>> {
    const fibers = [...this.#fibers.values()]
    this.#fibers.clear()
    return fibers
  }
}
