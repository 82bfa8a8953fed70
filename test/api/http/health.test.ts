import { describe, expect } from "bun:test"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Drain } from "../../../api/http/drain.ts"
import { Operations } from "../../../runtime/operations.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { Store, StoreError } from "../../../runtime/store.ts"
import { anApi, memoryApi, promise } from "../../support/api.ts"
import { it } from "../../support/effect.ts"

/** An API whose store is asked in vain. */
const withoutStore = (ping: Effect.Effect<void, StoreError>) =>
  anApi().pipe(Effect.updateService(Store, (store) => Store.of({ ...store, ping })))

const notReady = (path: string, message: string) => ({
  status: 503,
  body: { type: "not-ready", status: 503, errors: [{ path, message }] }
})

describe("a process that serves", () => {
  promise("is ready when its store answers, handlers are loaded and it is not going away", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()

      expect(yield* ask("/readyz")).toMatchObject({
        status: 200,
        body: {
          status: "ready",
          checks: {
            store: "answers",
            handlers: "2 loaded",
            claims: "go on",
            memory: "nothing is evicted",
            requests: "are taken"
          }
        }
      })
    })
  )

  promise("looks at its queues once a second, however many ask", () =>
    Effect.gen(function* () {
      let looks = 0
      const { ask } = yield* anApi().pipe(
        Effect.updateService(Operations, (operations) =>
          Operations.of({
            ...operations,
            partitions: Effect.suspend(() => {
              looks += 1
              return operations.partitions
            })
          })
        )
      )

      const answers = yield* Effect.all(
        Array.from({ length: 20 }, () => ask("/readyz")),
        { concurrency: "unbounded" }
      )

      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200))
      expect(looks).toBe(1)
    })
  )

  promise("lives, whatever its store does", () =>
    Effect.gen(function* () {
      const { ask } = yield* withoutStore(Effect.never)

      expect(yield* ask("/healthz")).toMatchObject({ status: 200, body: { status: "alive" } })
    })
  )

  promise("is not ready when the store does not answer", () =>
    Effect.gen(function* () {
      const { ask } = yield* withoutStore(
        Effect.fail(new StoreError({ operation: "Store.ping", cause: "refused" }))
      )

      expect(yield* ask("/readyz")).toMatchObject(notReady("store", "Store.ping: refused"))
    })
  )

  it.effect("says so in time, even if the store takes for ever", () =>
    Effect.gen(function* () {
      const { ask } = yield* withoutStore(Effect.never)
      const answer = yield* Effect.forkScoped(ask("/readyz"))

      // What Hono does in between is on no clock.
      while (answer.pollUnsafe() === undefined) {
        yield* Effect.promise(() => Bun.sleep(0))
        yield* TestClock.adjust("1 second")
      }

      expect(yield* Fiber.join(answer)).toMatchObject(notReady("store", "no answer in time"))
    }).pipe(Effect.provide(memoryApi))
  )

  promise("is not ready without a handler", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi().pipe(
        Effect.updateService(Handlers, (handlers) => Handlers.of({ ...handlers, all: [] }))
      )

      expect(yield* ask("/readyz")).toMatchObject(notReady("handlers", "no handler is loaded"))
    })
  )

  promise("is ready with a broken handler module, and names it", () =>
    Effect.gen(function* () {
      const broken = [{ module: "bad.ts", reason: "no" }]
      const { ask } = yield* anApi().pipe(
        Effect.updateService(Handlers, (handlers) => Handlers.of({ ...handlers, broken }))
      )

      expect(yield* ask("/readyz")).toMatchObject({
        status: 200,
        body: { checks: { handlers: "2 loaded, 1 modules left out" } }
      })
    })
  )

  promise("is not ready once it is going away", () =>
    Effect.gen(function* () {
      const drain = new Drain()
      const { ask } = yield* anApi({ drain })
      drain.begin()

      expect(yield* ask("/readyz")).toMatchObject(notReady("requests", "this process is going away"))
      expect((yield* ask("/healthz")).status).toBe(200)
    })
  )

  promise("is not ready when one who runs beside it is not well", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi({ checks: { claims: Effect.fail("work waits and nobody claims it") } })

      expect(yield* ask("/readyz")).toMatchObject(notReady("claims", "work waits and nobody claims it"))
    })
  )
})
