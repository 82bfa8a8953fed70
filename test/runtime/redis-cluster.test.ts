/** A system on a Redis Cluster: its queues lie on different nodes, its slots move, and its nodes come and go. */
import { describe, expect, test } from "bun:test"
import { Context, Duration, Effect, Fiber, Layer, References } from "effect"
import { connect, defineAgent, defineTask, StoreError, type TaskContext } from "../../api/client/index.ts"
import { accessPartition } from "../../runtime/access.ts"
import { limitsPartition } from "../../runtime/limits.ts"
import { Operations } from "../../runtime/operations.ts"
import { queuesPartition } from "../../runtime/queue-names.ts"
import * as RedisStore from "../../runtime/redis/stores.ts"
import { bellWaitMaxMs, Store } from "../../runtime/store.ts"
import { cluster, clusterSettings, keysIn, timeOf } from "../support/cluster-stores.ts"
import { it } from "../support/effect.ts"
import { everything, swept, theEnd } from "../support/everything.ts"
import { aNamespace } from "../support/redis.ts"
import { aCluster, type Cluster, type ClusterOptions } from "../support/redis-cluster.ts"
import { hears, insist, obeys } from "../support/listening.ts"
import type { RedisProcess } from "../support/redis-process.ts"
import { aFreePort, aServer, settingsFor } from "../support/server.ts"
import { partition } from "../support/stores.ts"
import { aTask, submit, turn } from "../support/tasks.ts"
import { scriptsOnTestTime, TestTime } from "../support/time.ts"
import { eventually } from "../support/waiting.ts"

// ---------------------------------------------------------------------------------------------------------
// What runs
// ---------------------------------------------------------------------------------------------------------

interface Say {
  readonly words: ReadonlyArray<string>
}

const say = defineTask({
  name: "say",
  run: async (input, { emit }) => {
    for (const word of (input as Say).words) await emit(word)
    return (input as Say).words.length
  }
})

const family = defineTask({
  name: "family",
  run: async (input, ctx) => {
    const { queues } = input as { readonly queues: ReadonlyArray<string> }
    const children = []
    for (const queue of queues) children.push(await ctx.submit(say, { words: [queue] }, { queue }))
    return ctx.all(children)
  }
})

const started = new Set<string>()

/** Runs until it is told to stop. */
const patient = defineTask({
  name: "patient",
  run: async (_, { signal, task }: TaskContext) => {
    started.add(task.id)
    await new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error))
    })
  }
})

/** Has children elsewhere, which wait as it does. */
const patients = defineTask({
  name: "patients",
  run: async (input, ctx) => {
    const { queues } = input as { readonly queues: ReadonlyArray<string> }
    const children = []
    for (const queue of queues) children.push(await ctx.submit(patient, {}, { queue }))
    return ctx.all(children)
  }
})

let atOnce = 0
let mostAtOnce = 0
const narrow = defineTask({
  name: "narrow",
  limits: [{ key: "narrow", concurrency: 2 }],
  run: async () => {
    mostAtOnce = Math.max(mostAtOnce, ++atOnce)
    await Bun.sleep(5)
    atOnce -= 1
  }
})

/** What ran, in its order: the key, the number under it, and the attempt. */
const ran: Array<{ readonly of: string; readonly n: number; readonly attempt: number }> = []
const noted = defineTask({
  name: "noted",
  run: (input, { attempt }) => {
    ran.push({ ...(input as { readonly of: string; readonly n: number }), attempt })
  }
})

const ledger = defineAgent({
  name: "ledger",
  queue: "ledgers",
  state: { initial: () => [] as ReadonlyArray<string> },
  messages: { enter: {}, read: {} },
  handle: {
    enter: (input, ctx) => ctx.setState([...ctx.state, String(input)]),
    read: (_, ctx) => ctx.state
  }
})

