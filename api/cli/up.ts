/**
 * `troupe up`: the whole system on this machine, from one command.
 *
 * It uses the Redis it is told of; else it starts a private one in `.troupe/`; else, where no Redis can be had, all of
 * it runs in this process on the memory store, and says that nothing survives a restart. Then it runs the sample job
 * once, and serves until it is told to stop.
 */
import {
  Console,
  Context,
  Effect,
  FileSystem,
  Layer,
  Path,
  Redacted,
  References,
  Schema,
  type Scope
} from "effect"
import { Command, Flag } from "effect/cli"
import { type ChildFailing, type ChildSpec, Node, type NodeSpecs } from "../../actors/node/node.ts"
import * as NodeActor from "../../actors/node/node.ts"
import { Shutdown } from "../../actors/shutdown.ts"
import * as Tree from "../../actors/tree.ts"
import { type Environment as Variables, Settings } from "../../runtime/config.ts"
import * as Traces from "../../runtime/telemetry/tracing.ts"
import { watchesLoop } from "../../runtime/telemetry/process.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { findServer, NoRedisServer, startPrivate } from "../../runtime/redis/private.ts"
import type { SupervisorGaveUp } from "../../runtime/supervision/errors.ts"
import { Supervisor } from "../../runtime/supervision/supervisor.ts"
import { logLevel, privateFolder } from "../client/settings.ts"
import * as Server from "../http/server.ts"
import { guidePath, runSample, SampleFailed } from "../sample.ts"
import * as Environment from "./environment.ts"
import { serves } from "./run.ts"
import { apiLayer, workerLayer } from "./service.ts"

/** Where the system answers, however it was started. */
class Up extends Context.Service<
  Up,
  {
    readonly url: string
    /** Succeeds once an operator has asked it to go. */
    readonly drained: Effect.Effect<void>
    /** Never succeeds; fails when the system cannot go on. */
    readonly failed: Effect.Effect<never, ChildFailing | SupervisorGaveUp>
  }
>()("troupe/Up") {}

/** Worker processes, and one for the API. Compiled, the program is its own only argument. */
const specsOf = (environment: Record<string, string>): NodeSpecs => {
  const program = Bun.main.startsWith("/$bunfs/") ? [process.execPath] : [process.execPath, Bun.main]
  const child = (name: string, command: string): ChildSpec => ({
    name,
    command: [...program, command],
    env: environment
  })
  return { worker: (number) => child(`worker ${number}`, "worker"), api: child("api", "api") }
}

/** The system as processes, over a Redis. */
const processes = (environment: Variables, redisUrl: string) => {
  const said = { ...environment, REDIS_URL: redisUrl } as Record<string, string>
  return Layer.effect(
    Up,
    Effect.gen(function* () {
      const node = yield* Node
      const url = yield* Effect.raceFirst(node.url, node.failed)
      return { url, drained: node.drained, failed: node.failed }
    })
  ).pipe(
    Layer.provide(NodeActor.layer(specsOf(said))),
    Layer.provide(Tree.store("redis")),
    Layer.provide(
      Layer.effect(
        Settings,
        Settings.useSync((settings) => ({ ...settings, redisUrl: Redacted.make(redisUrl) }))
      )
    )
  )
}

/** The system in this process, over memory. */
const alone = (handlers: ReadonlyArray<TaskDefinition>) =>
  Layer.effect(
    Up,
    Effect.gen(function* () {
      const { url } = yield* Server.HttpServer
      const { ended } = yield* Supervisor
      return { url, drained: Effect.never, failed: Effect.andThen(ended, Effect.never) }
    })
  ).pipe(
    Layer.provide(Layer.mergeAll(apiLayer(handlers), workerLayer(handlers))),
    Layer.provide(Layer.merge(watchesLoop, Traces.layer())),
    Layer.provide(Tree.store("memory"))
  )

