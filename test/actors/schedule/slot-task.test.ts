import { describe, expect } from "bun:test"
import { Effect, Layer } from "effect"
import type { Definition } from "../../../actors/schedule/definition.ts"
import { jitterOf, makeSlotTasks } from "../../../actors/schedule/slot-task.ts"
import { madeUpMax } from "../../../actors/dispatch/made-up-queues.ts"
import { defineAgent } from "../../../runtime/agent.ts"
import { defineTask } from "../../../runtime/handler.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { Operations } from "../../../runtime/operations.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { decodeRecord, readEnvelope } from "../../../runtime/record.ts"
import { partitionOf, submittedAt, ulidOfId } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { memorySettings } from "../../support/redis.ts"

const anAgent = (name: string, onBusy: "enqueue" | "reject" | "coalesce" | "interrupt") =>
  defineAgent({
    name,
    onBusy,
    state: { initial: () => 0 },
    messages: { tick: {} },
    handle: { tick: () => 1 }
  })

const system = Layer.provideMerge(
  Memory.layer,
  Layer.merge(
    memorySettings(),
    Handlers.layer({
      given: [
        defineTask({ name: "test", run: () => 1 }),
        anAgent("patient", "enqueue"),
        anAgent("choosy", "reject"),
        anAgent("merging", "coalesce"),
        anAgent("hasty", "interrupt")
      ]
    })
  )
)

const slot = Date.UTC(2030, 0, 1)

const definition: Definition = {
  task: { name: "test", input: 7 },
  everyMs: 1_000,
  missed: "skip",
  overlap: "allow",
  jitterMs: 0
}

describe("a schedule that sends messages to an agent", () => {
  const toAgent = (name: string, overlap: Definition["overlap"]): Definition => ({
    ...definition,
    task: { name, key: "a", input: { message: "tick", input: {} } },
    overlap
  })

  it.effect(
    "says what becomes of a slot while the agent is busy, where the agent does not let all wait",
    () =>
      Effect.gen(function* () {
        const { check } = yield* makeSlotTasks
        for (const name of ["choosy", "merging", "hasty"]) {
          expect(yield* Effect.flip(check(toAgent(name, "allow"), slot))).toMatchObject({
            _tag: "ScheduleRefused",
            faults: [{ path: "/overlap", message: expect.stringContaining(`of ${name} is not heeded`) }]
          })
          yield* check(toAgent(name, "skip"), slot)
        }
        yield* check(toAgent("patient", "allow"), slot)
      }).pipe(Effect.provide(system))
  )
})

describe("the task of a slot", () => {
  it.effect("has the same id whoever makes it, and however late", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* makeSlotTasks, yield* makeSlotTasks]
      const first = yield* one.of("s", definition, { slot }, slot)
      const second = yield* other.of("s", definition, { slot }, slot + 60_000)

      expect(second.id).toBe(first.id)
      expect(submittedAt(ulidOfId(first.id))).toBe(slot)
    }).pipe(Effect.provide(system))
  )

  it.effect("has another id than that of another slot, schedule, or run by hand", () =>
    Effect.gen(function* () {
      const tasks = yield* makeSlotTasks
      const runs = [
        tasks.of("s", definition, { slot }, slot),
        tasks.of("s", definition, { slot: slot + 1 }, slot),
        tasks.of("t", definition, { slot }, slot),
        tasks.of("s", definition, { slot, manual: "a" }, slot),
        tasks.of("s", definition, { slot, manual: "b" }, slot)
      ]
      const ids = yield* Effect.all(runs)
      expect(new Set(ids.map(({ id }) => id)).size).toBe(runs.length)
    }).pipe(Effect.provide(system))
  )

  it.effect("is due later by its jitter, which does not count for one that is late already", () =>
    Effect.gen(function* () {
      const tasks = yield* makeSlotTasks
      const jittered = { ...definition, jitterMs: 10_000 }
      const later = slot + jitterOf("s", slot, 10_000)
      const { task } = yield* tasks.of("s", jittered, { slot }, slot)
      expect(task.due).toEqual({ at: later })
      expect(readEnvelope(decodeRecord(task.record).json)).toMatchObject({ input: 7, dueAt: later })
      expect((yield* tasks.of("s", jittered, { slot }, later)).task.due).toBeUndefined()
    }).pipe(Effect.provide(system))
  )
})

describe("a schedule that names a queue which nobody serves", () => {
  const inQueue = (queue: string, tenant = "acme"): Definition => ({
    ...definition,
    tenant,
    task: { ...definition.task, queue }
  })
  const nobodyServes = (queue: string) => ({
    _tag: "ScheduleRefused",
    faults: [{ path: "/queue", message: expect.stringContaining(`nobody serves queue ${queue}`) }]
  })

  it.effect("is refused, and its slots are, where its tenant has named too many of them", () =>
    Effect.gen(function* () {
      const { check, of } = yield* makeSlotTasks
      for (let at = 0; at < madeUpMax; at++) {
        const queue = `made-up-${at}`
        yield* at % 2 === 0 ? check(inQueue(queue), slot) : of("s", inQueue(queue), { slot }, slot)
        yield* Operations.use(({ note }) => note(partitionOf(queue)))
      }

      expect(yield* Effect.flip(check(inQueue("one-more"), slot))).toMatchObject(nobodyServes("one-more"))
      expect(yield* Effect.flip(of("s", inQueue("one-more"), { slot }, slot))).toMatchObject(
        nobodyServes("one-more")
      )
      yield* of("s", inQueue("made-up-7"), { slot }, slot)
      yield* of("s", inQueue("one-more", "other"), { slot }, slot)
    }).pipe(Effect.provide(system))
  )
})
