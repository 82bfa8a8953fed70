/**
 * The API as a Hono app, to mount in one's own: `import { http } from "troupe/http"`.
 *
 *     const troupe = await http({ open: false })
 *     const app = new Hono().route("/troupe", troupe.app)
 *     Bun.serve({ fetch: app.fetch, websocket: troupe.websocket })
 *
 * Addresses in answers begin with where it is mounted.
 */
import type { WebSocketHandler } from "bun"
import { type Duration, Effect, Layer, Logger, ManagedRuntime, Result } from "effect"
import type { Hono } from "hono"
import * as Tree from "../../actors/tree.ts"
import { Settings, type SettingsShape } from "../../runtime/config.ts"
import { Files } from "../../runtime/files.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import type { Names } from "../../runtime/option-names.ts"
import { connected, handlersIn, knownIn, logLevel } from "../client/settings.ts"
import { createApp } from "./app.ts"
import { Drain } from "./drain.ts"
import type { ApiServices } from "./run.ts"
import { websocket } from "./socket-server.ts"
import type { Upgraded } from "./wire.ts"

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
  /** Its web sockets, for the `Bun.serve` that serves your app; without them `/v1/ws` is answered with 426. */
  readonly websocket: WebSocketHandler<Upgraded>
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

const names: Names<HttpOptions> = {
  settings: true,
  handlers: true,
  open: true,
  origins: true,
  heartbeat: true
}

/** Connects. Rejects with `SettingsError` for what cannot be, or with `RedisUnusable` when there is nothing to connect to. */
export const http = async (options: HttpOptions = {}): Promise<Http> => {
  const known = knownIn(options, names)
  if (Result.isFailure(known)) throw known.failure
  return httpOver(layerOf(options), options)
}

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
  return { app: app as unknown as Hono, websocket, close, [Symbol.asyncDispose]: close }
}
