/** Prepares tasks at the time of the store's clock, each under an id of its own, for the queue that its route and the load say. */
import { Clock, Duration, Effect, Redacted, Result } from "effect"
import { Settings, type SettingsShape } from "../../runtime/config.ts"
import { Handlers } from "../../runtime/registry.ts"
import { routeOf } from "../../runtime/routes.ts"
import { makeUlid } from "../../runtime/ulid.ts"
import { followedBy } from "../../runtime/telemetry/following.ts"
import type { Carried } from "../../runtime/telemetry/trace-context.ts"
import { storedTenant, Tenant } from "../../runtime/tenant.ts"
import type { Lookout } from "./lookout.ts"
import type { Birth } from "./offspring.ts"
import { type Preparation, prepare, type Prepared, type Unfit } from "./preparation.ts"
import { makeStoreClock } from "./store-clock.ts"

/** Queues among which the load decides. */
export const sharedQueues = ({ routes }: SettingsShape): ReadonlySet<string> =>
  new Set(routes.flatMap(({ queues }) => (queues.length > 1 ? queues : [])))

/** The handler of a task whose queue nobody has named, as far as can be told before it is checked. */
const handlerIn = (task: unknown): string | undefined =>
  typeof task === "object" &&
  task !== null &&
  "name" in task &&
  typeof task.name === "string" &&
  !("queue" in task)
    ? task.name
    : undefined

/** What is over, or is counted from now on: by our clock a task could start too early, or be over before it was stored. */
const timesOfStore = ["runAt", "expiresAt", "expiresMs", "deadlineMs"] as const

/** Whether a task, or its handler for all of them, says such a time, as far as can be told before it is checked. */
const saysTime = (task: unknown, find: Handlers["Service"]["find"]): boolean => {
  if (typeof task !== "object" || task === null || !("name" in task)) return false
  if (timesOfStore.some((option) => option in task)) return true
  const handler = typeof task.name === "string" ? find(task.name) : undefined
  return handler?.expiresMs !== undefined || handler?.deadlineMs !== undefined
}

/** Where a task comes from. */
interface From {
  readonly reply?: string
  readonly birth?: Birth
  /** Whose it is, if nobody's child; absent for the tenant `default`. */
  readonly tenant?: string | undefined
  /** The trace that it follows, where the task itself says none. */
  readonly carried?: Carried | undefined
}

export const makePreparing = Effect.fnUntraced(function* ({ choose, look, unseen }: Lookout) {
  const handlers = yield* Handlers
  const clock = yield* Clock.Clock
  const settings = yield* Settings
  const { retention, routes, webhookSecrets } = settings
  const signs = webhookSecrets === undefined ? undefined : Redacted.value(webhookSecrets).has
  const retentionMs = Duration.toMillis(retention)
  const isShared = sharedQueues(settings).size > 0
  const storeClock = yield* makeStoreClock
  const ulid = makeUlid()
  const run = Effect.runPromiseWith(yield* Effect.context<never>())

  /** The queues of a task that are to be looked at first. */
  const unseenOf = (task: unknown) => {
    const handler = handlerIn(task)
    const queues = handler === undefined ? undefined : routeOf(routes, handler)
    return queues === undefined || queues.length === 1 ? [] : unseen(queues)
  }

  return (task: unknown, from: From = {}): Preparation => {
    const isTimed = saysTime(task, handlers.find)
    const preparing = () => {
      const ours = clock.currentTimeMillisUnsafe()
      const now = (isTimed ? storeClock.now() : undefined) ?? ours
      return prepare(handlers, task, {
        ...from,
        now,
        unique: ulid(ours),
        retentionMs,
        routes,
        choose,
        signs
      })
    }
    const isUnknown = isTimed && storeClock.now() === undefined
    if (!isShared && !isUnknown) return preparing()
    const first = isShared ? unseenOf(task).map(look) : []
    if (isUnknown) first.push(storeClock.look)
    if (first.length === 0) return preparing()
    return run(Effect.all(first, { concurrency: "unbounded", discard: true })).then(preparing)
  }
})

/** What was prepared, or why it was refused, once that is known. */
export const settle = (preparation: Preparation): Effect.Effect<Result.Result<Prepared, Unfit>> =>
  preparation instanceof Promise ? Effect.promise(() => preparation) : Effect.succeed(preparation)

/** Goes on with what was prepared, or fails with why it was refused. */
export const whenPrepared = <A, E, R>(
  preparing: (tenant: string | undefined, carried: Carried | undefined) => Preparation,
  then: (prepared: Prepared) => Effect.Effect<A, E, R>
) =>
  Effect.withFiber((fiber): Effect.Effect<A, E | Unfit, R> => {
    const decide = (result: Result.Result<Prepared, Unfit>): Effect.Effect<A, E | Unfit, R> =>
      Result.isFailure(result) ? Effect.fail(result.failure) : then(result.success)
    const preparation = preparing(storedTenant(fiber.getRef(Tenant)), followedBy(fiber))
    return preparation instanceof Promise ? Effect.flatMap(settle(preparation), decide) : decide(preparation)
  })
