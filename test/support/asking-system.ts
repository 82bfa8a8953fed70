/** A whole system in a test whose model is the stand-in: connected as a program would be, with workers of its own. */
import { ConfigProvider, Effect, Layer } from "effect"
import { type ConnectOptions, Troupe } from "../../api/client/effect.ts"
import type { SettingsShape } from "../../runtime/config.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { aNamespace, redisUrl } from "./redis.ts"

/** Where tasks are kept: in memory, or on the tests' Redis. */
export const stores = ["memory", "redis"] as const

/** `url` is the stand-in's; without one there is no model. */
export const askingSystem = (options: {
  readonly store: (typeof stores)[number]
  readonly handlers: ReadonlyArray<TaskDefinition>
  readonly files: string
  readonly url?: string
  readonly settings?: Partial<SettingsShape>
}) => {
  const { files, handlers, settings, store, url } = options
  const env = url === undefined ? {} : { OPENAI_BASE_URL: url, OPENAI_MODEL: "test-model" }
  const connection: ConnectOptions = {
    handlers,
    work: true,
    settings: { log: "None", files, ...settings },
    ...(store === "memory" ? { store } : { redisUrl, namespace: aNamespace() })
  }
  return Troupe.layer(connection).pipe(
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
    Layer.orDie
  )
}

/** Resolves when something that changes on its own has become true; asked often, since nobody tells. */
export const until = (isSo: () => boolean) => Effect.repeat(Effect.sleep("2 millis"), { until: () => isSo() })
