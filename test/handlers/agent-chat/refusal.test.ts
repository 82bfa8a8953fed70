import { describe, expect } from "bun:test"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { orRefused, unavailableRunsMax } from "../../../handlers/agent-chat/refusal.ts"
import { it } from "../../support/effect.ts"

const after = (attempt: number) =>
  Effect.gen(function* () {
    const asked = yield* Effect.forkChild(Effect.result(orRefused(Effect.never, { attempt, model: "m" })), {
      startImmediately: true
    })
    // The message's own time is not over by then.
    yield* TestClock.adjust("290 seconds")
    return yield* Fiber.join(asked)
  })

describe("a question that a model does not answer in time", () => {
  it.effect("is asked again", () =>
    Effect.gen(function* () {
      expect(yield* after(1)).toMatchObject({
        _tag: "Failure",
        failure: { _tag: "ProviderUnavailable", reason: "it had not answered after 4m 45s" }
      })
    })
  )

  it.effect("is refused after some runs, so that the conversation goes on", () =>
    Effect.gen(function* () {
      expect(yield* after(unavailableRunsMax)).toMatchObject({
        _tag: "Success",
        success: { refused: { type: "ProviderUnavailable" } }
      })
    })
  )
})
