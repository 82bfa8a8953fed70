/** What a web socket follows, without a socket: what is said is gathered. */
import { describe, expect } from "bun:test"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { BodyRefused, GoingAway } from "../../../api/http/refusals.ts"
import type { ApiServices } from "../../../api/http/run.ts"
import { Subscriptions, subscriptionsMax } from "../../../api/http/subscriptions.ts"
import { promise } from "../../support/api.ts"

const aFollower = Effect.gen(function* () {
  const said: Array<string> = []
  const broken = yield* Deferred.make<void>()
  const subscriptions = new Subscriptions({
    run: Effect.runForkWith(yield* Effect.context<ApiServices>()),
    say: (text) => Effect.sync(() => void said.push(text)),
    brokeOff: () => Deferred.doneUnsafe(broken, Effect.void)
  })
  yield* Effect.addFinalizer(() => Fiber.interruptAll(subscriptions.clear()))
  /** Follows a stream; `begun` is said when it is. */
  const follow = (name: string, stream: Stream.Stream<string, GoingAway>) =>
    subscriptions.begin(
      name,
      stream,
      (text) => text,
      () => Effect.sync(() => void said.push("begun"))
    )
  return { subscriptions, said, broken, follow }
})

const endless = Stream.concat(Stream.make("first"), Stream.never)
const wrong = Stream.fail(new GoingAway())

describe("the subscriptions of a socket", () => {
  promise("are so many at most, until one of them ends or another takes its place", () =>
    Effect.gen(function* () {
      const { follow, subscriptions } = yield* aFollower
      for (let n = 0; n < subscriptionsMax; n++) yield* follow(`${n}`, endless)

      expect(yield* Effect.flip(follow("more", endless))).toBeInstanceOf(BodyRefused)
      yield* follow("0", endless)
      expect(subscriptions.size).toBe(subscriptionsMax)
      yield* subscriptions.end("0")
      yield* follow("more", endless)
      expect(subscriptions.size).toBe(subscriptionsMax)
    })
  )

  promise("are refused with what is wrong with them", () =>
    Effect.gen(function* () {
      const { broken, follow, said, subscriptions } = yield* aFollower

      expect(yield* Effect.flip(follow("a", wrong))).toBeInstanceOf(GoingAway)

      expect(said).toEqual([])
      expect(subscriptions.size).toBe(0)
      expect(yield* Deferred.isDone(broken)).toBe(false)
    })
  )

  promise("are said to break off when something goes wrong once they have begun", () =>
    Effect.gen(function* () {
      const { broken, follow, said, subscriptions } = yield* aFollower

      yield* follow("a", Stream.concat(Stream.make("first"), wrong))
      yield* Deferred.await(broken)

      expect(said).toEqual(["begun", "first"])
      expect(subscriptions.size).toBe(0)
    })
  )

  promise("to the same, said at once, leave one of them, and all are answered", () =>
    Effect.gen(function* () {
      const { follow, said, subscriptions } = yield* aFollower
      let running = 0
      const counted = Stream.unwrap(
        Effect.acquireRelease(
          Effect.sync(() => {
            running += 1
            return endless
          }),
          // It takes a while to end, as one in another process does.
          () =>
            Effect.andThen(
              Effect.sleep("5 millis"),
              Effect.sync(() => void (running -= 1))
            )
        )
      )
      yield* follow("a", counted)

      yield* Effect.all([follow("a", counted), follow("a", counted), follow("a", counted)], {
        concurrency: "unbounded"
      })

      yield* Effect.sleep(1).pipe(Effect.repeat({ until: () => said.at(-1) === "first" }))
      expect(running).toBe(1)
      expect(subscriptions.size).toBe(1)
      expect(said.filter((text) => text === "begun")).toHaveLength(4)
      yield* Fiber.interruptAll(subscriptions.clear())
      expect(running).toBe(0)
    })
  )

  promise("that end before they have begun are answered, and a fault of ours is one", () =>
    Effect.gen(function* () {
      const { follow, said, subscriptions } = yield* aFollower
      const slow = yield* Effect.forkChild(follow("a", Stream.never), { startImmediately: true })

      yield* subscriptions.end("a")
      yield* Fiber.join(slow)

      expect(said).toEqual(["begun"])
      expect(yield* Effect.exit(follow("b", Stream.die("broken")))).toMatchObject({ _tag: "Failure" })
      expect(subscriptions.size).toBe(0)
    })
  )
})
