/**
 * The primary that sentinels know by a name, found before each connection, and watched: a connection to the old one is
 * given up when they have made another one the primary, since the old one may live on where only we reach it.
 *
 * As https://redis.io/docs/latest/develop/reference/sentinel-clients/ wants it of clients.
 */
import { Duration, Effect } from "effect"
import type { Redis } from "ioredis"
import { RedisUnusable, type SentinelAddress, type ServerAddress, shown } from "../address.ts"
import { askAllOf, askOneOf } from "./asking.ts"
import type { Link } from "../link.ts"

/** How often a process asks whether the primary is another one. */
const watchEvery = Duration.seconds(1)

/** Where the primary is, as the first sentinel says that answers. */
export const primaryOf = (address: SentinelAddress): Effect.Effect<ServerAddress, RedisUnusable> =>
  askOneOf(address.sentinels, address.sentinelLogin, async (client) => {
    const reply = await client.call("sentinel", "get-master-addr-by-name", address.name)
    const [host, port] = (reply ?? []) as ReadonlyArray<string>
    return host === undefined ? undefined : { ...address.login, host, port: Number(port) }
  }).pipe(
    Effect.mapError(({ detail, problem }) => new RedisUnusable({ problem, where: shown(address), detail })),
    Effect.flatMap((found) =>
      found === undefined
        ? Effect.fail(
            new RedisUnusable({
              problem: "address",
              where: shown(address),
              detail: `its sentinels know no primary named "${address.name}"`
            })
          )
        : Effect.succeed(found)
    )
  )

/** What a sentinel takes for the primary, and the epoch of that: the later one counts where two differ. */
const sayingOf = async (client: Redis, { login, name }: SentinelAddress) => {
  const flat = (await client.call("sentinel", "master", name)) as ReadonlyArray<string>
  const field = (wanted: string) => flat[flat.indexOf(wanted) + 1]
  return {
    epoch: Number(field("config-epoch")),
    primary: { ...login, host: field("ip")!, port: Number(field("port")) } satisfies ServerAddress
  }
}

/** Has links go where the primary is, for ever. */
export const watchPrimary = (address: SentinelAddress, links: ReadonlySet<Link>): Effect.Effect<never> =>
  askAllOf(address.sentinels, address.sentinelLogin, (client) => sayingOf(client, address)).pipe(
    Effect.map((sayings) => {
      const latest = sayings.toSorted((one, other) => other.epoch - one.epoch).at(0)
      if (latest === undefined) return
      for (const link of links) link.moveTo(latest.primary)
    }),
    Effect.delay(watchEvery),
    Effect.forever
  )
