/**
 * How Redis is reached, whatever it is: one server, the primary that sentinels know, or a cluster. Who calls names a
 * partition, and is sent to the server that has it.
 */
import type { Effect, Scope } from "effect"
import type { Redis } from "ioredis"
import type { Partition } from "../../task.ts"
import type { RedisUnusable } from "../address.ts"
import type { Link, LinkOptions, RedisError } from "../link.ts"
import type { Ear, Heard } from "./ear.ts"

export interface Reach {
  /** Sends a command to the server that has a partition. `maxMs` is its time limit, default `callMaxMs`. */
  readonly call: <A>(
    partition: Partition,
    send: (client: Redis) => Promise<A>,
    maxMs?: number
  ) => Effect.Effect<A, RedisError>
  /** Sends a command to each server that has partitions. Fails when none answers; one that does not is left out. */
  readonly callAll: <A>(send: (client: Redis) => Promise<A>) => Effect.Effect<ReadonlyArray<A>, RedisError>
  /** A connection of its own to the server that has a partition, wherever that goes: for commands that block. */
  readonly open: (
    name: string,
    partition: Partition
  ) => Effect.Effect<Pick<Link, "call">, RedisUnusable, Scope.Scope>
  /** Hears channels, over connections of their own. */
  readonly listen: (name: string, heard: Heard) => Effect.Effect<Ear, RedisUnusable, Scope.Scope>
}

export interface ReachOptions {
  readonly name: string
  /** Runs on every fresh client of `call` and `callAll`, before it is used. */
  readonly onConnect?: LinkOptions["onConnect"] | undefined
}
