import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { partitionKeys } from "../../runtime/keys.ts"
import { Schedules, schedulesMax, schedulesPartition } from "../../runtime/schedules.ts"
import { schedulesSuite } from "../suite/schedules.ts"
import { it } from "../support/effect.ts"
import { aNamespace } from "../support/redis.ts"
import { memorySchedules, redisSchedules } from "../support/schedules.ts"
import { aClient } from "../support/stores.ts"

schedulesSuite("memory", memorySchedules)
schedulesSuite("Redis", redisSchedules)

describe("schedules in Redis", () => {
  it.live("hold no key once all of them were deleted", () => {
    const namespace = aNamespace()
    return Effect.gen(function* () {
      const { change } = yield* Schedules
      const client = yield* aClient
      const keys = Effect.promise(async () => (await client.keys(`${namespace}:*`)).toSorted())
      const { base } = partitionKeys(namespace, schedulesPartition)
      const before = yield* keys
      const nothing = { slot: undefined, notes: [], submits: [] }
      yield* change({
        ...nothing,
        id: "a",
        from: undefined,
        to: { version: "1", text: "", lookAt: 5 },
        notes: ["n"]
      })
      expect((yield* keys).filter((key) => !before.includes(key))).toEqual(
        ["bell", "scheduleIds", "scheduleTimes", "schedules", "slots:a"].map((key) => base + key)
      )

      yield* change({ ...nothing, id: "a", from: "1", to: undefined })

      expect(yield* keys).toEqual(before)
    }).pipe(Effect.provide(redisSchedules({ namespace })))
  })

  it.live("are no more than there may be", () => {
    const namespace = aNamespace()
    return Effect.gen(function* () {
      const { change } = yield* Schedules
      const client = yield* aClient
      const { schedules } = partitionKeys(namespace, schedulesPartition)
      const there = Array.from({ length: schedulesMax }, (_, at) => [`s${at}`, "1 text"]).flat()
      yield* Effect.promise(() => client.hset(schedules, ...there))
      const nothing = { slot: undefined, notes: [], submits: [] }
      const to = { version: "2", text: "", lookAt: undefined }

      expect(yield* change({ ...nothing, id: "new", from: undefined, to })).toBe("full")
      expect(yield* change({ ...nothing, id: "s7", from: "1", to })).toBe("changed")
    }).pipe(Effect.provide(redisSchedules({ namespace })))
  })
})
