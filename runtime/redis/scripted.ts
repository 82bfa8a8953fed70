/**
 * Redis as the stores use it: scripts by name on a partition's keys, and plain commands, over connections that heal.
 */
import { Context, Effect, Layer, Redacted, Result } from "effect"
import type { Redis } from "ioredis"
import { Settings } from "../config.ts"
import { type PartitionKeys, partitionKeys } from "../keys.ts"
import { StoreError } from "../store.ts"
import { counter, perName, timer } from "../telemetry/instruments.ts"
import type { Partition } from "../task.ts"
import { readAddress } from "./address.ts"
import { FunctionCall } from "./function-call.ts"
import type { RedisError } from "./link.ts"
import { openReach } from "./reach/open.ts"
import type { Reach } from "./reach/reach.ts"
import { untilOn } from "./replicas.ts"
import { buildScripts, libraryPrefix, type ScriptName, type Scripts } from "./scripts.ts"

/** How many partitions' keys are kept at hand. */
const keptKeysMax = 1_000

export class Scripted extends Context.Service<
  Scripted,
  Reach & {
    readonly scripts: Scripts
    readonly keysOf: (partition: Partition) => PartitionKeys
    /** Runs a script on the keys of a partition. */
    readonly run: <A>(
      name: ScriptName,
      partition: Partition,
      args: ReadonlyArray<string | number>
    ) => Effect.Effect<A, RedisError>
  }
>()("troupe/Scripted") {}

/** A failed call as those who use a store see it; `operation` is `Service.method`. */
export const during = (operation: string) =>
  Effect.mapError((error: RedisError) => new StoreError({ operation, cause: error.cause }))

/** What is measured of a script: two readings of the system's clock a call. A time limit that was missed is an error. */
const timesOf = perName((script: ScriptName) => ({
  took: timer("troupe_redis_script_seconds", { script }),
  failed: counter("troupe_redis_script_errors_total", { script })
}))

/**
 * What somebody relies on once it is answered: that a task is stored, or that a message about it may be forgotten. Where
 * replicas are waited for, it is after these.
 */
const reliedOn: ReadonlySet<ScriptName> = new Set([
  "task-submit",
  "task-place",
  "task-admit",
  "schedule-change",
  "child-ended",
  "task-cancel",
  "task-reschedule",
  "letter-revive"
])

/** How many versions of the library Redis keeps, each of about 1 MiB: at the limit a new one takes the place of all. */
const librariesMax = 4

const failsWith = (text: string) => (error: unknown) => error instanceof Error && error.message.includes(text)
const isUnknown = failsWith("Function not found")
const isGone = failsWith("Library not found")
const isFull = failsWith("OOM ")

/** Ignores one kind of failure. */
const unless = (isExpected: (error: unknown) => boolean) => (error: unknown) => {
  if (!isExpected(error)) throw error
}

/**
 * Loads the library where it is not there: Redis keeps it with the data, so it is gone with them, or when somebody
 * flushes it. While its memory is full Redis loads none; then the library stays away.
 */
const provide = async (client: Redis, { library, text }: Scripts): Promise<void> => {
  const found = await client.function("LIST", "LIBRARYNAME", `${libraryPrefix}*`)
  const names = (found as ReadonlyArray<ReadonlyArray<string>>).map(([, name]) => name!)
  if (names.includes(library)) return
  // Those of other versions may be in use: whoever misses one loads it anew.
  if (names.length >= librariesMax) {
    await Promise.all(names.map((name) => client.function("DELETE", name).catch(unless(isGone))))
  }
  await client.function("LOAD", "REPLACE", text).catch(unless(isFull))
}

const make = (scripts: Scripts) =>
  Effect.gen(function* () {
    const settings = yield* Settings
    const address = yield* Result.match(
      readAddress(settings.redisUrl ?? Redacted.make("redis://127.0.0.1:6379")),
      { onFailure: Effect.fail, onSuccess: Effect.succeed }
    )
    const keys = new Map<Partition, PartitionKeys>()
    const keysOf = (partition: Partition) => {
      const there = keys.get(partition)
      if (there !== undefined) return there
      // A stranger may ask for tasks of ever new queues.
      if (keys.size >= keptKeysMax) keys.clear()
      const made = partitionKeys(settings.namespace, partition)
      keys.set(partition, made)
      return made
    }
    const open = (name: string) =>
      openReach(address, { name, onConnect: (client) => provide(client, scripts) })
    const reach = yield* open("troupe")
    const { replicas } = settings
    // Of its own: who waits for replicas holds up what comes after on the same connection.
    const careful = replicas === 0 ? reach : yield* open("troupe-replicated")

    const fcall = (client: Redis, name: ScriptName, base: string, args: ReadonlyArray<string | number>) =>
      client.sendCommand(new FunctionCall(scripts.functions[name], base, args)) as Promise<unknown>

    /** One for each server. */
    const providing = new WeakMap<Redis, Promise<void>>()
    const provideTo = (client: Redis) => {
      const there = providing.get(client)
      if (there !== undefined) return there
      const begun = provide(client, scripts).finally(() => providing.delete(client))
      providing.set(client, begun)
      return begun
    }
    /** Nothing has run where a function was not found, so that to run it is no repetition. */
    const runUnknown: typeof fcall = async (client, name, base, args) => {
      await provideTo(client)
      try {
        return await fcall(client, name, base, args)
      } catch (error) {
        if (!isUnknown(error)) throw error
        return client.eval(scripts.alone(name), 1, base, ...args)
      }
    }
    const run = <A>(name: ScriptName, partition: Partition, args: ReadonlyArray<string | number>) => {
      const isReliedOn = replicas > 0 && reliedOn.has(name)
      return (isReliedOn ? careful : reach).call(partition, async (client) => {
        const { failed, took } = timesOf(name)
        const { base } = keysOf(partition)
        const start = performance.now()
        try {
          const reply = (await fcall(client, name, base, args).catch((error: unknown) => {
            unless(isUnknown)(error)
            return runUnknown(client, name, base, args)
          })) as A
          if (isReliedOn) await untilOn(client, replicas)
          return reply
        } catch (error) {
          failed()
          throw error
        } finally {
          took((performance.now() - start) / 1_000)
        }
      })
    }
    return Scripted.of({ ...reach, scripts, keysOf, run })
  })

/** Redis at `Settings.redisUrl`. Fails with `RedisUnusable` when there is none that can be trusted. */
export const layer = (scripts: Scripts = buildScripts()) => Layer.effect(Scripted, make(scripts))
