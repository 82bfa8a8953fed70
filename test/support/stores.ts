/** The stores that the suites run against, each with a clock that the test moves and with bells that it can look at. */
import { Context, Duration, Effect, Fiber, Layer, Redacted, Result } from "effect"
import { Redis } from "ioredis"
import type { Admission } from "../../runtime/admission.ts"
import type { Agents } from "../../runtime/agents.ts"
import { Settings, type SettingsShape } from "../../runtime/config.ts"
import { partitionKeys } from "../../runtime/keys.ts"
import type { LifecycleLog } from "../../runtime/lifecycle.ts"
import * as Memory from "../../runtime/memory/stores.ts"
import type { Members } from "../../runtime/members.ts"
import type { Operations } from "../../runtime/operations.ts"
import { readServer } from "../../runtime/redis/address.ts"
import * as RedisStore from "../../runtime/redis/stores.ts"
import type { Schedules } from "../../runtime/schedules.ts"
import type { Steps } from "../../runtime/steps.ts"
import { bellWaitMaxMs, Store } from "../../runtime/store.ts"
import type { Partition } from "../../runtime/task.ts"
import { memorySettings, redisSettings, redisUrl } from "./redis.ts"
import { memoryTime, scriptsOnTestTime, setRedisTime, startOfTime, TestTime } from "./time.ts"

/** Where the suite's tasks live. */
export const partition: Partition = "default.0"

/** Another one, for what passes between two. */
export const elsewhere: Partition = "other.0"

/** What the store does not show: whether its bell has rung since this was last asked. Asking takes the token. */
export class Bell extends Context.Service<Bell, { readonly rang: Effect.Effect<boolean> }>()("test/Bell") {}

export type StoreUnderTest =
  | Store
  | Steps
  | Admission
  | Agents
  | LifecycleLog
  | Members
  | Operations
  | Schedules
  | TestTime
  | Bell

// ---------------------------------------------------------------------------------------------------------
// Memory
// ---------------------------------------------------------------------------------------------------------

/** More steps than a wait for a bell that has rung ever takes; its timeout is on a clock that stands still. */
const stepsOfWait = 10

const memoryBell = Layer.effect(
  Bell,
  Effect.gen(function* () {
    const bell = yield* (yield* Store).bell(partition)
    const rang = Effect.gen(function* () {
      const waiting = yield* Effect.forkChild(bell.wait(bellWaitMaxMs), { startImmediately: true })
      for (let step = 0; step < stepsOfWait && waiting.pollUnsafe() === undefined; step++)
        yield* Effect.yieldNow
      const done = waiting.pollUnsafe() !== undefined
      yield* Fiber.interrupt(waiting)
      return done
    })
    return { rang }
  })
)

export const memoryStore = (over: Partial<SettingsShape> = {}): Layer.Layer<StoreUnderTest> =>
  Layer.orDie(memoryBell).pipe(
    Layer.provideMerge(Memory.layer),
    Layer.provideMerge(memoryTime),
    Layer.provide(memorySettings(over))
  )

// ---------------------------------------------------------------------------------------------------------
// Redis
// ---------------------------------------------------------------------------------------------------------

/** A connection of the test's own, to do what only the test does. */
export const aClient = Effect.acquireRelease(
  Effect.sync(() => new Redis(Result.getOrThrow(readServer(Redacted.make(redisUrl))))),
  (client) => Effect.sync(() => client.disconnect())
)

/** The clock of some partitions. */
export const redisTimeOf = Effect.fnUntraced(function* (client: Redis, ...bases: ReadonlyArray<string>) {
  let now = startOfTime
  const set = (to: number) =>
    Effect.promise(async () => {
      now = to
      for (const base of bases) await setRedisTime(client, base, now)
    })
  yield* set(now)
  return TestTime.of({
    now: Effect.sync(() => now),
    advance: (by) => set(now + Duration.toMillis(by)),
    setBack: (by) => set(now - Duration.toMillis(by))
  })
})

const redisTools = Layer.effectContext(
  Effect.gen(function* () {
    const client = yield* aClient
    const { namespace } = yield* Settings
    const { base, bell } = partitionKeys(namespace, partition)
    const { base: other } = partitionKeys(namespace, elsewhere)
    return Context.empty().pipe(
      Context.add(TestTime, yield* redisTimeOf(client, base, other)),
      Context.add(Bell, { rang: Effect.promise(async () => (await client.lpop(bell)) !== null) })
    )
  })
)

export const redisStore = (
  over: Partial<SettingsShape> = {},
  scripts = scriptsOnTestTime
): Layer.Layer<StoreUnderTest> =>
  Layer.unwrap(
    Effect.sync(() =>
      // Made anew whenever the layer is built: the settings carry a namespace of their own.
      Layer.orDie(Layer.merge(RedisStore.layer(scripts), redisTools).pipe(Layer.provide(redisSettings(over))))
    )
  )
