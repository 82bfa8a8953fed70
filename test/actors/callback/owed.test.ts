/** The end of a task and what it owes are one step: whoever dies afterwards, somebody else tells. */
import { describe, expect } from "bun:test"
import { type Context, Effect, Layer, Logger, Result } from "effect"
import { randomBytes } from "node:crypto"
import { webhooksPartition } from "../../../actors/callback/owed.ts"
import { relay, relaying } from "../../../actors/work/relay.ts"
import { readKeyRing } from "../../../runtime/encryption/key-ring.ts"
import { Operations } from "../../../runtime/operations.ts"
import { Store } from "../../../runtime/store.ts"
import { decodeRecord, encodeRecord, type Outcome } from "../../../runtime/record.ts"
import { idIn, ulidOfEntry, ulidOfId } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { promisesOn } from "../../support/promises.ts"
import { aNamespace } from "../../support/redis.ts"
import { memoryStore, partition, redisStore, type StoreUnderTest } from "../../support/stores.ts"
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
  const { ids } = yield* Operations.use(({ scan }) => scan(webhooksPartition, "all", undefined, 1_000))
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
      yield* relay(partition)
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

const aKey = (name: string) => `${name}:${randomBytes(32).toString("base64")}`

/** The stores of processes that share a namespace, each with the keys that it has, or none. */
const storesWith = Effect.fnUntraced(function* <Name extends string>(
  keys: Readonly<Record<Name, string | undefined>>
) {
  const namespace = aNamespace()
  const stores = yield* Effect.forEach(
    Object.entries<string | undefined>(keys),
    Effect.fnUntraced(function* ([name, key]) {
      const ring = key === undefined ? {} : { encryptionKeys: Result.getOrThrow(readKeyRing(key)) }
      return [name, yield* Layer.build(redisStore({ namespace, ...ring }))] as const
    })
  )
  return Object.fromEntries(stores) as Record<Name, Context.Context<StoreUnderTest>>
})

/** Tasks whose ends are told, up to their ends. */
const ended = Effect.fnUntraced(function* (count: number) {
  const tasks = Array.from({ length: count }, () => told())
  for (const task of tasks) yield* submit(task)
  const entries = yield* claim("w", count)
  yield* turn("w", { settled: entries.map(ending) })
  return tasks.map(({ ulid }) => idIn(partition, ulid))
})

const inOutbox = Effect.flatMap(Store, (store) => store.outbox(partition, 1_000))

describe("callbacks that cannot be read", () => {
  it.live("hold nothing up, are named once, and are told by whoever has the key", () =>
    Effect.gen(function* () {
      const [first, second] = [aKey("first"), aKey("second")]
      const { both, late, old } = yield* storesWith({
        old: first,
        late: second,
        both: `${second},${first}`
      })
      const warnings: Array<unknown> = []
      const log = Logger.layer([Logger.make(({ message }) => void warnings.push(message))])
      let reads = 0
      const counted = Store.useSync((store) => ({
        ...store,
        read: (...args: Parameters<typeof store.read>) => {
          reads += 1
          return store.read(...args)
        }
      }))
      const pass = relaying(partition)
      const relayLate = Effect.repeat(pass, { while: (more) => more }).pipe(
        Effect.provideServiceEffect(Store, counted),
        Effect.provide(log),
        Effect.provideContext(late)
      )
      const unread = yield* Effect.provideContext(ended(150), old)
      yield* Effect.provideContext(ended(1), late)

      yield* relayLate

      const stay = unread.map((task) => ({ kind: "callback", task, run: 1 }))
      expect(yield* Effect.provideContext(inOutbox, late)).toEqual(stay as never)
      expect(yield* Effect.provideContext(deliveries, late)).toHaveLength(1)
      expect(warnings).toHaveLength(1)
      expect(String(warnings[0])).toContain('key "first" is not in TROUPE_ENCRYPTION_KEYS')
      expect(String(warnings[0])).toContain(`${unread.slice(0, 10).join(", ")} and 140 more`)

      // What stays is not looked at again for each that comes.
      reads = 0
      yield* Effect.provideContext(ended(1), late)
      yield* relayLate
      expect(yield* Effect.provideContext(deliveries, late)).toHaveLength(2)
      expect(reads).toBe(1)

      yield* Effect.provideContext(relay(partition), both)
      expect(yield* Effect.provideContext(deliveries, both)).toHaveLength(152)
      yield* Effect.provideContext(ended(1), late)
      yield* relayLate
      expect(yield* Effect.provideContext(inOutbox, late)).toEqual([])
      expect(yield* Effect.provideContext(deliveries, both)).toHaveLength(153)
      expect(warnings).toHaveLength(1)
    })
  )

  it.live("stay also where a process has no keys at all, whoever ended the task", () =>
    Effect.gen(function* () {
      const { keyless, sealing } = yield* storesWith({ sealing: aKey("first"), keyless: undefined })
      const [succeeded] = yield* Effect.provideContext(ended(1), sealing)
      const cancelled = told()
      yield* Effect.provideContext(submit(cancelled), sealing)
      yield* Store.use((store) => store.cancel(partition, cancelled.ulid, "no more")).pipe(
        Effect.provideContext(sealing)
      )

      yield* Effect.provideContext(relay(partition), keyless)

      expect(yield* Effect.provideContext(inOutbox, keyless)).toMatchObject([
        { task: succeeded },
        { task: `${partition}.${cancelled.ulid}` }
      ])
      yield* Effect.provideContext(relay(partition), sealing)
      expect(yield* Effect.provideContext(deliveries, sealing)).toHaveLength(2)
    })
  )
})

describe("callbacks whose tasks are not kept any more", () => {
  it.live("are told to nobody, and the log says so", () =>
    Effect.gen(function* () {
      const store = yield* Store
      const warnings: Array<unknown> = []
      const log = Logger.layer([Logger.make(({ message }) => void warnings.push(message))])
      const tasks = yield* ended(2)
      const forgetful = { ...store, read: () => Effect.succeed([undefined]) }

      yield* relay(partition).pipe(Effect.provideService(Store, forgetful), Effect.provide(log))

      expect(yield* inOutbox).toEqual([])
      expect(warnings.map(String)).toEqual([
        `callbacks are told to nobody, since their tasks are not kept any more: ${tasks.join(", ")}`
      ])
    }).pipe(Effect.provide(memoryStore()))
  )
})

describe("a message that fails", () => {
  it.live("keeps nothing behind it waiting, and stays itself", () =>
    Effect.gen(function* () {
      const store = yield* Store
      const tasks = yield* ended(3)
      const frail = {
        ...store,
        read: (...[home, ulids]: Parameters<typeof store.read>) =>
          ulids[0] === ulidOfId(tasks[0]!) ? Effect.die(new Error("broken")) : store.read(home, ulids)
      }

      const exit = yield* Effect.exit(Effect.provideService(relay(partition), Store, frail))

      expect(exit._tag).toBe("Failure")
      expect(yield* inOutbox).toMatchObject([{ task: tasks[0] }])
      expect(yield* deliveries).toHaveLength(2)
    }).pipe(Effect.provide(memoryStore()))
  )
})
