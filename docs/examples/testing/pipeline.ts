/** A report out of parts: each part is a child, and one of them cannot be had. In Effect, on the same clock. */
import { expect, test } from "bun:test"
import { Effect, Schema } from "effect"
import { CurrentTask, defineTask, Troupe } from "troupe/effect"
import { TestTroupe } from "troupe/testing"

class NotKept extends Schema.TaggedError<NotKept>()("NotKept", { part: Schema.String }) {}

const fetchPart = defineTask.effect({
  name: "report.part",
  input: Schema.Struct({ part: Schema.String }),
  retry: { attempts: 1 },
  run: Effect.fnUntraced(function* ({ part }) {
    yield* Effect.sleep("1 hour")
    if (part === "weather") return yield* new NotKept({ part })
    return part.toUpperCase()
  })
})

const report = defineTask.effect({
  name: "report",
  input: Schema.Struct({ parts: Schema.Array(Schema.String) }),
  run: Effect.fnUntraced(function* ({ parts }) {
    const task = yield* CurrentTask
    yield* task.emit(`${parts.length} parts to fetch`)
    const outcomes = yield* task.group(
      parts.map((part) => ({ task: fetchPart, input: { part } })),
      { onFailure: "collect" }
    )
    const there = outcomes.filter(({ state }) => state === "succeeded").length
    yield* task.emit(`${there} of ${parts.length} are there`)
    return there
  })
})

test("a report is made of the parts that can be had", () =>
  Effect.gen(function* () {
    const troupe = yield* Troupe
    const { advance, eventsSoFar, runs } = yield* TestTroupe

    const task = yield* troupe.submit(report, { parts: ["sales", "weather", "news"] })
    yield* advance("30 minutes")
    expect(yield* task.state).toBe("waiting")

    yield* advance("30 minutes")
    expect(yield* task.result()).toBe(2)
    expect(runs(fetchPart).map(({ ended }) => ended)).toEqual(["returned", "threw", "returned"])
    expect(runs(report).map(({ ended }) => ended)).toEqual(["suspended", "returned"])

    const chunks = (yield* eventsSoFar(task.id)).flatMap((event) =>
      event.type === "chunk" ? [[event.attempt, event.chunk]] : []
    )
    expect(chunks).toEqual([
      [1, "3 parts to fetch"],
      [2, "3 parts to fetch"],
      [2, "2 of 3 are there"]
    ])
  }).pipe(Effect.provide(TestTroupe.layer({ handlers: [report, fetchPart] })), Effect.runPromise))