/** What a private Redis writes holds inputs and results, and is this user's alone; Redis itself would let everybody read it. */
const keepToOurselves = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const written = path.join(privateFolder, "appendonlydir")
  yield* files.makeDirectory(written, { recursive: true })
  yield* files.chmod(written, 0o700)
}).pipe(
  // Where that cannot be, no Redis can write either, and says so.
  Effect.ignore
)

/** The Redis of the settings, a private one, or none. */
const findRedis: Effect.Effect<
  string | undefined,
  Effect.Error<ReturnType<typeof startPrivate>>,
  Settings | FileSystem.FileSystem | Path.Path | Scope.Scope
> = Effect.gen(function* () {
  const { redisUrl } = yield* Settings
  if (redisUrl !== undefined) return Redacted.value(redisUrl)
  if (findServer() !== undefined) yield* keepToOurselves
  return yield* startPrivate({ folder: privateFolder }).pipe(
    Effect.map(({ url }): string | undefined => url),
    Effect.catchIf(Schema.is(NoRedisServer), ({ message }) =>
      Effect.as(
        Effect.logWarning(`${message}: this system lives in memory, and nothing survives a restart`),
        undefined
      )
    )
  )
})

const system = (handlers: ReadonlyArray<TaskDefinition>, environment: Variables) =>
  Layer.unwrap(
    Effect.map(
      findRedis,
      (
        url
      ): Layer.Layer<
        Up,
        Layer.Error<ReturnType<typeof alone>> | Layer.Error<ReturnType<typeof processes>>,
        Settings | Shutdown
      > => (url === undefined ? alone(handlers) : processes(environment, url))
    )
  )

/** Says something to people; where the log is for programs it is a line of it, whatever the log's level. */
const tell = (message: string) =>
  Effect.flatMap(Settings, ({ logFormat }) =>
    logFormat === "json" || logFormat === "logfmt"
      ? Effect.provideService(Effect.logInfo(message), References.MinimumLogLevel, "Info")
      : Console.error(message)
  )

export const up = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "up",
    {
      redis: Environment.redis,
      port: Environment.port,
      workers: Environment.workers,
      queues: Environment.queues,
      handlers: Environment.handlers,
      once: Flag.Boolean("once").pipe(
        Flag.withDescription("Stop after the sample job"),
        Flag.withDefault(false)
      ),
      sample: Flag.Boolean("sample").pipe(
        Flag.withDescription("Run the sample job first; --no-sample leaves it out"),
        Flag.withDefault(true)
      )
    },
    Effect.fnUntraced(function* ({ once, sample, ...flags }) {
      const environment = Environment.environment(flags)
      const life = Effect.gen(function* () {
        const { drained, failed, url } = yield* Up
        yield* tell(`Troupe is up: ${url}  (API: ${url}/docs, guide: ${guidePath})`)
        if (once) return yield* Effect.raceFirst(runSample(url), failed)
        const serving = Effect.gen(function* () {
          // The system is well without it: it may ask for keys, or serve other queues.
          if (sample)
            yield* runSample(url).pipe(
              Effect.catchIf(Schema.is(SampleFailed), ({ message }) => tell(`${message}; the system goes on`))
            )
          yield* tell(`Serving at ${url} until Ctrl-C.`)
          return yield* Effect.never
        })
        yield* Effect.raceFirst(serving, Effect.raceFirst(drained, failed))
        yield* tell("An operator has asked this node to go.")
      })
      yield* life.pipe(
        Effect.provide(
          system(handlers, environment).pipe(
            Layer.provide(serves.pipe(Layer.provideMerge(Shutdown.layer))),
            Layer.provideMerge(logLevel),
            Layer.provideMerge(Settings.layer({}, environment))
          )
        )
      )
    })
  ).pipe(
    Command.withDescription("Starts the whole system on this machine and runs a sample job"),
    Command.withExamples([
      {
        command: "troupe up --workers 4 --port 8080",
        description: "Four worker processes, the API on port 8080"
      },
      { command: "troupe up --once", description: "Run the sample job and stop" }
    ])
  )
