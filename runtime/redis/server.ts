/** What a Redis server must be before we trust it with tasks: new enough, not evicting, and not a replica. */
import type { Redis } from "ioredis"
import { RedisUnusable, type ServerAddress, shown } from "./address.ts"
import { infoFields } from "./info.ts"

/** Redis 7.0 brought sharded pub/sub and scripts that may run when memory is full. */
const majorMin = 7

/**
 * Rejects with `RedisUnusable` where the server does not let us into our database. The client selects it itself when it
 * connects, and goes on in database 0 when it may not.
 */
export const checkDatabase = async (client: Redis): Promise<void> => {
  const { db = 0 } = client.options
  if (db === 0) return
  await client.select(db).catch((error: Error) => {
    throw new RedisUnusable({ problem: "address", where: "", detail: `no database ${db}: ${error.message}` })
  })
}

/** Rejects with `RedisUnusable`, saying what to change. Runs on every connect: a fail-over may change the server. */
export const checkServer = async (client: Redis, address: ServerAddress): Promise<void> => {
  await checkDatabase(client)
  const where = shown(address)
  const field = infoFields(await client.info())
  const version = field("redis_version") ?? ""
  if (Number.parseInt(version) < majorMin) {
    throw new RedisUnusable({
      problem: "too-old",
      where,
      detail: `it is ${version}; use ${majorMin}.0 or newer, or Valkey`
    })
  }
  const policy = field("maxmemory_policy") ?? "noeviction"
  if (policy !== "noeviction") {
    throw new RedisUnusable({
      problem: "evicts",
      where,
      detail: `its maxmemory-policy is ${policy}; set it with: redis-cli config set maxmemory-policy noeviction`
    })
  }
  if (field("role") === "slave") {
    throw new RedisUnusable({ problem: "replica", where, detail: "use the address of its primary" })
  }
}

/** Rejects where a server that is to have all partitions is one node of a cluster, and so has some of them only. */
export const checkAlone = async (client: Redis, where: string): Promise<void> => {
  if (infoFields(await client.info("cluster"))("cluster_enabled") !== "1") return
  throw new RedisUnusable({
    problem: "cluster",
    where,
    detail: "name some of its nodes as redis+cluster://host:port,host:port"
  })
}
