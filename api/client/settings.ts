/**
 * The settings of a program that uses a system it did not start: its Redis is the one that is named, or else the
 * private one that `troupe up` keeps in this folder. What code says in their place must be what their texts could say.
 */
import { Effect, Layer, Redacted, Result, Schema } from "effect"
import * as path from "node:path"
import { type Environment, Settings, SettingsError, type SettingsShape, table } from "../../runtime/config.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { RedisUnusable } from "../../runtime/redis/address.ts"
import { answers, socketIn } from "../../runtime/redis/private.ts"
import type { Subscription } from "../../runtime/setting-texts.ts"
import { QueueName } from "../../runtime/task.ts"

/** Where `troupe up` keeps what is its own, below the current folder. */
export const privateFolder = ".troupe"

/** How long a private Redis may take to answer before it counts as absent. */
const answerMax = "3 seconds"

const findPrivate = Effect.gen(function* () {
  const socket = socketIn(path.resolve(privateFolder))
  const there = yield* Effect.timeoutOrElse(answers(socket), {
    duration: answerMax,
    orElse: () => Effect.succeed(false)
  })
  if (there) return Redacted.make(`unix:${socket}`)
  return yield* new RedisUnusable({
    problem: "unreachable",
    where: path.relative(process.cwd(), socket),
    detail: "start the system here with `npm start`, or name a Redis with REDIS_URL"
  })
})

const refuse = (setting: string) => (reason: string) => new SettingsError({ setting, reason })

/** Queues that code names, and how many tasks of each it runs at once. */
export type QueuesServed = Readonly<Record<string, number>>

const readQueues = (
  queues: ReadonlyArray<Subscription>
): Result.Result<SettingsShape["queues"], SettingsError> => {
  const [, , read] = table.queues
  // What is no name could be read as several queues, or as another one.
  const stranger = queues.find(({ queue }) => !Schema.is(QueueName)(queue))
  const checked =
    stranger === undefined
      ? read(queues.map(({ concurrency, queue }) => `${queue}:${concurrency}`).join(","))
      : Result.fail(`"${stranger.queue}" is not 1 to 63 of a-z 0-9 _ -`)
  return Result.mapError(checked, refuse("queues"))
}

/** The same as the setting has them, or why they cannot be. */
export const subscriptionsIn = (served: QueuesServed) =>
  readQueues(Object.entries(served).map(([queue, concurrency]) => ({ queue, concurrency })))

/** The handlers as they are, unless two of them have one name. */
export const handlersIn = (
  given: ReadonlyArray<TaskDefinition>
): Result.Result<ReadonlyArray<TaskDefinition>, SettingsError> => {
  const all = [...new Set(given)]
  const names = all.map(({ name }) => name)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  return twice === undefined
    ? Result.succeed(all)
    : Result.fail(refuse("handlers")(`another handler is already called ${twice}`))
}

const fitting = (over: Partial<SettingsShape>): Result.Result<Partial<SettingsShape>, SettingsError> => {
  const { namespace, queues } = over
  const [, , read] = table.namespace
  return Result.map(
    Result.all([
      namespace === undefined ? Result.void : Result.mapError(read(namespace), refuse("namespace")),
      queues === undefined ? Result.void : readQueues(queues)
    ]),
    () => over
  )
}

/** The environment's settings, `over` laid over them. */
export const laidOver = (over: Partial<SettingsShape>, environment?: Environment) =>
  Layer.unwrap(Effect.map(Effect.fromResult(fitting(over)), (over) => Settings.layer(over, environment)))

/** The same, and a Redis that was looked for. */
export const connected = (over: Partial<SettingsShape>, environment?: Environment) =>
  Layer.effect(
    Settings,
    Effect.gen(function* () {
      const settings = yield* Settings
      return settings.redisUrl === undefined ? { ...settings, redisUrl: yield* findPrivate } : settings
    })
  ).pipe(Layer.provide(laidOver(over, environment)))

export { layer as logLevel } from "../../runtime/telemetry/logs.ts"
