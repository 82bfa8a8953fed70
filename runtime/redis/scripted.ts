/**
 * Redis as the stores use it: scripts by name on a partition's keys, and plain commands, over one healing connection.
 */
import { Context, Effect, Layer, Redacted, Result } from "effect"
import type { Redis } from "ioredis"
import { Settings } from "../config.ts"
import { type PartitionKeys, partitionKeys } from "../keys.ts"
import { StoreError } from "../store.ts"
import { counter, perName, timer } from "../telemetry/instruments.ts"
import type { Partition } from "../task.ts"
import { type RedisAddress, readAddress } from "./address.ts"
import { openLink, type RedisError } from "./link.ts"
import { buildScripts, type ScriptName, type Scripts } from "./scripts.ts"

/** How many partitions' keys are kept at hand. */
const keptKeysMax = 1_000

export class Scripted extends Context.Service<
  Scripted,
  {
    readonly address: RedisAddress
    readonly scripts: Scripts
    readonly keysOf: (partition: Partition) => PartitionKeys
    /** Runs a script on the keys of a partition. */
    readonly run: <A>(
      name: ScriptName,
      partition: Partition,
      args: ReadonlyArray<string | number>
    ) => Effect.Effect<A, RedisError>
    /** Sends commands that are not scripts. */
    readonly call: <A>(send: (client: Redis) => Promise<A>) => Effect.Effect<A, RedisError>
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
    const link = yield* openLink({ name: "troupe", address, scripts })

    const evalsha = (client: Redis, name: ScriptName, base: string, args: ReadonlyArray<string | number>) =>
      client.evalsha(scripts[name].sha, 1, base, ...args)

    /** NOSCRIPT says that nothing ran (someone flushed the cache), so loading and running it is no repetition. */
    const run = <A>(name: ScriptName, partition: Partition, args: ReadonlyArray<string | number>) =>
      link.call(async (client) => {
        const { base } = keysOf(partition)
        const { failed, took } = timesOf(name)
        const start = performance.now()
        try {
          return (await evalsha(client, name, base, args)) as A
        } catch (error) {
          if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) {
            failed()
            throw error
          }
          await client.script("LOAD", scripts[name].text)
          return (await evalsha(client, name, base, args)) as A
        } finally {
          took((performance.now() - start) / 1_000)
        }
      })
    return Scripted.of({ address, scripts, keysOf, run, call: (send) => link.call(send) })
  })

/** Redis at `Settings.redisUrl`. Fails with `RedisUnusable` when there is none that can be trusted. */
export const layer = (scripts: Scripts = buildScripts()) => Layer.effect(Scripted, make(scripts))
