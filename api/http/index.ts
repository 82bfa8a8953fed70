/**
 * The API as a Hono app, to mount in one's own: `import { http } from "troupe/http"`.
 *
 *     const troupe = await http({ open: false })
 *     const app = new Hono().route("/troupe", troupe.app)
 *     Bun.serve({ fetch: app.fetch })
 *
 * Addresses in answers begin with where it is mounted.
 */
import { type Duration, Effect, Layer, Logger, ManagedRuntime } from "effect"
import type { Hono } from "hono"
import * as Tree from "../../actors/tree.ts"
import { Settings, type SettingsShape } from "../../runtime/config.ts"
import { Files } from "../../runtime/files.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { connected, handlersIn, logLevel } from "../client/settings.ts"
import { createApp } from "./app.ts"
import { Drain } from "./drain.ts"
import type { ApiServices } from "./run.ts"

/** What to serve, and for whom. */
export interface HttpOptions {
  /** In place of the setting `REDIS_URL`, and so on: what is left out is read from the environment. */
  readonly settings?: Partial<SettingsShape>
  /** Beside those of the folder that the settings name: what is submitted is checked with their schemas. No two have one name. */
  readonly handlers?: ReadonlyArray<TaskDefinition>
  /**
   * Whether everybody is let in while there is no key. Default: no, since who reaches your app is not known here. Say yes
   * where your app lets nobody through who may not do everything.
   */
  readonly open?: boolean
  /** The origins whose pages may use it from a browser. Default: those of the setting `TROUPE_ORIGINS`. */
  readonly origins?: ReadonlyArray<string>
  /** How long a stream of events may be quiet. Default: 5 seconds. */
  readonly heartbeat?: Duration.Input
}

/** The API, to be mounted in another Hono app. */
export interface Http extends AsyncDisposable {
  /** Mount it with `app.route(path, troupe.app)`. */
  readonly app: Hono
  /** Ends its streams, answers who waits for results, and disconnects. Take your server down after it. */
  readonly close: () => Promise<void>
}

/** What it has to say is no output of the program that mounts it. */
const messages = Layer.succeed(Logger.LogToStderr, true)

/** Those given, unless two of them have one name, beside those of the settings. */
const known = (given: ReadonlyArray<TaskDefinition>) =>
  Layer.unwrap(Effect.map(Effect.fromResult(handlersIn(given)), Tree.handlers))

const layerOf = ({ handlers = [], settings = {} }: HttpOptions) =>
  Tree.client.pipe(
    Layer.provideMerge(Layer.mergeAll(Tree.store("redis"), known(handlers), Files.layer)),
    Layer.provideMerge(logLevel),
    Layer.provideMerge(messages),
    Layer.provideMerge(connected(settings))
  )

/** Connects. Rejects with `SettingsError` or `RedisUnusable` when there is nothing to connect to. */
export const http = (options: HttpOptions = {}): Promise<Http> => httpOver(layerOf(options), options)

/** The same for a system that is made as an Effect layer. Rejects with what the layer fails with. */
export const httpOver = async (
  layer: Layer.Layer<ApiServices | Settings, unknown>,
  { heartbeat, open = false, origins }: Omit<HttpOptions, "settings" | "handlers"> = {}
): Promise<Http> => {
  const runtime = ManagedRuntime.make(layer)
  const context = await runtime.context().catch(async (error: unknown) => {
    await runtime.dispose()
    throw error
  })
  const settings = Effect.runSyncWith(context)(Settings)
  const drain = new Drain()
  const app = createApp(context, {
    open,
    drain,
    origins: origins ?? settings.origins,
    accessLog: settings.accessLog,
    ...(heartbeat === undefined ? {} : { heartbeat })
  })
  const close = async () => {
    drain.close()
    await runtime.dispose()
  }
  return { app: app as unknown as Hono, close, [Symbol.asyncDispose]: close }
}
