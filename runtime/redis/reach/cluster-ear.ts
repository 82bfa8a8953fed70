/**
 * Hears channels of a cluster, each at the node that has its partition, over a connection to each such node.
 *
 * A channel that went elsewhere, with its slot or because its node died, is heard there from then on, and it is said that
 * something may have been missed.
 */
import { Effect, Latch, type Scope } from "effect"
import type { Partition } from "../../task.ts"
import { type ClusterSlots, lookAgain, lookingAgain, redirected } from "./cluster-slots.ts"
import { type Ear, type Heard, keepProbing } from "./ear.ts"
import { callMaxMs, openLink, RedisError } from "../link.ts"
import { openNodeLinks } from "./node-links.ts"
import type { NodeName } from "./slots.ts"

interface Channel {
  readonly name: string
  readonly partition: Partition
  /** Where it is heard; `undefined` while it is not. */
  node: NodeName | undefined
  /** Open once it was heard. */
  readonly heard: Latch.Latch
}

export const openClusterEar = Effect.fnUntraced(function* (
  slots: ClusterSlots,
  name: string,
  { message, missed }: Heard
): Effect.fn.Return<Ear, never, Scope.Scope> {
  const channels = new Map<string, Channel>()
  /** Open when it is to be looked whether all are heard where they are said. */
  const stirred = Latch.makeUnsafe(false)
  const leave = (node: NodeName) => {
    for (const channel of channels.values()) if (channel.node === node) channel.node = undefined
    stirred.openUnsafe()
  }
  const links = yield* openNodeLinks((node) =>
    openLink({
      name,
      address: lookingAgain(slots, Effect.succeed(slots.addressOf(node))),
      later: true,
      onConnect: async (client) => {
        client.on("smessage", message)
        // So ioredis says that a node has given a slot away.
        client.on("moved", () => leave(node))
        leave(node)
      }
    }).pipe(Effect.tap(keepProbing))
  )

  /** Hears a channel where it is. Where it cannot, what it succeeds with ends when it should be tried again. */
  const hear = Effect.fnUntraced(function* (channel: Channel) {
    const node = slots.nodeOf(channel.partition)
    if (node === undefined) return lookAgain(slots)
    if (node === channel.node) return undefined
    const link = yield* links.to(node)
    if (!link.isConnected()) return link.connected
    const before = channel.node
    channel.node = node
    const result = yield* Effect.result(link.attempt((client) => client.ssubscribe(channel.name)))
    if (result._tag === "Success") {
      if (channel.heard.isOpen() || before !== undefined) missed()
      channel.heard.openUnsafe()
      return undefined
    }
    channel.node = undefined
    // What else may be wrong passes, or the connection is given up for it.
    yield* redirected(slots, result.failure).pipe(Effect.catch(() => lookAgain(slots)))
    return Effect.void
  })

  const settle = Effect.suspend(() => {
    stirred.closeUnsafe()
    return Effect.forEach(channels.values(), hear, { concurrency: "unbounded" })
  }).pipe(
    Effect.flatMap((again) => Effect.raceAll([stirred.await, ...again.filter((wait) => wait !== undefined)])),
    Effect.catch((error) => Effect.logError("a channel of the cluster is not heard", error))
  )
  yield* Effect.forkScoped(Effect.forever(settle))
  yield* Effect.suspend(() => Effect.andThen(slots.changed(), stirred.open)).pipe(
    Effect.forever,
    Effect.forkScoped
  )

  const tune = (partition: Partition, channelName: string) => {
    const channel = channels.get(channelName) ?? {
      name: channelName,
      partition,
      node: undefined,
      heard: Latch.makeUnsafe(false)
    }
    if (!channels.has(channelName)) {
      channels.set(channelName, channel)
      stirred.openUnsafe()
    }
    return channel.heard.await.pipe(
      Effect.timeoutOrElse({
        duration: callMaxMs,
        orElse: () => Effect.fail(new RedisError({ cause: new Error(`no answer within ${callMaxMs} ms`) }))
      })
    )
  }
  return { tune: (partition, channel) => Effect.suspend(() => tune(partition, channel)) }
})
