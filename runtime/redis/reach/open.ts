/** Reaches Redis by its address, and finds its servers for whoever looks at each. */
import { Effect, type Scope } from "effect"
import {
  isCluster,
  isSentinel,
  type RedisAddress,
  type RedisUnusable,
  type SentinelAddress,
  type ServerAddress,
  shown
} from "../address.ts"
import { type Link, type LinkOptions, openLink } from "../link.ts"
import { checkAlone } from "../server.ts"
import { openCluster } from "./cluster.ts"
import { openSlots } from "./cluster-slots.ts"
import { openEar } from "./ear.ts"
import type { Reach, ReachOptions } from "./reach.ts"
import { primaryOf, watchPrimary } from "./sentinel.ts"

/** Reaches Redis until the scope ends. Fails when there is none that can be used. */
export const openReach = (
  address: RedisAddress,
  options: ReachOptions
): Effect.Effect<Reach, RedisUnusable, Scope.Scope> =>
  isCluster(address) ? openCluster(options, address) : openOne(options, address)

/** One server has all partitions, though it may be another one later. */
const openOne = Effect.fnUntraced(function* (
  { name, onConnect }: ReachOptions,
  address: ServerAddress | SentinelAddress
): Effect.fn.Return<Reach, RedisUnusable, Scope.Scope> {
  const links = new Set<Link>()
  const to = isSentinel(address) ? primaryOf(address) : address
  const openNoted = (as: string, onConnect: LinkOptions["onConnect"]) =>
    Effect.tap(
      openLink({ name: as, address: to, ...(onConnect === undefined ? {} : { onConnect }) }),
      (link) =>
        Effect.acquireRelease(
          Effect.sync(() => links.add(link)),
          () => Effect.sync(() => links.delete(link))
        )
    )
  const link = yield* openNoted(name, async (client, first) => {
    if (first) await checkAlone(client, shown(address))
    await onConnect?.(client, first)
  })
  if (isSentinel(address)) yield* Effect.forkScoped(watchPrimary(address, links))
  return {
    call: (_, send, maxMs) => link.call(send, maxMs),
    callAll: (send) => Effect.map(link.call(send), (answer) => [answer]),
    open: (as) => openNoted(as, undefined),
    listen: (as, heard) => openEar(heard, (onConnect) => openNoted(as, onConnect))
  }
})

/** The servers that have partitions, for whoever looks at each of them. */
export const primariesOf = (
  address: RedisAddress
): Effect.Effect<ReadonlyArray<ServerAddress>, RedisUnusable> => {
  if (isCluster(address))
    return Effect.map(openSlots(address), (slots) => [...slots.nodes()].sort().map(slots.addressOf))
  if (isSentinel(address)) return Effect.map(primaryOf(address), (primary) => [primary])
  return Effect.succeed([address])
}
