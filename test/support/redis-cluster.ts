/**
 * A Redis Cluster: real processes on ports of their own, joined by commands alone; its nodes may be killed, stopped and started
 * again, and its slots moved in steps, so that a test may act while one is half moved.
 */
import { Effect } from "effect"
import { aPlace, aRedisProcess, type RedisProcess } from "./redis-process.ts"
import { eventually } from "./waiting.ts"

export interface ClusterOptions {
  /** Default 3, which is as few as can decide that one of them is gone. */
  readonly masters?: number
  /** Of each master, default none. */
  readonly replicas?: number
  /** Further masters, which serve no slot yet. Default none. */
  readonly spare?: number
  /** Whether it serves all slots or none (the default), or those of the masters that live. */
  readonly coverage?: "all" | "part"
  readonly password?: string
  /** How long a node may be silent before it counts as gone, in milliseconds, default 1 000. */
  readonly nodeTimeoutMs?: number
}

const slotCount = 16_384

/** How many keys are moved by one command, and how long that may take, in milliseconds. */
const movedAtOnce = 100
const moveMaxMs = 5_000

/** Succeeds once all nodes serve. A master takes no write for its first two seconds, whatever it is told. */
export const aCluster = Effect.fnUntraced(function* ({
  coverage = "all",
  masters: masterCount = 3,
  nodeTimeoutMs = 1_000,
  password,
  replicas: replicaCount = 0,
  spare = 0
}: ClusterOptions = {}) {
  const place = yield* aPlace
  const lines = () => [
    ...["cluster-enabled yes", "cluster-announce-ip 127.0.0.1", `cluster-node-timeout ${nodeTimeoutMs}`],
    ...["cluster-replica-validity-factor 0", "repl-diskless-sync-delay 0", "repl-ping-replica-period 1"],
    `cluster-require-full-coverage ${coverage === "all" ? "yes" : "no"}`,
    ...["appendonly yes", "appendfsync no", `save ""`],
    ...(password === undefined ? [] : [`requirepass ${password}`, `masterauth ${password}`])
  ]
  const nodes = yield* Effect.all(
    Array.from({ length: masterCount * (1 + replicaCount) + spare }, () =>
      aRedisProcess(place, { lines, password })
    ),
    { concurrency: "unbounded" }
  )
  const masters = nodes.slice(0, masterCount)
  const replicas = nodes.slice(masterCount, masterCount * (1 + replicaCount))
  const ask = (node: RedisProcess, ...words: ReadonlyArray<string | number>) =>
    node.client.call("cluster", ...words)
  const ids = new Map<RedisProcess, string>()
  for (const node of nodes) ids.set(node, String(yield* Effect.promise(() => ask(node, "MYID"))))

  /** Lines of what a node knows of all nodes: id, address, flags, its master, …, its slots. */
  const known = async (node: RedisProcess) =>
    String(await ask(node, "NODES"))
      .trim()
      .split("\n")
      .map((line) => line.split(" "))
  const living = () => nodes.filter((node) => node.answers())
  /** Waits until all nodes that live find the cluster as a whole in order, and `seen` says so of what each knows. */
  const agreed = (
    what: string,
    seen: (known: ReadonlyArray<ReadonlyArray<string>>, node: RedisProcess) => boolean
  ) =>
    Effect.promise(() =>
      eventually(what, async () => {
        const all = await Promise.all(
          living().map(
            async (node) =>
              String(await ask(node, "INFO")).includes("cluster_state:ok") && seen(await known(node), node)
          )
        )
        return all.every(Boolean) ? true : undefined
      })
    )

  yield* Effect.promise(async () => {
    await Promise.all(
      masters.map(async (node, at) => {
        const share = (part: number) => Math.floor((slotCount * part) / masterCount)
        await ask(node, "SET-CONFIG-EPOCH", at + 1)
        await ask(node, "ADDSLOTSRANGE", share(at), share(at + 1) - 1)
      })
    )
    await Promise.all(nodes.slice(1).map((node) => ask(nodes[0]!, "MEET", "127.0.0.1", node.port)))
    for (const [at, node] of replicas.entries()) {
      const master = ids.get(masters[at % masterCount]!)!
      await eventually("a replica to know its master", async () =>
        (await known(node)).some(([id, , flags]) => id === master && !flags!.includes("handshake"))
          ? true
          : undefined
      )
      await ask(node, "REPLICATE", master)
    }
  })
  yield* agreed(
    "the cluster to be joined",
    (known) =>
      known.filter(([, , flags]) => !/handshake|fail|noaddr/.test(flags!)).length === nodes.length &&
      known.filter(([, , flags]) => flags!.includes("slave")).length === replicas.length
  )
  const following = (node: RedisProcess) =>
    Effect.promise(() =>
      eventually("a replica to follow", async () =>
        (await node.told("master_link_status")) === "up" ? true : undefined
      )
    )
  for (const node of replicas) yield* following(node)

  /** The nodes that serve slots, with their first and last ones, as a node knows it that lives. */
  const ranges = async () => {
    const said = (await ask(living()[0]!, "SLOTS")) as ReadonlyArray<
      readonly [number, number, readonly [string, number]]
    >
    return said.map(([from, to, [, port]]) => ({ from, to, node: nodes.find((node) => node.port === port)! }))
  }
  const slotOf = async (key: string) => Number(await ask(living()[0]!, "KEYSLOT", key))
  const nodeOfSlot = async (slot: number) =>
    (await ranges()).find(({ from, to }) => from <= slot && slot <= to)!.node
  const nodeOf = async (key: string) => nodeOfSlot(await slotOf(key))
  const serving = async () => [...new Set((await ranges()).map(({ node }) => node))]

  /** What a slot goes through while it moves. Its keys go when they are told to, and the slot when all have gone. */
  const beginMove = async (slot: number, to: RedisProcess) => {
    const from = await nodeOfSlot(slot)
    const [idOfFrom, idOfTo] = [ids.get(from)!, ids.get(to)!]
    await ask(to, "SETSLOT", slot, "IMPORTING", idOfFrom)
    await ask(from, "SETSLOT", slot, "MIGRATING", idOfTo)
    const auth = password === undefined ? [] : ["AUTH", password]
    const some = async (most: number) => {
      const keys = (await ask(from, "GETKEYSINSLOT", slot, most)) as ReadonlyArray<string>
      if (keys.length > 0)
        await from.client.call("migrate", "127.0.0.1", to.port, "", 0, moveMaxMs, ...auth, "KEYS", ...keys)
      return keys.length
    }
    const finish = async () => {
      while ((await some(movedAtOnce)) > 0);
      const others = (await serving()).filter((node) => node !== to && node !== from)
      for (const node of [to, from, ...others]) await ask(node, "SETSLOT", slot, "NODE", idOfTo)
    }
    return {
      from,
      to,
      /** Moves some of its keys, and succeeds with how many. */
      some: (most: number) => Effect.promise(() => some(most)),
      /** Moves what is left, and then the slot. */
      finish: Effect.promise(finish)
    }
  }

  /** Waits until all know that another one serves the slots of `master`. */
  const takenOver = (master: RedisProcess) =>
    agreed("a replica to take over", (known) =>
      known.every(
        ([id, , flags, , , , , , ...slots]) =>
          id !== ids.get(master) || (flags!.includes("fail") && slots.length === 0)
      )
    )

  const login = password === undefined ? "" : `:${password}@`
  const urlVia = (hosts: ReadonlyArray<string>) => `redis+cluster://${login}${hosts.join(",")}`

  return {
    url: urlVia(masters.map(({ host }) => host)),
    /** The same by other nodes. */
    urlVia,
    nodes,
    /** Those that served at first, in the order of their slots. */
    masters,
    slotOf: (key: string) => Effect.promise(() => slotOf(key)),
    /** The node that serves a key now. */
    nodeOf: (key: string) => Effect.promise(() => nodeOf(key)),
    /** The nodes that serve slots now. */
    serving: Effect.promise(serving),
    replicasOf: (master: RedisProcess) =>
      Effect.promise(async () =>
        (await known(master)).flatMap(([, address, flags, of]) =>
          flags!.includes("slave") && of === ids.get(master)
            ? nodes.filter(({ host }) => address!.startsWith(`${host}@`))
            : []
        )
      ),
    /** A name of a queue whose first partition is on `node`; each `n` gives another one. */
    queueOn: (node: RedisProcess, n = 0) =>
      Effect.promise(async () => {
        for (let at = 0, found = 0; ; at += 1)
          if ((await nodeOf(`{q${at}.0}`)) === node && found++ === n) return `q${at}`
      }),
    /** The keys on all nodes that serve, in order. */
    keys: (pattern: string) =>
      Effect.promise(async () =>
        (await Promise.all((await serving()).map((node) => node.client.keys(pattern)))).flat().toSorted()
      ),
    /** Begins to move a slot: whoever asks its node for what is not there is told to ask `to` for it. */
    beginMove: (slot: number, to: RedisProcess) => Effect.promise(() => beginMove(slot, to)),
    /** Moves a slot at one go. */
    move: (slot: number, to: RedisProcess) =>
      Effect.flatMap(
        Effect.promise(() => beginMove(slot, to)),
        ({ finish }) => finish
      ),
    takenOver,
    /** Kills a master that has a replica, and succeeds once that serves its slots. */
    failOver: (master: RedisProcess) => Effect.andThen(master.kill, takenOver(master)),
    /** Has a replica of `master` take over while that lives, which loses nothing; succeeds once all know. */
    switchOver: (master: RedisProcess) =>
      Effect.andThen(
        Effect.promise(async () => {
          const of = ids.get(master)!
          const [id] = (await known(master)).find(([, , , master]) => master === of)!
          await ask(
            nodes.find((node) => ids.get(node) === id)!,
            "FAILOVER"
          )
        }),
        agreed("a replica to have taken over", (known) =>
          known.every(([id, , flags]) => id !== ids.get(master) || flags!.includes("slave"))
        )
      ),
    following,
    /** Leaves no key on any node, and no script. */
    flush: Effect.promise(async () => {
      for (const node of await serving()) {
        await node.client.flushall()
        await node.client.function("FLUSH")
      }
    })
  }
})

export type Cluster = Effect.Success<ReturnType<typeof aCluster>>
