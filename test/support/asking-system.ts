/** A whole system in a test whose model is the stand-in: connected as a program would be, with workers of its own. */
import { ConfigProvider, Effect, Layer } from "effect"
import * as path from "node:path"
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

/** A worker in a process of its own, on the tests' Redis; it is killed with the scope, or before. */
export const askingWorker = (options: {
  readonly namespace: string
  readonly files: string
  readonly url: string
}) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      Bun.spawn([process.execPath, path.join(import.meta.dir, "programs/asking-worker.ts")], {
        env: {
          PATH: process.env["PATH"]!,
          REDIS_URL: redisUrl,
          TROUPE_NAMESPACE: options.namespace,
          TROUPE_FILES: options.files,
          TROUPE_LEASE: "1 second",
          TROUPE_LOG: "none",
          OPENAI_BASE_URL: options.url
        },
        stdio: ["ignore", "ignore", "inherit"]
      })
    ),
    (child) =>
      Effect.promise(() => {
        child.kill("SIGKILL")
        return child.exited
      })
  )
