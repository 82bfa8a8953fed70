/**
 * The settings of a program that uses a system it did not start: its Redis is the one that is named, or else the
 * private one that `troupe up` keeps in this folder.
 */
import { Effect, Layer, Redacted } from "effect"
import * as path from "node:path"
import { type Environment, Settings, type SettingsShape } from "../../runtime/config.ts"
import { RedisUnusable } from "../../runtime/redis/address.ts"
import { answers, socketIn } from "../../runtime/redis/private.ts"

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

/** The environment's settings, `over` laid over them, and a Redis that was looked for. */
export const connected = (over: Partial<SettingsShape>, environment?: Environment) =>
  Layer.effect(
    Settings,
    Effect.gen(function* () {
      const settings = yield* Settings
      return settings.redisUrl === undefined ? { ...settings, redisUrl: yield* findPrivate } : settings
    })
  ).pipe(Layer.provide(Settings.layer(over, environment)))

export { layer as logLevel } from "../../runtime/telemetry/logs.ts"
