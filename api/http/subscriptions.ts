/** What one web socket follows: so many streams at most, each sent for as long as it lasts, and each ended by itself. */
import { Cause, Effect, Fiber, Latch, Pull, Stream } from "effect"
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
  #isOver = false

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
      const tenant = yield* Tenant
      if (this.#isOver) return
      const before = this.#fibers.get(name)
      if (before === undefined && this.size >= subscriptionsMax) {
        const message = `a socket follows ${subscriptionsMax} tasks at most; unsubscribe from one, or open another socket`
        return yield* new BodyRefused({ faults: [{ path: "/task", message }] })
      }
      const first = Latch.makeUnsafe(false)
      let failed: Effect.Effect<never, E> | undefined
      let isAnswered = false
      const sending = Effect.scoped(
        Effect.gen(function* () {
          // What it takes the place of says nothing any more.
          if (before !== undefined) yield* Fiber.await(before)
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
        Effect.catchCause((cause: Cause.Cause<E>) => {
          if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
          failed = Effect.failCause(cause)
          return isAnswered ? Effect.logWarning("a subscription broke off", cause) : Effect.void
        })
      )
      // In one go with the look at what is there: of two that come at once, the second takes the place of the first.
      before?.interruptUnsafe()
      const fiber: Fiber.Fiber<void> = run(Effect.provideService(sending, Tenant, tenant))
      this.#fibers.set(name, fiber)
      followers(1)
      fiber.addObserver(() => {
        followers(-1)
        if (this.#fibers.get(name) === fiber) this.#fibers.delete(name)
        first.openUnsafe()
        // The client subscribes anew, and is then told what is wrong.
        if (isAnswered && failed !== undefined) brokeOff()
      })
      yield* first.await
      if (isAnswered) return
      // One that was ended, or lost its place, before it had begun is answered all the same.
      yield* failed ?? begun()
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

  /** Lets go of all of them, for whoever ends them. No other begins. */
  clear(): ReadonlyArray<Fiber.Fiber<void>> {
    this.#isOver = true
    const fibers = [...this.#fibers.values()]
    this.#fibers.clear()
    return fibers
  }
}
