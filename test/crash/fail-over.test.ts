/** Real processes whose Redis fails over: behind sentinels, and in a cluster. Nobody starts any of them again. */
import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { connect } from "../../api/client/index.ts"
import { it } from "../support/effect.ts"
import { eventually, startNode } from "../support/node.ts"
import { aCluster } from "../support/redis-cluster.ts"
import type { RedisProcess } from "../support/redis-process.ts"
import { aSentinelSet } from "../support/redis-sentinel.ts"

const { brief } = await import("./handlers/history.ts")

type Node = Awaited<ReturnType<typeof startNode>>

/** Submits over HTTP and from code until it is told to stop; what was not acknowledged is said to somebody else. */
const load = (node: Node, submit: (n: number) => Promise<string>) => {
  const acknowledged = new Map<string, number>()
  let refused = 0
  let newest = performance.now()
  let on = true
  let next = 0
  const submitters = [
    ...Array.from({ length: 4 }, () => submit),
    ...Array.from({ length: 4 }, () => overHttp)
  ]
  function overHttp(n: number) {
    return node.submit("crash.brief", n)
  }
  const all = submitters.map(async (submit) => {
    while (on) {
      const n = ++next
      await submit(n).then(
        (id) => {
          acknowledged.set(id, n)
          newest = performance.now()
        },
        () => (refused += 1)
      )
    }
  })
  return {
    acknowledged,
    refused: () => refused,
    /** For how long nothing was acknowledged. */
    quietMs: () => performance.now() - newest,
    /** Waits until both ways in have taken more. */
    more: async () => {
      const before = acknowledged.size
      await eventually("more to be acknowledged", () => (acknowledged.size > before + 200 ? true : undefined))
    },
    stop: async () => {
      on = false
      await Promise.all(all)
    }
  }
}

/** Something that happens to a Redis that is at work. `isHeldUp` resolves once nothing is acknowledged any more, or far too much. */
type Hurt = (isHeldUp: () => Promise<unknown>) => Promise<void>

/** For how long nothing is acknowledged while submits wait, in milliseconds; and how many show that none does. */
const heldUpMs = 200
const farTooMany = 200

/** A node with its client in this process, hurt under load. Every task that was acknowledged is there and has ended. */
const survives = async (redisUrl: string, hurts: ReadonlyArray<Hurt>) => {
  await using node = await startNode({
    workers: 2,
    env: { REDIS_URL: redisUrl, TROUPE_REPLICAS: "1", TROUPE_LOG: "none" }
  })
  await using troupe = await connect({
    redisUrl,
    namespace: node.namespace,
    handlers: [brief],
    settings: { log: "None", replicas: 1 }
  })
  const pids = [...node.workers(), ...node.api()]
  const file = `${node.folder}/history`
  const { acknowledged, more, quietMs, refused, stop } = load(node, async (n) => {
    const { id } = await troupe.submit(brief, { file, n })
    return id
  })
  const isHeldUp = () => {
    const before = acknowledged.size
    return eventually("submits to be held up", () =>
      quietMs() > heldUpMs || acknowledged.size > before + farTooMany ? true : undefined
    )
  }

  for (const hurt of hurts) {
    await more()
    await hurt(isHeldUp)
    await more()
  }
  await stop()

  const ends = await Promise.all(
    [...acknowledged.keys()].map(async (id) => ({ id, ...(await node.result(id)) }))
  )
  expect(ends.filter(({ status }) => status !== 200)).toEqual([])
  const runs = new Set(node.lines().map(({ n }) => n))
  expect([...acknowledged.values()].filter((n) => !runs.has(n))).toEqual([])
  expect([...node.workers(), ...node.api()]).toEqual(pids)
  console.log(
    `${acknowledged.size} tasks were acknowledged, and ran ${node.lines().length} times; ${refused()} submits were not`
  )
}

/** Kills a primary whose replicas have not heard of it for a while. */
const killUnheard = async (
  primary: RedisProcess,
  replicas: ReadonlyArray<RedisProcess>,
  isHeldUp: () => Promise<unknown>
) => {
  for (const replica of replicas) await Effect.runPromise(replica.freeze)
  // What is on its way to them would still arrive.
  await primary.client.call("client", "KILL", "TYPE", "replica")
  await isHeldUp()
  await Effect.runPromise(primary.kill)
  for (const replica of replicas) await Effect.runPromise(replica.thaw)
}

describe("a node whose Redis fails over, where a replica has every submit that was acknowledged", () => {
  it.live(
    "goes on at the next primary when one is killed, again and again, and all of them end",
    () =>
      Effect.gen(function* () {
        const set = yield* aSentinelSet()
        const lose: Hurt = async (isHeldUp) => {
          const before = await Effect.runPromise(set.primary)
          await killUnheard(
            before,
            set.servers.filter((server) => server !== before),
            isHeldUp
          )
          await Effect.runPromise(set.promoted(before))
          await Effect.runPromise(before.start)
          await Effect.runPromise(set.demoted(before))
        }

        yield* Effect.promise(() => survives(set.url, [lose, lose]))
      }),
    170_000
  )

  it.live(
    "goes on at the next primary when one freezes, and thaws when another one has its place, and all of them end",
    () =>
      Effect.gen(function* () {
        const set = yield* aSentinelSet()
        const freeze: Hurt = async () => {
          const before = await Effect.runPromise(set.primary)
          await Effect.runPromise(before.freeze)
          await Effect.runPromise(set.promoted(before))
          await Effect.runPromise(before.thaw)
          await Effect.runPromise(set.demoted(before))
        }

        yield* Effect.promise(() => survives(set.url, [freeze, freeze]))
      }),
    170_000
  )

  it.live(
    "goes on where replicas take over when masters of a cluster are killed, one after the other, and all of them end",
    () =>
      Effect.gen(function* () {
        const cluster = yield* aCluster({ replicas: 1 })
        const lose =
          (key: string): Hurt =>
          async (isHeldUp) => {
            const master = await Effect.runPromise(cluster.nodeOf(key))
            const replicas = await Effect.runPromise(cluster.replicasOf(master))
            // Only that of the tasks has submits to hold up.
            await (key === tasks ? killUnheard(master, replicas, isHeldUp) : Effect.runPromise(master.kill))
            await Effect.runPromise(cluster.takenOver(master))
            await Effect.runPromise(master.start)
            await Effect.runPromise(cluster.following(master))
          }
        const tasks = "{default.0}"
        const names = "{_queues.0}"

        yield* Effect.promise(() => survives(cluster.url, [lose(tasks), lose(names), lose(tasks)]))
      }),
    170_000
  )
})
