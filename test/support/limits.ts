/** The limits that the suite runs against, each with a clock that the test moves. */
import { Effect, Layer } from "effect"
import { Settings } from "../../runtime/config.ts"
import { partitionKeys } from "../../runtime/keys.ts"
import { type Limits, limitsPartition } from "../../runtime/limits.ts"
import * as Memory from "../../runtime/memory/stores.ts"
import * as Redis from "../../runtime/redis/stores.ts"
import { memorySettings, redisSettings } from "./redis.ts"
import { aClient, redisTimeOf } from "./stores.ts"
import { memoryTime, scriptsOnTestTime, TestTime } from "./time.ts"

export type LimitsUnderTest = Limits | TestTime

export const memoryLimits: Layer.Layer<LimitsUnderTest> = Memory.layer.pipe(
  Layer.provideMerge(memoryTime),
  Layer.provide(memorySettings())
)

const redisTime = Layer.effect(
  TestTime,
  Effect.gen(function* () {
    const { base } = partitionKeys((yield* Settings).namespace, limitsPartition)
    return yield* redisTimeOf(yield* aClient, base)
  })
)

/** In a namespace of its own whenever it is built. */
export const redisLimits = (namespace?: string): Layer.Layer<LimitsUnderTest> =>
  Layer.unwrap(
    Effect.sync(() =>
      Layer.orDie(
        Layer.merge(Redis.layer(scriptsOnTestTime), redisTime).pipe(
          Layer.provide(redisSettings(namespace === undefined ? {} : { namespace }))
        )
      )
    )
  )
