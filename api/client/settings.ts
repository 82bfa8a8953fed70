/**
 * What a program says of a system that it uses and did not start: its Redis is the one that is named, or else the private
 * one that `troupe up` keeps in this folder. What code says in place of settings must be what their texts could say.
 */
import { Effect, Layer, Redacted, Result, Schema } from "effect"
import * as path from "node:path"
import { type Environment, Settings, SettingsError, type SettingsShape } from "../../runtime/config.ts"
import { isTaskDefinition, type TaskDefinition } from "../../runtime/handler.ts"
import { type Names, strangerAmong } from "../../runtime/option-names.ts"
import { RedisUnusable } from "../../runtime/redis/address.ts"
import { answers, socketIn } from "../../runtime/redis/private.ts"
import { table } from "../../runtime/setting-table.ts"
import type { Subscription } from "../../runtime/setting-texts.ts"
import { QueueName } from "../../runtime/task.ts"

/** What to connect to, and what it knows. All of it has a default. */
export interface ConnectOptions {
  /** Default: `REDIS_URL`, or else the private Redis of a `troupe up` in this folder. */
  readonly redisUrl?: string
  /** 1 to 64 of `A-Z a-z 0-9 _ . -`. Default: `TROUPE_NAMESPACE`, or else `troupe`. */
  readonly namespace?: string
  /** Whose tasks it submits and sees. Default: the tenant `default`, whom the whole system belongs to. */
  readonly tenant?: string
  /** `memory` keeps everything in this process, which alone can then run the tasks; nothing survives it. */
  readonly store?: "redis" | "memory"
  /** Handlers that are known by their names from the start, beside those of `TROUPE_HANDLERS`. No two have one name. */
  readonly handlers?: ReadonlyArray<TaskDefinition>
  /** Whether this process also runs tasks; it drains when the connection closes. Default: it does not. */
  readonly work?: boolean | WorkOptions
  /** Laid over the environment's. */
  readonly settings?: Partial<SettingsShape>
}

/** What a process runs. */
export interface WorkOptions {
  /** Queues, and how many tasks of each run at once, 1 to 10 000. Default: every queue that a known handler names. */
  readonly queues?: QueuesServed
}

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
    detail: "start the system here with `troupe up` (in a clone: `npm start`), or name a Redis with REDIS_URL"
  })
})

const refuse = (setting: string) => (reason: string) => new SettingsError({ setting, reason })

/** The options as they are, unless one of them is none: another Redis than was meant would be used without a word. */
export const knownIn = <Options extends object>(
  options: Options,
  known: Names<Options>
): Result.Result<Options, SettingsError> => {
  const stranger = strangerAmong(options, known)
  return stranger === undefined
    ? Result.succeed(options)
    : Result.fail(refuse(stranger.name)(stranger.reason))
}

const connectNames: Names<ConnectOptions> = {
  redisUrl: true,
  namespace: true,
  tenant: true,
  store: true,
  handlers: true,
  work: true,
  settings: true
}
const workNames: Names<WorkOptions> = { queues: true }
const settingNames = Object.fromEntries(Object.keys(table).map((name) => [name, true] as const))

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

/** The queues that a process is to run, as the setting has them; `undefined` where it says nothing of them. */
export const queuesIn = (
  options: WorkOptions
): Result.Result<SettingsShape["queues"] | undefined, SettingsError> =>
  Result.flatMap(knownIn(options, workNames), ({ queues }) =>
    queues === undefined ? Result.succeed(undefined) : subscriptionsIn(queues)
  )

/** What is easily given in place of definitions: who writes JavaScript has no types to be told by. */
const noHandlers = (given: unknown): string | undefined => {
  if (typeof given === "string") {
    return `"${given}" is no list of definitions; a folder of them is named by settings.handlers`
  }
  if (!Array.isArray(given)) return "not a list of definitions"
  const at = given.findIndex((one) => !isTaskDefinition(one))
  return at === -1 ? undefined : `number ${at + 1} of them was made by neither defineTask nor defineAgent`
}

/** The handlers as they are, unless one of them is none, or two of them have one name. */
export const handlersIn = (
  given: ReadonlyArray<TaskDefinition> = []
): Result.Result<ReadonlyArray<TaskDefinition>, SettingsError> => {
  const reason = noHandlers(given)
  if (reason !== undefined) return Result.fail(refuse("handlers")(reason))
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
      knownIn(over, settingNames as Names<SettingsShape>),
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

/** The settings of a connection: memory needs no Redis, and so looks for none. */
export const settingsOf = (options: ConnectOptions) => {
  const known = knownIn(options, connectNames)
  if (Result.isFailure(known)) return Layer.effect(Settings, Effect.fail(known.failure))
  const { namespace, redisUrl, settings, store } = options
  const over = {
    ...settings,
    ...(redisUrl === undefined ? {} : { redisUrl: Redacted.make(redisUrl) }),
    ...(namespace === undefined ? {} : { namespace })
  }
  if (store !== undefined && store !== "redis" && store !== "memory") {
    const reason = `"${String(store)}" is neither "redis" nor "memory"`
    return Layer.effect(Settings, Effect.fail(new SettingsError({ setting: "store", reason })))
  }
  return store === "memory" ? laidOver(over) : connected(over)
}

export { layer as logLevel } from "../../runtime/telemetry/logs.ts"