const teller = defineAgent({
  name: "teller",
  queue: "tellers",
  state: { initial: () => 0 },
  messages: { tell: {} },
  handle: {
    tell: async (input, ctx) => {
      ctx.setState(ctx.state + 1)
      await ctx.tell(ledger, ctx.key, "enter", input)
      return ctx.state
    }
  }
})

const handlers = [say, family, patient, patients, narrow, noted, ledger, teller]

const connectTo = (url: string, over: Parameters<typeof connect>[0] = {}) =>
  connect({
    redisUrl: url,
    namespace: aNamespace(),
    handlers,
    ...over,
    settings: { log: "None", ...over.settings }
  })

/** A queue on each master, and one more on the first. */
const queuesOf = Effect.fnUntraced(function* (cluster: Cluster) {
  const [one, two, three] = cluster.masters as [RedisProcess, RedisProcess, RedisProcess]
  return {
    one: yield* cluster.queueOn(one),
    beside: yield* cluster.queueOn(one, 1),
    two: yield* cluster.queueOn(two),
    three: yield* cluster.queueOn(three)
  }
})

const names = await Effect.runPromise(queuesOf(cluster))
const { beside, one, three, two } = names
const served = { [one]: 4, [beside]: 4, [two]: 4, [three]: 4, ledgers: 4, tellers: 4, default: 4 }

// ---------------------------------------------------------------------------------------------------------
// Tests
// ---------------------------------------------------------------------------------------------------------

