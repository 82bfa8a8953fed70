/**
 * A Redis Cluster as it is reached: a connection to each primary, and each command goes to the one that has its partition.
 *
 * What a node refused because it has the slot no more, or because the slot is on its way, was not done: it is said again, to
 * whoever has the slot, within its time limit.
 */
import { Clock, Effect, type Scope } from "effect"
import type { Redis } from "ioredis"
import type { Partition } from "../../task.ts"
import { type ClusterAddress, RedisUnusable, shown } from "../address.ts"
import { openClusterEar } from "./cluster-ear.ts"
import { lookAgain, lookingAgain, openSlots, redirected } from "./cluster-slots.ts"
import { callMaxMs, openLink, RedisError } from "../link.ts"
import { openNodeLinks } from "./node-links.ts"
import type { Reach, ReachOptions } from "./reach.ts"

/** Reaches a cluster until the scope ends. Fails when it is down, or one of its primaries cannot be used. */
export const openCluster = Effect.fnUntraced(function* (
  { name, onConnect }: ReachOptions,
  address: ClusterAddress
): Effect.fn.Return<Reach, RedisUnusable, Scope.Scope> {
  const slots = yield* openSlots(address)
  const clock = yield* Clock.Clock
  const monotonicMs = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

  // Those that are there when it begins must be fit for use; one that does not answer is waited for, as later ones are.
  let later = false
  const links = yield* openNodeLinks((node) =>
    openLink({
      name,
      address: lookingAgain(slots, Effect.succeed(slots.addressOf(node))),
      ...(onConnect === undefined ? {} : { onConnect }),
      later
    })
  )
  const tries = yield* Effect.forEach(slots.nodes(), (node) => Effect.result(links.to(node)))
  const failures = tries.flatMap((tried) => (tried._tag === "Failure" ? [tried.failure] : []))
  const gravest =
    failures.find(({ problem }) => problem !== "unreachable") ??
    (failures.length === tries.length ? failures[0] : undefined)
  if (gravest !== undefined) return yield* gravest
  later = true
  yield* Effect.suspend(() => {
    const changed = slots.changed()
    return Effect.andThen(links.retain(slots.nodes()), changed)
  }).pipe(Effect.forever, Effect.forkScoped)

  const linkTo = (partition: Partition) => {
    const node = slots.nodeOf(partition)
    return node === undefined ? undefined : links.there(node)
  }

  /** Until there is a connection to where a partition is, or has gone meanwhile. */
  const connection = Effect.fnUntraced(function* (partition: Partition) {
    for (;;) {
      const changed = slots.changed()
      const node = slots.nodeOf(partition)
      const link = node === undefined ? undefined : yield* links.to(node)
      if (link?.isConnected() === true) return link
      yield* Effect.raceFirst(link === undefined ? lookAgain(slots) : link.connected, changed)
    }
  })

  /** Says it until somebody does it, or says that it cannot be done. */
  const seek = Effect.fnUntraced(function* <A>(
    partition: Partition,
    send: (client: Redis) => Promise<A>,
    deadline: number
  ) {
    for (;;) {
      const link = yield* connection(partition)
      const result = yield* Effect.result(link.attempt(send, Math.max(1, deadline - monotonicMs())))
      if (result._tag === "Success") return result.success
      yield* redirected(slots, result.failure)
    }
  })

  const seekWithin = <A>(
    partition: Partition,
    send: (client: Redis) => Promise<A>,
    maxMs: number,
    leftMs: number
  ) =>
    Effect.suspend(() => seek(partition, send, monotonicMs() + leftMs)).pipe(
      Effect.catchTag("RedisUnusable", (cause) => Effect.fail(new RedisError({ cause }))),
      Effect.timeoutOrElse({
        duration: leftMs,
        orElse: () => Effect.fail(new RedisError({ cause: new Error(`no answer within ${maxMs} ms`) }))
      })
    )

  /** Most calls find their node. */
  const call: Reach["call"] = (partition, send, maxMs = callMaxMs) =>
    Effect.suspend(() => {
      const link = linkTo(partition)
      if (link?.isConnected() !== true) return seekWithin(partition, send, maxMs, maxMs)
      const start = monotonicMs()
      return link.attempt(send, maxMs).pipe(
        Effect.catch((error) =>
          Effect.andThen(
            redirected(slots, error),
            Effect.suspend(() => seekWithin(partition, send, maxMs, maxMs - (monotonicMs() - start)))
          )
        )
      )
    })

  const callAll: Reach["callAll"] = (send) =>
    Effect.forEach(
      slots.nodes(),
      (node) =>
        links.to(node).pipe(
          Effect.mapError((cause) => new RedisError({ cause })),
          Effect.flatMap((link) => link.attempt(send)),
          Effect.result
        ),
      { concurrency: "unbounded" }
    ).pipe(
      Effect.flatMap((results) => {
        const answers = results.flatMap((result) => (result._tag === "Success" ? [result.success] : []))
        const failed = results.find((result) => result._tag === "Failure")
        return answers.length === 0 && failed !== undefined
          ? Effect.fail(failed.failure)
          : Effect.succeed(answers)
      })
    )

  const open: Reach["open"] = Effect.fnUntraced(function* (as, partition) {
    const find = Effect.suspend(() => {
      const node = slots.nodeOf(partition)
      return node === undefined
        ? Effect.fail(
            new RedisUnusable({
              problem: "unreachable",
              where: shown(address),
              detail: `no node has the slot of ${partition}`
            })
          )
        : Effect.succeed(slots.addressOf(node))
    })
    const link = yield* openLink({ name: as, address: lookingAgain(slots, find) })
    const ask = <A>(send: (client: Redis) => Promise<A>, leftMs: number): Effect.Effect<A, RedisError> => {
      const start = monotonicMs()
      return link.call(send, leftMs).pipe(
        Effect.catch((error) =>
          redirected(slots, error).pipe(
            Effect.andThen(Effect.ignore(Effect.map(find, link.moveTo))),
            Effect.andThen(
              Effect.suspend(() => {
                const left = leftMs - (monotonicMs() - start)
                return left > 0 ? ask(send, left) : Effect.fail(error)
              })
            )
          )
        )
      )
    }
    return { call: (send, maxMs = callMaxMs) => Effect.suspend(() => ask(send, maxMs)) }
  })

  return { call, callAll, open, listen: (as, heard) => openClusterEar(slots, as, heard) }
})
