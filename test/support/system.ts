/** A whole system inside a test: a dispatcher and workers over one store, with handlers the test brings. */
import { Layer } from "effect"
import * as Dispatcher from "../../actors/dispatch/dispatcher.ts"
import * as Replies from "../../actors/dispatch/replies.ts"
import { Shutdown } from "../../actors/shutdown.ts"
import * as Worker from "../../actors/work/worker.ts"
import type { Settings, SettingsError, SettingsShape } from "../../runtime/config.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import * as Memory from "../../runtime/memory/stores.ts"
import type { RedisUnusable } from "../../runtime/redis/address.ts"
import * as Redis from "../../runtime/redis/stores.ts"
import { Handlers } from "../../runtime/registry.ts"
import { memorySettings, redisSettings } from "./redis.ts"

const over = (
  store: Layer.Layer<Layer.Success<typeof Memory.layer>, RedisUnusable, Settings>,
  settings: Layer.Layer<Settings, SettingsError>,
  handlers: ReadonlyArray<TaskDefinition>
) =>
  Layer.mergeAll(Dispatcher.layer, Worker.layer()).pipe(
    Layer.provideMerge(Replies.layer),
    Layer.provideMerge(store),
    Layer.provideMerge(
      Layer.merge(Layer.provideMerge(Shutdown.layer, settings), Handlers.layer({ given: handlers }))
    )
  )

/** On the memory store: time is the test's clock. */
export const memorySystem = (
  handlers: ReadonlyArray<TaskDefinition>,
  settings: Partial<SettingsShape> = {}
) => over(Memory.layer, memorySettings(settings), handlers)

/** On the tests' Redis, in a namespace of its own. */
export const redisSystem = (handlers: ReadonlyArray<TaskDefinition>, settings: Partial<SettingsShape> = {}) =>
  over(Redis.layer(), redisSettings(settings), handlers)
