/**
 * Who has which slot of a cluster, as it was when that was last looked at: when a node says that it has one no more, when
 * one cannot be reached, and while the cluster mends itself.
 */
import { Effect, Latch, Semaphore } from "effect"
import type { Partition } from "../../task.ts"
import { type ClusterAddress, RedisUnusable, type ServerAddress, shown } from "../address.ts"
import { askOneOf } from "./asking.ts"
import { firstConnects, type RedisError, wasNotSent } from "../link.ts"
import {
  isSame,
  listenerOf,
  nameOf,
  type NodeName,
  noSlots,
  redirectionOf,
  slotOf,
  type Slots,
  slotsOf,
  type SlotsReply,
  withSlot
} from "./slots.ts"

export interface ClusterSlots {
  /** Where a partition is. */
  readonly nodeOf: (partition: Partition) => NodeName | undefined
  /** All that have slots. */
  readonly nodes: () => ReadonlySet<NodeName>
  readonly addressOf: (node: NodeName) => ServerAddress
  /** Looks anew: those who ask meanwhile share it. Where no node tells, all stays as it was. */
  readonly look: Effect.Effect<void>
  /** Takes note of where a slot is, as a node has said. */
  readonly note: (slot: number, node: NodeName) => void
  /** Succeeds once something has changed after this was called. */
  readonly changed: () => Effect.Effect<void>
}

/** What a server says of itself that is part of no cluster. */
const isAlone = /cluster support disabled/

const isHealthy = (info: string) => /^cluster_state:ok\r?$/m.test(info)

/** Fails when no node answers, or the cluster is down. */
export const openSlots = Effect.fnUntraced(function* (
  address: ClusterAddress
): Effect.fn.Return<ClusterSlots, RedisUnusable> {
  let slots: Slots = noSlots
  let next = Latch.makeUnsafe(false)
  const change = (to: Slots) => {
    if (isSame(to, slots)) return
    slots = to
    const before = next
    next = Latch.makeUnsafe(false)
    before.openUnsafe()
  }

  const read = Effect.suspend(() => {
    const known = new Set([...slots.nodes, ...address.nodes.map(nameOf)])
    return askOneOf([...known].map(listenerOf), address.login, async (client) =>
      // One that has lost the others knows no better than we do.
      isHealthy(await client.cluster("INFO"))
        ? slotsOf((await client.cluster("SLOTS")) as unknown as SlotsReply, client.options.host!)
        : undefined
    )
  })
  const unusable = (problem: RedisUnusable["problem"], detail: string) =>
    new RedisUnusable({ problem, where: shown(address), detail })
  const first = yield* read.pipe(
    Effect.mapError(({ detail, problem }) =>
      isAlone.test(detail)
        ? unusable("address", `${shown(address)} is no cluster: name it as redis://host:port`)
        : unusable(problem, detail)
    ),
    Effect.flatMap((found) =>
      found === undefined
        ? Effect.fail(unusable("unreachable", "the cluster is down"))
        : Effect.succeed(found)
    ),
    Effect.retry({ schedule: firstConnects, while: ({ problem }) => problem === "unreachable" })
  )
  change(first)

  const looking = yield* Semaphore.make(1)
  let looks = 0
  const look = Effect.suspend(() => {
    const before = looks
    const unlessSince = Effect.suspend(() => {
      // One that began after it was wanted tells as much.
      if (looks > before) return Effect.void
      looks += 1
      return Effect.map(read, (found) => {
        if (found !== undefined) change(found)
      })
    })
    return Effect.ignore(looking.withPermits(1)(unlessSince))
  })

  return {
    nodeOf: (partition) => slots.of.get(slotOf(partition)),
    nodes: () => slots.nodes,
    addressOf: (node) => ({ ...address.login, ...listenerOf(node) }),
    look,
    note: (slot, node) => change(withSlot(slots, slot, node)),
    changed: () => next.await
  }
})

/** Where a node is, as a link asks before each connection: before all but the first it is looked who has which slot. */
export const lookingAgain = <A, E>(
  { look }: ClusterSlots,
  find: Effect.Effect<A, E>
): Effect.Effect<A, E> => {
  let isFirst = true
  return Effect.suspend(() => {
    const before = isFirst ? Effect.void : look
    isFirst = false
    return Effect.andThen(before, find)
  })
}

/** How long a command waits until it is said again while its slot is on its way, in milliseconds. */
const againAfterMs = 50

/** Looks anew, and not again at once. */
export const lookAgain = ({ look }: ClusterSlots): Effect.Effect<void> =>
  Effect.andThen(look, Effect.sleep(againAfterMs))

/** Does what an error says of where to go. Fails with it where it says nothing of that. */
export const redirected = Effect.fnUntraced(function* (slots: ClusterSlots, error: RedisError) {
  if (wasNotSent(error)) return
  const redirection = redirectionOf(error)
  if (redirection === undefined) return yield* error
  if (redirection.kind === "moved") return slots.note(redirection.slot, redirection.node)
  yield* lookAgain(slots)
})
