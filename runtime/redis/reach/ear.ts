/** Hears channels of one server over one connection: those it was told of, also after the connection was lost. */
import { Duration, Effect, type Scope } from "effect"
import type { Partition } from "../../task.ts"
import type { RedisUnusable } from "../address.ts"
import type { Link, LinkOptions, RedisError } from "../link.ts"

/** How often a connection that only listens makes sure that somebody is at its other end. */
const probe = Duration.seconds(5)

/** What is told of what is heard. */
export interface Heard {
  readonly message: (channel: string, message: string) => void
  /** Something may have been said that nobody heard. */
  readonly missed: () => void
}

export interface Ear {
  /** From here on what is said in a channel of a partition is heard. Again for the same one does nothing. */
  readonly tune: (partition: Partition, channel: string) => Effect.Effect<void, RedisError>
}

/** Has a connection make sure, now and then, that somebody is at its other end: who only listens would never notice. */
export const keepProbing = (link: Link): Effect.Effect<void, never, Scope.Scope> =>
  link
    .call((client) => client.ping())
    .pipe(Effect.ignore, Effect.delay(probe), Effect.forever, Effect.forkScoped, Effect.asVoid)

export const openEar = Effect.fnUntraced(function* (
  { message, missed }: Heard,
  open: (onConnect: NonNullable<LinkOptions["onConnect"]>) => Effect.Effect<Link, RedisUnusable, Scope.Scope>
): Effect.fn.Return<Ear, RedisUnusable, Scope.Scope> {
  const channels = new Set<string>()
  const tuned = new Set<string>()
  const link = yield* open(async (client, first) => {
    client.on("smessage", message)
    if (channels.size > 0) await client.ssubscribe(...channels)
    if (!first) missed()
  })
  yield* keepProbing(link)
  const tune = Effect.fnUntraced(function* (_: Partition, channel: string) {
    if (tuned.has(channel)) return
    // From here on a fresh connection subscribes to it by itself.
    channels.add(channel)
    yield* link.call((client) => client.ssubscribe(channel))
    tuned.add(channel)
  })
  return { tune }
})
