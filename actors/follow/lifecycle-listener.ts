/**
 * One who listens to what becomes of tasks: a position in the log of each queue, and a pull that takes what there is, and waits
 * while there is nothing.
 */
import { type Array as Arr, Effect, type Pull } from "effect"
import type { Life } from "../../runtime/lifecycle.ts"
import type { StoreError } from "../../runtime/store.ts"
import { type Partition, queueOf } from "../../runtime/task.ts"
import { isOwn, tenantDefault } from "../../runtime/tenant.ts"
import { type LifecycleEvent, lifecycleEventOf } from "./lifecycle-event.ts"
import { followedBy, isWanted, type LifecycleFilter } from "./lifecycle-filter.ts"
import type { Logs } from "./lifecycle-logs.ts"
import { placesText, positionMax, type Return, sealedPositionMax } from "./lifecycle-position.ts"
import { type Log, pageMax } from "./lifecycle-queue.ts"

/** What a listener is told. Who comes back with an `id` goes on after it. */
export type LifecycleNews =
  /** From here on nothing is missed: the first word of all. */
  | { readonly type: "listening"; readonly id: string }
  | (LifecycleEvent & { readonly id: string })
  /** Events of a queue are no longer there to be read; `*` of one that another tenant than `default` is told nothing of. */
  | { readonly type: "gap"; readonly queue: string; readonly id: string }

const unknownQueue = "*"

/** Of gaps in queues without a name the last one stands for all that come at once: how many there are is nobody's business. */
const withoutEcho = (said: ReadonlyArray<LifecycleNews>): ReadonlyArray<LifecycleNews> => {
  const isNameless = (news: LifecycleNews) => news.type === "gap" && news.queue === unknownQueue
  const last = said.findLast(isNameless)
  return last === undefined ? said : said.filter((news) => news === last || !isNameless(news))
}

/** Its pull. */
export const listener = (
  { log, logs, named, news }: Logs,
  { filter, tenant }: { readonly filter: LifecycleFilter; readonly tenant: string },
  { more: cameBackWithout, places }: Return
) => {
  const isFollowed = followedBy(filter)
  const idMax = tenant === tenantDefault ? positionMax : sealedPositionMax
  /** What is said with an event: where all queues stand, and this one after it. */
  const idOf = (newest?: Partition) => placesText(places, newest, idMax)
  /** Queues in which it was told of tasks of its own: others may be called so that the name tells whose they are. */
  const own = new Set<Partition>()
  const mayKnow = (partition: Partition) =>
    tenant === tenantDefault ||
    named.has(partition) ||
    own.has(partition) ||
    filter.queues?.includes(queueOf(partition)) === true
  const gap = (partition: Partition): LifecycleNews => ({
    type: "gap",
    queue: mayKnow(partition) ? queueOf(partition) : unknownQueue,
    id: idOf(partition)
  })

  const announce = (partition: Partition, lives: ReadonlyArray<Life>): ReadonlyArray<LifecycleNews> => {
    const said: Array<LifecycleNews> = []
    for (const life of lives) {
      const before = places.get(partition)
      const { epoch, number } = life
      const follows = before === undefined || (before.epoch === epoch && before.number + 1 === number)
      places.set(partition, { epoch, number: number - 1 })
      if (!follows) said.push(gap(partition))
      places.set(partition, { epoch, number })
      const event = lifecycleEventOf(partition, life)
      if (!isOwn(event.tenant, tenant)) continue
      own.add(partition)
      if (isWanted(filter, event)) said.push({ ...event, id: idOf(partition) })
    }
    return said
  }

  /** What is new of one queue, whether that was anything, wanted or not. */
  const look = Effect.fnUntraced(function* (partition: Partition, one: Log) {
    const place = places.get(partition) ?? (cameBackWithout ? one.tip() : one.first())
    const lives = one.after(place) ?? (yield* log.read(partition, place, pageMax))
    const isLost = cameBackWithout && !places.has(partition)
    if (isLost) places.set(partition, place)
    const said: Array<LifecycleNews> = [...(isLost ? [gap(partition)] : []), ...announce(partition, lives)]
    if (lives.length === 0 && one.tip().epoch > place.epoch) {
      // What happened in between is not known, and there is nothing of the new epoch yet.
      places.set(partition, { epoch: one.tip().epoch, number: 0 })
      said.push(gap(partition))
    }
    if (!places.has(partition)) places.set(partition, place)
    return { said, more: lives.length > 0 }
  })

  let greeted = false
  const pull: Pull.Pull<Arr.NonEmptyReadonlyArray<LifecycleNews>, StoreError> = Effect.gen(function* () {
    if (!greeted) {
      greeted = true
      return [{ type: "listening", id: idOf() }]
    }
    while (true) {
      // Taken before the logs are looked at: what comes meanwhile is news.
      const seen = news.version()
      const said: Array<LifecycleNews> = []
      let more = false
      for (const [partition, one] of logs) {
        if (!isFollowed(partition)) continue
        const looked = yield* look(partition, one)
        said.push(...looked.said)
        more ||= looked.more
      }
      const told = withoutEcho(said)
      if (told.length > 0) return told as unknown as Arr.NonEmptyReadonlyArray<LifecycleNews>
      if (more) yield* Effect.yieldNow
      else yield* news.after(seen)
    }
  })
  return pull
}
