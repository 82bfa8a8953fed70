/**
 * The primary that sentinels know by a name, found before each connection, and watched: a connection to the old one is
 * given up when they have made another one the primary, since the old one may live on where only we reach it.
 *
 * As https://redis.io/docs/latest/develop/reference/sentinel-clients/ wants it of clients.
 */
import { Duration, Effect } from "effect"
import type { Redis } from "ioredis"
import { RedisUnusable, type SentinelAddress, type ServerAddress, shown } from "../address.ts"
import { askMostOf } from "./asking.ts"
import type { Link } from "../link.ts"

/** How often a process asks whether the primary is another one. */
const watchEvery = Duration.seconds(1)

/**
 * What a sentinel takes for the primary, and the epoch of that; `undefined` where it knows no such name. While it leads a
 * fail-over what it tells of the name is still the server before, and only the address that it gives is the new one's.
 */
const sayingOf = async (client: Redis, { login, name }: SentinelAddress) => {
  const about = client.call("sentinel", "master", name).catch((error: Error) => {
    if (!/No such master/i.test(error.message)) throw error
  })
  const address = client.call("sentinel", "get-master-addr-by-name", name)
  const [flat, found] = (await Promise.all([about, address])) as [
    ReadonlyArray<string> | undefined,
    readonly [host: string, port: string] | null
  ]
  if (flat === undefined || found === null) return undefined
  const [host, port] = found
  return {
    epoch: Number(flat[flat.indexOf("config-epoch") + 1]),
    primary: { ...login, host, port: Number(port) } satisfies ServerAddress
  }
}

/**
 * What the sentinels say that know the name, the latest first: for a second or two after a fail-over all but one of them may
 * still name the primary before, and one that was cut off does so for longer.
 */
const sayingsOf = (address: SentinelAddress) =>
  Effect.map(
    askMostOf(address.sentinels, address.sentinelLogin, (client) => sayingOf(client, address)),
    ({ answers, failure }) => ({
      known: answers
        .filter((saying) => saying !== undefined)
        .sort((one, other) => other.epoch - one.epoch)
        .map(({ primary }) => primary),
      isAnswered: answers.length > 0,
      failure
    })
  )

/** Where the primary is. */
export const primaryOf = Effect.fn("Sentinel.primaryOf")(function* (
  address: SentinelAddress
): Effect.fn.Return<ServerAddress, RedisUnusable> {
  const { failure, isAnswered, known } = yield* sayingsOf(address)
  const [latest] = known
  if (latest !== undefined) return latest
  const where = shown(address)
  if (!isAnswered && failure !== undefined)
    return yield* new RedisUnusable({ problem: failure.problem, where, detail: failure.detail })
  return yield* new RedisUnusable({
    problem: "address",
    where,
    detail: `its sentinels know no primary named "${address.name}"`
  })
})

/** Has links go where the primary is, for ever. */
export const watchPrimary = (address: SentinelAddress, links: ReadonlySet<Link>): Effect.Effect<never> =>
  sayingsOf(address).pipe(
    Effect.map(({ known: [latest] }) => {
      if (latest !== undefined) for (const link of links) link.moveTo(latest)
    }),
    Effect.delay(watchEvery),
    Effect.forever
  )