describe("a system on a cluster", () => {
  test("runs tasks of queues on all nodes", async () => {
    await using troupe = await connectTo(cluster.url, { work: { queues: served } })

    const tasks = await Promise.all(
      [one, beside, two, three].map((queue) => troupe.submit(say, { words: ["a", "b"] }, { queue }))
    )

    expect(await Promise.all(tasks.map((task) => task.result()))).toEqual([2, 2, 2, 2])
  })

  test("gives a parent the results of its children on other nodes", async () => {
    await using troupe = await connectTo(cluster.url, { work: { queues: served } })

    const results = await Promise.all(
      [one, two, three].map((queue) =>
        troupe.ask(family, { queues: [one, beside, two, three] }, { queue, timeout: "20 seconds" })
      )
    )

    for (const result of results) expect(result).toEqual([1, 1, 1, 1])
  }, 30_000)

  test("lets many follow streams from all nodes at once, each without a gap", async () => {
    await using worker = await connectTo(cluster.url, { work: { queues: served } })
    void worker
    await using troupe = await connectTo(cluster.url, { namespace: "followed" })
    await using workers = await connectTo(cluster.url, { namespace: "followed", work: { queues: served } })
    void workers
    const words = Array.from({ length: 50 }, (_, n) => `word ${n}`)

    const streams = await Promise.all(
      [one, beside, two, three, one, two].map(async (queue) => {
        const task = await troupe.submit(say, { words }, { queue })
        const heard: Array<unknown> = []
        for await (const event of task.events()) if (event.type === "chunk") heard.push(event.chunk)
        return heard
      })
    )

    for (const heard of streams) expect(heard).toEqual(words)
  }, 20_000)

  test("tells listeners what becomes of tasks on all nodes", async () => {
    await using troupe = await connectTo(cluster.url, { work: { queues: served } })
    // A queue is heard of once it is in use.
    for (const queue of [one, two, three]) await troupe.ask(say, { words: [] }, { queue })
    const completed = new Set<string>()
    const listening = (async () => {
      for await (const news of troupe.events({})) {
        if (news.type === "task.completed") completed.add(news.task)
        if (completed.size >= 3) return
      }
    })()
    let all: ReadonlyArray<string> = []

    while (completed.size < 3) {
      const tasks = await Promise.all(
        [one, two, three].map((queue) => troupe.submit(say, { words: [] }, { queue }))
      )
      await Promise.all(tasks.map((task) => task.result()))
      all = [...all, ...tasks.map(({ id }) => id)]
      await Bun.sleep(20)
    }
    await listening

    expect([...completed].filter((id) => !all.includes(id))).toEqual([])
  }, 30_000)

  test("interrupts a task and its children on other nodes when it is cancelled", async () => {
    await using troupe = await connectTo(cluster.url, { work: { queues: served } })
    const parent = await troupe.submit(patients, { queues: [two, three] }, { queue: one })
    const children = await eventually("the children to run", async () => {
      const { tasks } = await troupe.tasks({ name: "patient", state: "running" })
      return tasks.length === 2 ? tasks.map(({ id }) => id) : undefined
    })

    await parent.cancel()

    for (const id of [parent.id, ...children])
      await eventually("it to be cancelled", async () =>
        (await troupe.task(id)).state === "cancelled" ? true : undefined
      )
  }, 30_000)

  test("shares a limit among queues on different nodes", async () => {
    await using troupe = await connectTo(cluster.url, { work: { queues: served } })

    const tasks = await Promise.all(
      [one, two, three, one, two, three, one, two, three].map((queue) => troupe.submit(narrow, {}, { queue }))
    )
    await Promise.all(tasks.map((task) => task.result()))

    expect(mostAtOnce).toBe(2)
  }, 20_000)

  test("runs tasks of one key in order, one at a time, wherever their queue lies", async () => {
    await using troupe = await connectTo(cluster.url, { work: { queues: served } })
    const of = "in order"

    const tasks = []
    for (let n = 0; n < 30; n++) tasks.push(await troupe.submit(noted, { of, n }, { queue: three, key: "k" }))
    await Promise.all(tasks.map((task) => task.result()))

    expect(ran.filter((run) => run.of === of).map(({ n }) => n)).toEqual(tasks.map((_, n) => n))
  })

  test("has agents tell agents on other nodes", async () => {
    await using troupe = await connectTo(cluster.url, { work: { queues: served } })

    for (const word of ["a", "b", "c"]) await troupe.agent(teller, "ann").ask("tell", word)

    const read = () => troupe.agent(ledger, "ann").ask("read", undefined)
    await eventually("the ledger to have all", async () =>
      ((await read()) as ReadonlyArray<string>).length === 3 ? true : undefined
    )
    expect(await read()).toEqual(["a", "b", "c"])
    expect((await troupe.agents.list()).agents.map(({ name }) => name).toSorted()).toEqual([
      "ledger",
      "teller"
    ])
  }, 20_000)

  test("fires schedules into queues on other nodes", async () => {
    await using troupe = await connectTo(cluster.url, { work: { queues: served } })

    for (const queue of [one, two, three])
      await troupe.schedules.create(say, { words: [] }, { id: queue, every: "1 second", queue })

    for (const queue of [one, two, three])
      await eventually("two slots to have been fired", async () => {
        const { history } = await troupe.schedules.get(queue)
        return history.filter(({ state }) => state === "succeeded").length >= 2 ? true : undefined
      })
  }, 30_000)

  test("finds a task that was submitted under one idempotency key, on whichever node", async () => {
    await using troupe = await connectTo(cluster.url)

    for (const queue of [one, two, three]) {
      const options = { queue, idempotencyKey: queue }
      const first = await troupe.submit(say, { words: [] }, options)
      expect(await troupe.submit(say, { words: [] }, options)).toMatchObject({ id: first.id, existing: true })
    }
  })

  test("shows operators all queues, tasks and dead letters", async () => {
    await using troupe = await connectTo(cluster.url)
    const queues = [one, beside, two, three]
    for (const queue of queues)
      await troupe.submitAll([1, 2].map(() => ({ task: say, input: { words: [] }, queue })))

    expect((await troupe.queues.list()).map(({ name }) => name).toSorted()).toEqual(queues.toSorted())
    const { tasks } = await troupe.tasks({ state: "queued" })
    expect(tasks).toHaveLength(8)
    for (const queue of queues) expect(await troupe.queues.purge(queue)).toMatchObject({ count: 2 })
    expect((await troupe.tasks({ state: "cancelled" })).tasks).toHaveLength(8)
  })

  test("moves what waits in a queue to one on another node", async () => {
    await using troupe = await connectTo(cluster.url)
    for (let n = 0; n < 5; n++) await troupe.submit(say, { words: [] }, { queue: one })

    expect(await troupe.queues.move(one, { to: three })).toMatchObject({ count: 5 })

    const { tasks } = await troupe.tasks({ state: "queued" })
    expect(tasks.map(({ queue }) => queue)).toEqual(Array.from({ length: 5 }, () => three))
  })

  test("loads its scripts again on the one node that has lost them", async () => {
    await using troupe = await connectTo(cluster.url, { work: { queues: served } })
    await troupe.ask(say, { words: [] }, { queue: three })

    await cluster.masters[2]!.client.function("FLUSH")

    expect(await troupe.ask(say, { words: ["a"] }, { queue: three })).toBe(1)
    expect(await troupe.ask(family, { queues: [three] }, { queue: one, timeout: "20 seconds" })).toEqual([1])
  }, 30_000)

  it.live("holds no key on any node once all has ended and is past its time", () =>
    Effect.gen(function* () {
      const namespace = "cluster-everything"
      const settings = clusterSettings({
        namespace,
        retention: Duration.minutes(1),
        deadRetention: Duration.minutes(2)
      })
      // Access keys stay: a system that had one never opens to everybody again.
      const keys = Effect.map(keysIn(namespace), (all) =>
        all.filter((key) => !/:(clock|expiring|access)$/.test(key))
      )

      yield* Effect.gen(function* () {
        const time = yield* TestTime
        yield* Effect.scoped(everything)
        yield* time.advance("5 seconds")
        yield* theEnd
        expect(yield* keys).not.toEqual([])

        yield* time.advance("3 hours")
        yield* swept
        expect(yield* Operations.use((operations) => operations.partitions)).toEqual([])

        yield* time.advance("366 days")
        expect(yield* keys).toEqual([])
      }).pipe(
        Effect.provide(
          Layer.merge(
            RedisStore.layer(scriptsOnTestTime),
            timeOf(partition, limitsPartition, queuesPartition, accessPartition)
          ).pipe(Layer.provide(settings))
        )
      )
    })
  )
})

