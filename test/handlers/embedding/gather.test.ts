import { describe, expect } from "bun:test"
import { Deferred, Effect, Exit, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { makeGatherer, type Outcome } from "../../../handlers/embedding/gather.ts"
import { EmbeddingsUnavailable, type Model, TextsRefused } from "../../../handlers/embedding/model.ts"
import { it } from "../../support/effect.ts"

/** A model whose vectors are the lengths of texts, and which writes down its calls. */
const aModel = (gather: Partial<Model["gather"]> = {}, over: Partial<Model> = {}) => {
  const calls: Array<ReadonlyArray<string>> = []
  const model: Model = {
    name: "test:lengths",
    isKept: false,
    isLimited: false,
    textTokensMax: 100,
    gather: { count: 4, tokens: 1_000, waitMs: 20, concurrency: 1, ...gather },
    embed: (texts) => Effect.sync(() => vectorsOf(texts)),
    ...over
  }
  const vectorsOf = (texts: ReadonlyArray<string>) => ({
    vectors: texts.map((text) => new Float32Array([text.length])),
    tokens: texts.length * 10
  })
  return {
    calls,
    vectorsOf,
    model: {
      ...model,
      embed: (texts: ReadonlyArray<string>) => {
        calls.push(texts)
        return model.embed(texts)
      }
    }
  }
}

const lengths = (outcomes: ReadonlyArray<Outcome>) =>
  outcomes.map((outcome) => Result.getOrThrow(outcome).vector[0])

describe("texts of many runs", () => {
  it.effect("are one call when they come within the wait", () =>
    Effect.gen(function* () {
      const { calls, model } = aModel()
      const gatherer = yield* makeGatherer(model)
      const first = yield* Effect.forkChild(gatherer.embed(["a"]), { startImmediately: true })
      yield* TestClock.adjust("19 millis")
      const second = yield* Effect.forkChild(gatherer.embed(["bb", "ccc"]), { startImmediately: true })
      expect(calls).toEqual([])
      yield* TestClock.adjust("1 millis")
      expect(lengths(yield* Fiber.join(first))).toEqual([1])
      expect(lengths(yield* Fiber.join(second))).toEqual([2, 3])
      expect(calls).toEqual([["a", "bb", "ccc"]])
    })
  )

  it.effect("are a call at once when there are enough", () =>
    Effect.gen(function* () {
      const { calls, model } = aModel()
      const gatherer = yield* makeGatherer(model)
      expect(lengths(yield* gatherer.embed(["a", "b", "c", "d"]))).toEqual([1, 1, 1, 1])
      expect(calls.length).toBe(1)
    })
  )

  it.effect("are a call at once when they have enough tokens, and no call has more", () =>
    Effect.gen(function* () {
      const { calls, model } = aModel({ tokens: 10 })
      const gatherer = yield* makeGatherer(model)
      const long = "x".repeat(24)
      const fiber = yield* Effect.forkChild(gatherer.embed([long, long, "y"]), { startImmediately: true })
      yield* TestClock.adjust("20 millis")
      yield* Fiber.join(fiber)
      expect(calls).toEqual([[long], [long, "y"]])
    })
  )

  it.effect("go on gathering while as many calls go on as may", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { calls, model, vectorsOf } = aModel(
        {},
        { embed: (texts) => Effect.as(Deferred.await(gate), vectorsOf(texts)) }
      )
      const gatherer = yield* makeGatherer(model)
      const fibers = []
      // More than enough for a second call.
      for (const text of ["a", "b", "c", "d", "e"]) {
        fibers.push(yield* Effect.forkChild(gatherer.embed([text]), { startImmediately: true }))
        yield* TestClock.adjust("1 second")
      }
      expect(calls).toEqual([["a"]])
      yield* Deferred.succeed(gate, undefined)
      for (const fiber of fibers) yield* Fiber.join(fiber)
      expect(calls).toEqual([["a"], ["b", "c", "d", "e"]])
    })
  )

  it.effect("share what their call has cost by their length", () =>
    Effect.gen(function* () {
      const { model } = aModel({ count: 2 })
      const gatherer = yield* makeGatherer(model)
      const outcomes = yield* gatherer.embed(["x".repeat(12), "y"])
      const [long, short] = outcomes.map((outcome) => Result.getOrThrow(outcome).tokens)
      expect(long! + short!).toBe(20)
      expect(long!).toBe(15)
    })
  )

  it.effect("are embedded though the model refuses another one's", () =>
    Effect.gen(function* () {
      const { model } = aModel(
        {},
        {
          embed: (texts) =>
            texts.includes("bad")
              ? Effect.fail(new TextsRefused({ model: "test", reason: "bad" }))
              : Effect.succeed({ vectors: texts.map(() => new Float32Array([1])), tokens: undefined })
        }
      )
      const gatherer = yield* makeGatherer(model)
      const good = yield* Effect.forkChild(gatherer.embed(["a", "b"]), { startImmediately: true })
      const bad = yield* Effect.forkChild(gatherer.embed(["c", "bad"]), { startImmediately: true })
      expect((yield* Fiber.join(good)).map(Result.isSuccess)).toEqual([true, true])
      const [embedded, refused] = yield* Fiber.join(bad)
      expect(embedded).toMatchObject({ _tag: "Success" })
      expect(refused).toMatchObject({ _tag: "Failure", failure: { _tag: "TextsRefused" } })
    })
  )

  it.effect("are there though a later call has failed, and what still waited is not sent", () =>
    Effect.gen(function* () {
      const { calls, model } = aModel(
        { count: 2 },
        {
          embed: (texts) =>
            texts.includes("down")
              ? Effect.fail(new EmbeddingsUnavailable({ model: "test", reason: "down" }))
              : Effect.succeed({ vectors: texts.map(() => new Float32Array([1])), tokens: undefined })
        }
      )
      const gatherer = yield* makeGatherer(model)

      const outcomes = yield* gatherer.embed(["a", "b", "down", "c", "d", "e"])

      expect(outcomes.map(Result.isSuccess)).toEqual([true, true, false, false, false, false])
      expect(calls).toEqual([
        ["a", "b"],
        ["down", "c"]
      ])
    })
  )
})

