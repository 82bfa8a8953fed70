/** A system with keys of several tenants, and ways to ask it with one of them. */
import { type Context, Effect, Layer, ManagedRuntime, Redacted, References } from "effect"
import { anyone } from "../../actors/access/caller.ts"
import { KeyOperator } from "../../actors/access/keys.ts"
import { Shutdown } from "../../actors/shutdown.ts"
import * as Tree from "../../actors/tree.ts"
import * as Worker from "../../actors/work/worker.ts"
import { createApp } from "../../api/http/app.ts"
import type { ApiServices } from "../../api/http/run.ts"
import type { SettingsShape } from "../../runtime/config.ts"
import { Files } from "../../runtime/files.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { Handlers } from "../../runtime/registry.ts"
import type { Role } from "../../runtime/roles.ts"
import { temporaryFolder } from "./folder.ts"
import { memorySettings, redisSettings } from "./redis.ts"

/** An answer, with its body read as JSON where it is that. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any
}

export interface Asked {
  readonly key?: string | undefined
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export type Ask = (method: string, path: string, asked?: Asked) => Promise<Answer>

const systemOn = (
  kind: "memory" | "redis",
  handlers: ReadonlyArray<TaskDefinition>,
  over: Partial<SettingsShape>
) =>
  Layer.unwrap(
    Effect.map(temporaryFolder, (files) =>
      Layer.orDie(
        Layer.mergeAll(Tree.client, Worker.layer()).pipe(
          Layer.provideMerge(
            Layer.mergeAll(Tree.store(kind), Handlers.layer({ given: handlers }), Files.layer, Shutdown.layer)
          ),
          Layer.provideMerge(
            kind === "memory"
              ? memorySettings({ files, port: 0, ...over })
              : redisSettings({ files, port: 0, ...over })
          )
        )
      )
    )
  )

/** Starts it. `open` lets everybody in while there is no key. */
export const openAccess = async (
  kind: "memory" | "redis",
  handlers: ReadonlyArray<TaskDefinition>,
  {
    open = false,
    settings = {}
  }: { readonly open?: boolean; readonly settings?: Partial<SettingsShape> } = {}
) => {
  const quiet = Layer.succeed(References.MinimumLogLevel, "Error" as const)
  const runtime = ManagedRuntime.make(Layer.provideMerge(systemOn(kind, handlers, settings), quiet))
  const context = (await runtime.context()) as unknown as Context.Context<ApiServices>
  const app = createApp(context, { open })
  const ask: Ask = async (method, path, { body, headers = {}, key } = {}) => {
    const response = await app.request(path, {
      method,
      headers: {
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers
      },
      ...(body === undefined
        ? {}
        : { body: body instanceof Uint8Array ? new Blob([new Uint8Array(body)]) : JSON.stringify(body) })
    })
    const text = await response.text()
    const isJson = /json/.test(response.headers.get("content-type") ?? "")
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson && text !== "" ? JSON.parse(text) : undefined
    }
  }
  const aKey = async (tenant: string, role: Role, more: object = {}) => {
    const made = await runtime.runPromise(
      KeyOperator.use((keys) => keys.create(anyone, { tenant, role, ...more }))
    )
    return { id: made.id, key: Redacted.value(made.key) }
  }
  return { ask, aKey, app, runtime, close: () => runtime.dispose() }
}
