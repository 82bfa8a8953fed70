import { expect } from "bun:test"
import { Effect, Layer } from "effect"
import * as Births from "../../../actors/dispatch/births.ts"
import { Offspring } from "../../../actors/dispatch/offspring.ts"
import { defineTask } from "../../../runtime/handler.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import * as Redis from "../../../runtime/redis/stores.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { Store } from "../../../runtime/store.ts"
import { type TaskId, ulidOfId } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { memorySettings, redisSettings } from "../../support/redis.ts"
import { partition } from "../../support/stores.ts"
import { aUlid } from "../../support/tasks.ts"

const around = Layer.provideMerge(
  Births.layer,
  Handlers.layer({ given: [defineTask({ name: "child", run: () => null })] })
)
const systems = [
  ["memory", around.pipe(Layer.provideMerge(Memory.layer), Layer.provideMerge(memorySettings()))],
  ["Redis", around.pipe(Layer.provideMerge(Redis.layer()), Layer.provideMerge(redisSettings()))]
] as const

const parent = `${partition}.${aUlid()}` as TaskId
const birth = { parent, deadlineAt: undefined, id: undefined }

for (const [name, system] of systems) {
  it.live(`children are all stored on ${name}, also where one that is said again comes first`, () =>
    Effect.gen(function* () {
      const offspring = yield* Offspring
      const children = yield* Effect.forEach([1, 2, 3], (input) =>
        offspring.prepare({ name: "child", input }, birth)
      )
      yield* offspring.store(children[0]!)

      yield* Effect.forEach(children, offspring.store, { concurrency: "unbounded", discard: true })

      const { read } = yield* Store
      const found = yield* read(
        partition,
        children.map(({ id }) => ulidOfId(id))
      )
      expect(found.map((one) => one !== undefined)).toEqual([true, true, true])
    }).pipe(Effect.provide(system))
  )
}
