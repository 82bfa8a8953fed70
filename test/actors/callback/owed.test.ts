/** The end of a task and what it owes are one step: whoever dies afterwards, somebody else tells. */
import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { webhooksPartition } from "../../../actors/callback/owed.ts"
import { relay } from "../../../actors/work/relay.ts"
import { Operations } from "../../../runtime/operations.ts"
import { Store } from "../../../runtime/store.ts"
import { decodeRecord, encodeRecord, type Outcome, ulidOfEntry, ulidOfId } from "../../../runtime/task.ts"
import { promisesOn } from "../../support/promises.ts"
import { memoryStore, partition, redisStore } from "../../support/stores.ts"
import { aTask, aUlid, claim, end, submit, turn } from "../../support/tasks.ts"

const callback = { url: "https://example.com/hook?token=t" }

/** A new task whose end is to be told. */
const told = (over: Parameters<typeof aTask>[0] = {}) => {
  const ulid = aUlid()
  const task = aTask({ ulid, ...over })
  const { header } = decodeRecord(task.record)
  return {
    ...task,
    record: encodeRecord(header, JSON.stringify({ name: "test", callback, input: 1 })),
    callback: true as const
  }
}

/** How a worker says that it has succeeded. */
const ending = (entry: string) => {
  const outcome: Outcome = {
    task: { name: "test", callback, input: 1 },
    worker: "w",
    startedAt: 1,
    finishedAt: 2,
    output: "out"
  }
  const { header } = decodeRecord(`Qn${entry.slice(27)}.0{}`)
  return { kind: "end" as const, entry, record: encodeRecord(header, JSON.stringify(outcome), "S") }
}

/** What is to be delivered. */
const deliveries = Effect.gen(function* () {
  const store = yield* Store
  const { ids } = yield* Operations.use(({ scan }) => scan(webhooksPartition, "all", undefined, 100))
  const found = yield* store.read(webhooksPartition, ids.map(ulidOfId))
  return found.map((one) => JSON.parse(decodeRecord(one!.record).json))
})

for (const [name, storeWith] of [
  ["memory", memoryStore],
  ["Redis", redisStore]
] as const) {
  const promise = promisesOn(storeWith)

  describe(`what an end owes, in ${name}`, () => {
    promise("is told by whoever relays next, and once however often that is done", function* () {
      const store = yield* Store
      yield* submit(told())
      const [entry] = yield* claim("w", 1)
      yield* turn("w", { settled: [ending(entry!)] })
      const owed = yield* store.outbox(partition, 10)
      expect(owed).toMatchObject([{ kind: "callback", task: `${partition}.${ulidOfEntry(entry!)}` }])

      // One who relays it dies before the delivery is stored, and another before the message is dropped.
      const killed = () => Effect.die(new Error("killed"))
      for (const dying of [
        { ...store, submit: killed },
        { ...store, drop: killed }
      ]) {
        yield* Effect.exit(Effect.provideService(relay(partition), Store, dying))
        expect(yield* store.outbox(partition, 10)).toHaveLength(1)
      }
      expect(yield* relay(partition)).toBe(true)
      expect(yield* store.outbox(partition, 10)).toEqual([])

      const [delivery, ...others] = yield* deliveries
      expect(others).toEqual([])
      expect(delivery).toMatchObject({
        name: "webhook.deliver",
        key: "example.com",
        input: { url: callback.url, tenant: "default", id: expect.stringMatching(/^msg_[0-9A-Z]{26}$/) }
      })
      expect(JSON.parse(delivery.input.body)).toMatchObject({
        type: "task.completed",
        data: { output: "out" }
      })
    })

    promise(
      "is owed also when no worker says so: a cancel, an expiry, the death of its workers",
      function* () {
        const store = yield* Store
        const lost = told()
        yield* submit(lost)
        for (const worker of ["a", "b", "c"]) {
          yield* turn(worker, { want: 1, suspect: true })
          yield* store.evict(partition, worker)
          yield* turn("reaper")
        }
        const cancelled = told()
        yield* submit(cancelled)
        yield* store.cancel(partition, ulidOfEntry(cancelled.entry), "no more")
        yield* submit(told({ due: { afterMs: 60_000 }, expiresAt: 1 }))
        yield* turn("reaper")
        yield* relay(partition)
        const owed = yield* deliveries
        expect(owed).toHaveLength(3)
        const types = owed.map(({ input }) => JSON.parse(input.body).type)
        expect(new Set(types)).toEqual(new Set(["task.cancelled", "task.expired", "task.failed"]))
      }
    )

    promise("is nothing for a task without a callback, or one that was moved", function* () {
      const store = yield* Store
      yield* submit(aTask())
      const [plain] = yield* claim("w", 1)
      yield* turn("w", { settled: [end(plain!)] })
      expect(yield* store.outbox(partition, 10)).toEqual([])
      const moved = told()
      yield* submit(moved)
      yield* store.cancel(partition, ulidOfEntry(moved.entry), `moved to other.0.${ulidOfEntry(moved.entry)}`)
      yield* relay(partition)
      expect(yield* store.outbox(partition, 10)).toEqual([])
      expect(yield* deliveries).toEqual([])
    })
  })
}