describe("a caller that goes away", () => {
  it.effect("takes the texts back that wait", () =>
    Effect.gen(function* () {
      const { calls, model } = aModel()
      const gatherer = yield* makeGatherer(model)
      const gone = yield* Effect.forkChild(gatherer.embed(["a", "b"]), { startImmediately: true })
      const stays = yield* Effect.forkChild(gatherer.embed(["c"]), { startImmediately: true })
      yield* Fiber.interrupt(gone)
      yield* TestClock.adjust("20 millis")
      yield* Fiber.join(stays)
      expect(calls).toEqual([["c"]])
    })
  )

  it.effect("ends a call that nobody else waits for, and no other", () =>
    Effect.gen(function* () {
      const ended: Array<string> = []
      const { model } = aModel(
        { count: 1, concurrency: 2 },
        {
          embed: ([text]) => Effect.onInterrupt(Effect.never, () => Effect.sync(() => void ended.push(text!)))
        }
      )
      const gatherer = yield* makeGatherer(model)
      const gone = yield* Effect.forkChild(gatherer.embed(["a"]), { startImmediately: true })
      const stays = yield* Effect.forkChild(gatherer.embed(["b"]), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(gone)
      yield* TestClock.adjust("1 second")
      expect(ended).toEqual(["a"])
      yield* Fiber.interrupt(stays)
    })
  )

  it.effect("is every caller when the gatherer closes", () =>
    Effect.gen(function* () {
      const { model } = aModel({ count: 1 }, { embed: () => Effect.never })
      const waiting = yield* Effect.scoped(
        Effect.gen(function* () {
          const gatherer = yield* makeGatherer(model)
          return yield* Effect.forkDetach(gatherer.embed(["a"]), { startImmediately: true })
        })
      )
      expect(Exit.hasInterrupts(yield* Fiber.await(waiting))).toBe(true)
    })
  )
})