describe("a slot that is moved", () => {
  const queueOf = Effect.fnUntraced(function* (cluster: Cluster) {
    const [from, to] = cluster.masters as [RedisProcess, RedisProcess]
    const [moving, staying] = [yield* cluster.queueOn(from), yield* cluster.queueOn(to)]
    return { from, to, moving, staying, slot: yield* cluster.slotOf(`{${moving}.0}`) }
  })

  it.live(
    "under load loses nothing, runs nothing twice, and keeps the order of its keys",
    () =>
      Effect.gen(function* () {
        const cluster = yield* aCluster()
        const { from, moving, slot, staying, to } = yield* queueOf(cluster)
        const troupe = yield* Effect.acquireRelease(
          Effect.promise(() => connectTo(cluster.url, { work: { queues: { [moving]: 8, [staying]: 8 } } })),
          (troupe) => Effect.promise(() => troupe.close())
        )
        const acknowledged: Array<{ readonly of: string; readonly n: number; readonly id: string }> = []
        const unknown: Array<string> = []
        let on = true
        const submitter = async (of: string, queue: string) => {
          for (let n = 0; on; n++) {
            try {
              const { id } = await troupe.submit(noted, { of, n }, { queue, key: of })
              acknowledged.push({ of, n, id })
            } catch (error) {
              if (!(error instanceof StoreError)) throw error
              unknown.push(`${of} ${n}: ${String(error)}`)
            }
          }
        }
        const load = Promise.all([
          ...["load a", "load b", "load c"].map((of) => submitter(of, moving)),
          submitter("load d", staying)
        ])
        const more = (queue: string) => {
          const before = acknowledged.length
          return Effect.promise(() =>
            eventually(`more of ${queue}`, () =>
              acknowledged.slice(before).filter(({ id }) => id.startsWith(`${queue}.`)).length > 50
                ? true
                : undefined
            )
          )
        }

        for (const target of [to, from, to]) {
          yield* more(moving)
          const move = yield* cluster.beginMove(slot, target)
          yield* move.some(5)
          // The other queue does not stand still for it.
          yield* more(staying)
          yield* move.finish
        }
        yield* more(moving)
        on = false
        yield* Effect.promise(() => load)
        yield* Effect.promise(() => Promise.all(acknowledged.map(({ id }) => troupe.result(id))))

        expect(unknown).toEqual([])
        for (const of of ["load a", "load b", "load c", "load d"])
          expect(ran.filter((run) => run.of === of).map(({ n }) => n)).toEqual(
            acknowledged.filter((task) => task.of === of).map(({ n }) => n)
          )
      }),
    60_000
  )

  it.live(
    "lets a submit wait until it has arrived, and no script see one half of it",
    () =>
      Effect.gen(function* () {
        const cluster = yield* aCluster()
        const { moving, slot, staying, to } = yield* queueOf(cluster)
        const store = Context.get(
          yield* Layer.build(RedisStore.layer().pipe(Layer.provide(settingsFor(cluster.url)))),
          Store
        )
        yield* Effect.promise(async () => {
          await using troupe = await connectTo(cluster.url)
          const ids: Array<string> = []
          for (let n = 0; n < 20; n++)
            ids.push((await troupe.submit(noted, { of: "half", n }, { queue: moving, key: `k${n % 3}` })).id)
          const move = await Effect.runPromise(cluster.beginMove(slot, to))
          await Effect.runPromise(move.some(3))

          let acknowledged = false
          const waiting = troupe
            .submit(noted, { of: "half", n: 20 }, { queue: moving })
            .then(() => (acknowledged = true))
          // One that nobody says again for it.
          const once = Effect.runFork(store.submit(`${moving}.0`, [aTask()]))
          await troupe.submit(noted, { of: "half", n: 0 }, { queue: staying })
          expect([acknowledged, once.pollUnsafe()]).toEqual([false, undefined])
          await Effect.runPromise(move.finish)
          await waiting
          await Effect.runPromise(Fiber.join(once))

          await using _ = await troupe.work({ queues: { [moving]: 4 } })
          for (const id of ids) await troupe.result(id, { timeout: "20 seconds" })
          expect(ran.filter(({ of }) => of === "half")).toHaveLength(21)
        })
      }),
    30_000
  )

  it.live(
    "takes its bell, its inboxes and the orders to its workers along",
    () =>
      Effect.gen(function* () {
        const cluster = yield* aCluster()
        const [one, two, three] = cluster.masters as [RedisProcess, RedisProcess, RedisProcess]
        const key = `{${partition}}`
        const store = Context.get(
          yield* Layer.build(RedisStore.layer().pipe(Layer.provide(settingsFor(cluster.url)))),
          Store
        )

        yield* Effect.gen(function* () {
          const bell = yield* store.bell(partition)
          const inbox = yield* store.inbox
          const orders = yield* store.orders("w", [partition])
          yield* inbox.tune(partition)
          const waiting = yield* Effect.forkChild(insist(bell.wait(bellWaitMaxMs)), {
            startImmediately: true
          })
          yield* turn("w")

          for (const node of [three, one, two]) {
            yield* cluster.move(yield* cluster.slotOf(key), node)
            // It hears of that by itself.
            expect(yield* inbox.next).toBe("all")
            yield* hears(inbox)
            yield* obeys(orders)
          }
          yield* submit(aTask())
          yield* Fiber.join(waiting)
        }).pipe(Effect.provideService(Store, store))
      }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
    30_000
  )

  it.live(
    "to a node that was not there before is found there",
    () =>
      Effect.gen(function* () {
        const cluster = yield* aCluster({ spare: 1 })
        const { moving, slot } = yield* queueOf(cluster)
        const spare = cluster.nodes.at(-1)!
        yield* Effect.promise(async () => {
          await using troupe = await connectTo(cluster.url, { work: { queues: { [moving]: 4 } } })
          await troupe.ask(say, { words: [] }, { queue: moving })

          await Effect.runPromise(cluster.move(slot, spare))

          expect(await troupe.ask(say, { words: ["a"] }, { queue: moving, timeout: "10 seconds" })).toBe(1)
          const task = await troupe.submit(say, { words: ["a", "b"] }, { queue: moving })
          const heard = []
          for await (const event of task.events()) if (event.type === "chunk") heard.push(event.chunk)
          expect(heard).toEqual(["a", "b"])
        })
        expect(yield* Effect.promise(() => spare.client.keys("*"))).not.toEqual([])
      }),
    30_000
  )
})

/** Submits to queues in turn until it is told to stop, and waits for what was acknowledged. */
const load = (troupe: Awaited<ReturnType<typeof connectTo>>, of: string, queues: ReadonlyArray<string>) => {
  const acknowledged = new Map<string, number>()
  const unknown: Array<string> = []
  let on = true
  let next = 0
  const submitter = async (queue: string) => {
    while (on) {
      const n = next++
      try {
        acknowledged.set((await troupe.submit(noted, { of, n }, { queue })).id, n)
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
        unknown.push(String(error.cause))
      }
    }
  }
  const all = Promise.all(queues.map(submitter))
  return {
    unknown,
    /** Waits until more of a queue was acknowledged. */
    more: (queue: string) =>
      Effect.promise(() => {
        const ofIt = () => [...acknowledged.keys()].filter((id) => id.startsWith(`${queue}.`)).length
        const before = ofIt()
        return eventually(`more of ${queue}`, () => (ofIt() > before + 100 ? true : undefined))
      }),
    /** Stops, and succeeds with those that have not ended well, and with how often each ran. */
    outcome: Effect.promise(async () => {
      on = false
      await all
      const results = await Promise.allSettled(
        [...acknowledged.keys()].map((id) => troupe.result(id, { timeout: "30 seconds" }))
      )
      const times = new Map<number, number>()
      for (const run of ran) if (run.of === of) times.set(run.n, (times.get(run.n) ?? 0) + 1)
      return {
        lost: results.filter(({ status }) => status === "rejected"),
        times: new Set([...acknowledged.values()].map((n) => times.get(n) ?? 0))
      }
    })
  }
}

/** A cluster with a system on it, whose first queue is about to be hurt, and whose other one is on another node. */
const aHurtCluster = Effect.fnUntraced(function* (
  options: ClusterOptions,
  settings: NonNullable<Parameters<typeof connect>[0]>["settings"] = {}
) {
  const cluster = yield* aCluster(options)
  const [node, other] = cluster.masters as [RedisProcess, RedisProcess]
  const [hurt, whole] = [yield* cluster.queueOn(node), yield* cluster.queueOn(other)]
  const troupe = yield* Effect.acquireRelease(
    Effect.promise(() =>
      connectTo(cluster.url, { work: { queues: { [hurt]: 8, [whole]: 8 } }, settings: settings ?? {} })
    ),
    (troupe) => Effect.promise(() => troupe.close())
  )
  return { cluster, node, hurt, whole, troupe }
})

/** Asks for a task of a queue until it is answered. */
const isServed = (troupe: Awaited<ReturnType<typeof connectTo>>, queue: string) =>
  Effect.promise(() =>
    eventually(`${queue} to be served`, () =>
      troupe.ask(say, { words: ["a"] }, { queue, timeout: "10 seconds" }).catch((error: unknown) => {
        if (!(error instanceof StoreError)) throw error
        return undefined
      })
    )
  )

describe("a master that is no more", () => {
  it.live(
    "has its replica take over, with every task that was acknowledged there",
    () =>
      Effect.gen(function* () {
        const { cluster, hurt, node, troupe, whole } = yield* aHurtCluster({ replicas: 1 }, { replicas: 1 })
        const { more, outcome } = load(troupe, "killed", [hurt, hurt, hurt, whole])
        yield* more(hurt)

        yield* cluster.failOver(node)
        // Nothing is acknowledged before the new master has a replica, too.
        yield* node.start
        yield* more(hurt)
        yield* more(whole)

        expect((yield* outcome).lost).toEqual([])
      }),
    60_000
  )

  it.live(
    "has its replica take over when it freezes, and is not asked any more when it thaws",
    () =>
      Effect.gen(function* () {
        const { cluster, hurt, node, troupe, whole } = yield* aHurtCluster({ replicas: 1 }, { replicas: 1 })
        const { more, outcome } = load(troupe, "frozen", [hurt, hurt, hurt, whole])
        yield* more(hurt)

        yield* node.freeze
        yield* cluster.takenOver(node)
        yield* node.thaw
        yield* more(hurt)
        yield* more(whole)

        expect((yield* outcome).lost).toEqual([])
      }),
    60_000
  )

  it.live(
    "loses nothing, and has nothing run twice, when its replica was asked to take over",
    () =>
      Effect.gen(function* () {
        const { cluster, hurt, node, troupe, whole } = yield* aHurtCluster({ replicas: 1 })
        const { more, outcome, unknown } = load(troupe, "planned", [hurt, hurt, hurt, whole])
        yield* more(hurt)

        yield* cluster.switchOver(node)
        yield* more(hurt)
        yield* more(whole)

        const { lost, times } = yield* outcome
        expect({ lost, unknown, times: [...times] }).toEqual({ lost: [], unknown: [], times: [1] })
      }),
    60_000
  )

  it.live(
    "and has no replica holds up its own queues only, where the others go on without it, and is used again",
    () =>
      Effect.gen(function* () {
        const { hurt, node, troupe, whole } = yield* aHurtCluster({ coverage: "part" })
        for (const queue of [hurt, whole]) yield* isServed(troupe, queue)
        yield* node.kill

        yield* Effect.promise(async () => {
          for (let n = 0; n < 20; n++)
            expect(await troupe.ask(say, { words: ["a"] }, { queue: whole, timeout: "10 seconds" })).toBe(1)
        })
        yield* node.start

        yield* isServed(troupe, hurt)
      }),
    60_000
  )
})

describe("a cluster that has lost most of its masters", () => {
  it.live(
    "fails what is asked in time, and is used again when they are back",
    () =>
      Effect.gen(function* () {
        const { cluster, hurt, troupe, whole } = yield* aHurtCluster({})
        for (const queue of [hurt, whole]) yield* isServed(troupe, queue)
        const [one, two] = cluster.masters
        for (const node of [one!, two!]) yield* node.kill

        const errors = yield* Effect.promise(() =>
          Promise.all(
            [hurt, whole].map((queue) => troupe.submit(say, { words: [] }, { queue }).catch((error) => error))
          )
        )
        for (const error of errors) expect(error).toBeInstanceOf(StoreError)
        for (const node of [one!, two!]) yield* node.start

        for (const queue of [hurt, whole]) yield* isServed(troupe, queue)
      }),
    60_000
  )
})

describe("a slot that no node has", () => {
  it.live(
    "is looked for now and then, not all the time",
    () =>
      Effect.gen(function* () {
        const cluster = yield* aCluster({ coverage: "part" })
        const queue = yield* cluster.queueOn(cluster.masters[0]!)
        const slot = yield* cluster.slotOf(`{${queue}.0}`)
        const context = yield* Layer.build(RedisStore.layer().pipe(Layer.provide(settingsFor(cluster.url))))
        const store = Context.get(context, Store)
        const inbox = yield* store.inbox
        const connections = Effect.promise(async () => {
          const told = cluster.masters.map((node) => node.told("total_connections_received", "stats"))
          return (await Promise.all(told)).reduce((sum, count) => sum + Number(count), 0)
        })
        yield* Effect.promise(() =>
          Promise.all(cluster.masters.map(({ client }) => client.call("cluster", "delslots", slot)))
        )
        const before = yield* connections

        const outcomes = yield* Effect.all(
          [Effect.exit(store.submit(`${queue}.0`, [aTask()])), Effect.exit(inbox.tune(`${queue}.0`))],
          { concurrency: "unbounded" }
        )

        expect(outcomes.map(({ _tag }) => _tag)).toEqual(["Failure", "Failure"])
        // In five seconds, by two who look twenty times a second.
        expect((yield* connections) - before).toBeLessThan(250)
      }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
    30_000
  )
})

describe("a cluster that cannot be used", () => {
  const refusal = (url: string) =>
    RedisStore.layer().pipe(
      Layer.provide(settingsFor(url)),
      Layer.build,
      Effect.scoped,
      Effect.flip,
      Effect.provideService(References.MinimumLogLevel, "None")
    )

  it.live(
    "is not looked for for ever where nobody answers, and it is said where that was",
    () =>
      Effect.gen(function* () {
        const hosts = [`127.0.0.1:${aFreePort()}`, `127.0.0.1:${aFreePort()}`]

        const error = yield* refusal(`redis+cluster://${hosts.join(",")}`)

        expect(error).toMatchObject({ _tag: "RedisUnusable", problem: "unreachable" })
        for (const host of hosts) expect(error.message).toContain(host)
      }),
    15_000
  )

  it.live("is found by whichever node answers, be it a replica", () =>
    Effect.gen(function* () {
      const cluster = yield* aCluster({ replicas: 1 })
      const [replica] = yield* cluster.replicasOf(cluster.masters[0]!)
      const url = cluster.urlVia([`127.0.0.1:${aFreePort()}`, replica!.host])

      const found = yield* RedisStore.layer().pipe(
        Layer.provide(settingsFor(url)),
        Layer.build,
        Effect.scoped,
        Effect.exit
      )

      expect(found._tag).toBe("Success")
    })
  )

  it.live("is told from a server that is none", () =>
    Effect.gen(function* () {
      const server = yield* aServer()
      const port = aFreePort()
      yield* Effect.flatMap(server.client, (client) =>
        Effect.promise(() => client.config("SET", "port", String(port)))
      )

      const error = yield* refusal(`redis+cluster://127.0.0.1:${port}`)

      expect(error._tag).toBe("RedisUnusable")
      expect(error.message).toMatch(/cluster/)
      expect(error.message).toContain("redis://")
    })
  )

  it.live("says how it is meant to be named where one of its nodes is taken for all of it", () =>
    Effect.gen(function* () {
      const error = yield* refusal(`redis://${cluster.masters[0]!.host}`)

      expect(error).toMatchObject({ _tag: "RedisUnusable", problem: "cluster" })
      expect(error.message).toContain("redis+cluster://")
    })
  )

  it.live("says that it refuses the password", () =>
    Effect.gen(function* () {
      const cluster = yield* aCluster({ password: "p" })

      expect(yield* refusal(cluster.url.replace(":p@", ":wrong@"))).toMatchObject({
        _tag: "RedisUnusable",
        problem: "password"
      })
      expect(yield* refusal(cluster.url.replace(":p@", ""))).toMatchObject({
        _tag: "RedisUnusable",
        problem: "password"
      })
      const found = yield* RedisStore.layer().pipe(
        Layer.provide(settingsFor(cluster.url)),
        Layer.build,
        Effect.scoped,
        Effect.exit
      )
      expect(found._tag).toBe("Success")
    })
  )
})
