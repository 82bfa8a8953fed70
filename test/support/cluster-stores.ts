/**
 * The stores that suites run against, on one Redis Cluster for all tests of this process: partitions that have to do with each
 * other lie on different nodes. Each store is in a namespace of its own, on a clock that the test moves.
 */
import { Effect, Exit, Layer, Scope } from "effect"
import { Settings, type SettingsShape } from "../../runtime/config.ts"
import { partitionKeys } from "../../runtime/keys.ts"
import { limitsPartition } from "../../runtime/limits.ts"
import { queuesPartition } from "../../runtime/queue-names.ts"
import * as RedisStore from "../../runtime/redis/stores.ts"
import { schedulesPartition } from "../../runtime/schedules.ts"
import type { Partition } from "../../runtime/task.ts"
import { apiOn } from "./api.ts"
import { atTheEnd } from "./end.ts"
import type { LimitsUnderTest } from "./limits.ts"
import type { OperationsUnderTest } from "./operations.ts"
import { aCluster } from "./redis-cluster.ts"
import { schedulesOn } from "./schedules.ts"
import { settingsFor } from "./server.ts"
import { Bell, elsewhere, partition, redisTimeOf, type StoreUnderTest } from "./stores.ts"
import { scriptsOnTestTime, TestTime } from "./time.ts"

const scope = Scope.makeUnsafe()

/** It is not hurt by any test. Tasks, what they tell others, limits, and schedules are at different places. */
export const cluster = await Effect.gen(function* () {
  const cluster = yield* aCluster()
  const [one, two, three] = cluster.masters
  const places = [
    [partition, two],
    [elsewhere, three],
    [limitsPartition, one],
    [schedulesPartition, one],
    [queuesPartition, three]
  ] as const
  for (const [partition, node] of places) {
    const key = `{${partition}}`
    if ((yield* cluster.nodeOf(key)) !== node) yield* cluster.move(yield* cluster.slotOf(key), node!)
  }
  return cluster
}).pipe(Scope.provide(scope), Effect.runPromise)

atTheEnd(() => Effect.runPromise(Scope.close(scope, Exit.void)))

/** Settings for a test on the cluster, in a namespace of its own. */
export const clusterSettings = (over: Partial<SettingsShape> = {}) => settingsFor(cluster.url, over)

/** One clock for some partitions, wherever they lie. */
export const timeOf = (...partitions: ReadonlyArray<Partition>) =>
  Layer.effect(
    TestTime,
    Effect.gen(function* () {
      const { namespace } = yield* Settings
      const times = yield* Effect.forEach(partitions, (partition) => {
        const { base } = partitionKeys(namespace, partition)
        return Effect.flatMap(cluster.nodeOf(base), ({ client }) => redisTimeOf(client, base))
      })
      return TestTime.of({
        now: times[0]!.now,
        advance: (by) => Effect.forEach(times, (time) => time.advance(by), { discard: true }),
        setBack: (by) => Effect.forEach(times, (time) => time.setBack(by), { discard: true })
      })
    })
  )

const bell = Layer.effect(
  Bell,
  Effect.gen(function* () {
    const { bell } = partitionKeys((yield* Settings).namespace, partition)
    const { client } = yield* cluster.nodeOf(bell)
    return { rang: Effect.promise(async () => (await client.lpop(bell)) !== null) }
  })
)

/** What is made of a store, with settings of its own whenever it is built. */
const built = <A, E>(layer: Layer.Layer<A, E, Settings>, over: Partial<SettingsShape>): Layer.Layer<A> =>
  Layer.unwrap(Effect.sync(() => Layer.orDie(Layer.provide(layer, clusterSettings(over)))))

const store = RedisStore.layer(scriptsOnTestTime)

export const clusterStore = (over: Partial<SettingsShape> = {}): Layer.Layer<StoreUnderTest> =>
  built(Layer.mergeAll(store, timeOf(partition, elsewhere), bell), over)

export const clusterLimits = (over: Partial<SettingsShape> = {}): Layer.Layer<LimitsUnderTest> =>
  built(Layer.merge(store, timeOf(limitsPartition)), over)

export const clusterOperations = (over: Partial<SettingsShape> = {}): Layer.Layer<OperationsUnderTest> =>
  built(Layer.merge(store, timeOf(partition, queuesPartition)), over)

export const clusterSchedules = (over: Partial<SettingsShape> = {}) =>
  schedulesOn(store, timeOf(partition, schedulesPartition), () => clusterSettings(over))

/** What an API asks for, in a namespace of its own. */
export const clusterApi = apiOn(RedisStore.layer(), clusterSettings)

/** All keys of a namespace, on whichever node. */
export const keysIn = (namespace: string) => cluster.keys(`${namespace}:*`)
