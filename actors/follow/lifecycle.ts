/**
 * What becomes of all tasks, to programs that listen: gap-free and in order within each queue, across reconnects, or with a
 * word about the gap.
 *
 * A listener is a position in the log of every queue and pulls at its own pace: one that is slow costs no memory, one that
 * goes away leaves nothing behind. All listeners of a process share what is read. While there is none, nothing is noted
 * anywhere, and nobody pays; the log goes on for a while after the last one left, for those who come back.
 */
import {
  type Array as Arr,
  Cause,
  Context,
  Effect,
  Layer,
  type Pull,
  RcRef,
  Schema,
  type Scope,
  Stream
} from "effect"
import { type Life, LifecycleLog } from "../../runtime/lifecycle.ts"
import { Operations } from "../../runtime/operations.ts"
import { Handlers } from "../../runtime/registry.ts"
import type { StoreError } from "../../runtime/store.ts"
import { type Partition, partitionOf, QueueName, queueOf } from "../../runtime/task.ts"
import { isOwn, Tenant, tenantDefault } from "../../runtime/tenant.ts"
import { upkeepPause } from "../../runtime/upkeep.ts"
import { type LifecycleEvent, lifecycleEventOf, LifecycleType } from "./lifecycle-event.ts"
import {
  type LifecyclePositionInvalid,
  placesText,
  positionMax,
  readPlaces,
  type Return,
  sealedPositionMax
} from "./lifecycle-position.ts"
import { type Log, openLog, pageMax } from "./lifecycle-queue.ts"

export { type LifecycleEvent, LifecycleType } from "./lifecycle-event.ts"
export { LifecyclePositionInvalid } from "./lifecycle-position.ts"

const text = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(256))
const some = <A extends Schema.Top>(of: A) =>
  Schema.optionalKey(Schema.Array(of).check(Schema.isMaxLength(100)))

/** Which events are wanted: those that fit each field that is said, by one of its values. */
export const LifecycleFilter = Schema.Struct({
  types: some(LifecycleType),
  names: some(text),
  queues: some(QueueName),
  keys: some(text),
  /** Of the task's tags, one will do. */
  tags: some(text)
})
export type LifecycleFilter = typeof LifecycleFilter.Type

/** What a listener is told. Who comes back with an `id` goes on after it. */
export type LifecycleNews =
  /** From here on nothing is missed: the first word of all. */
  | { readonly type: "listening"; readonly id: string }
  | (LifecycleEvent & { readonly id: string })
  /** Events of a queue are no longer there to be read; `*` of one that another tenant than `default` is told nothing of. */
  | { readonly type: "gap"; readonly queue: string; readonly id: string }

export class Lifecycle extends Context.Service<
  Lifecycle,
  {
    /**
     * What happens to the tasks of the fiber's `Tenant` from now on, or from a position on. It fails when it cannot begin to listen; later it waits until
     * the store answers again.
     */
    readonly follow: (
      filter?: LifecycleFilter,
      after?: string
    ) => Stream.Stream<LifecycleNews, LifecyclePositionInvalid | StoreError>
    /** How many listen in this process. */
    readonly listeners: Effect.Effect<number>
  }
>()("troupe/Lifecycle") {}

/** How long the log of a queue is kept up after a listener's last word, and how often that is said, in milliseconds. */
const leaseMs = 90_000
const renewMs = 15_000

/** How often new queues are looked for, and all is read again in case a hint was lost. */
const lookEvery = "2 seconds"

/** How many queues are read or renewed at once. */
const atOnce = 8

const fits = <A>(wanted: ReadonlyArray<A> | undefined, value: A | undefined) =>
  wanted === undefined || (value !== undefined && wanted.includes(value))

/** Whether an event is wanted. */
export const isWanted = (
  { keys, names, queues, tags, types }: LifecycleFilter,
  event: LifecycleEvent
): boolean =>
  fits(types, event.type) &&
  fits(names, event.name) &&
  fits(queues, event.queue) &&
  fits(keys, event.key) &&
  (tags === undefined || event.tags.some((tag) => tags.includes(tag)))

/** Opens the logs of all queues, for as long as the scope is open; `life` is that of the process. */
const openAll = Effect.fnUntraced(function* (life: Scope.Scope) {
  const log = yield* LifecycleLog
  const operations = yield* Operations
  const handlers = yield* Handlers
  const { next, tune } = yield* log.hints
  const logs = new Map<Partition, Log>()
  const opening = new Set<Partition>()
  const news = makeNews()

  const add = Effect.fnUntraced(function* (partition: Partition) {
    if (logs.has(partition) || opening.has(partition)) return
    opening.add(partition)
    yield* Effect.gen(function* () {
      yield* tune(partition)
      logs.set(partition, openLog(partition, yield* log.listen(partition, leaseMs)))
    }).pipe(Effect.ensuring(Effect.sync(() => opening.delete(partition))))
  })

  const named = new Set([partitionOf("default"), ...handlers.all.map(({ queue }) => partitionOf(queue))])

  /** The queues that have tasks, and those that handlers name: nothing is missed of the first task of one. */
  const addAll = Effect.flatMap(operations.partitions, (partitions) =>
    Effect.forEach(new Set([...partitions, ...named]), add, { concurrency: atOnce, discard: true })
  )
  yield* addAll

  /** Reads on, one read of a queue at a time; what is hinted at meanwhile is read after it. */
  const reading = new Map<Partition, boolean>()
  const read = (partition: Partition): Effect.Effect<void> =>
    Effect.gen(function* () {
      const one = logs.get(partition)
      if (one === undefined) return
      if (reading.has(partition)) return void reading.set(partition, true)
      reading.set(partition, true)
      while (reading.get(partition) === true) {
        reading.set(partition, false)
        const lives = yield* log.read(partition, one.tip(), pageMax)
        one.add(lives)
        if (lives.length > 0) news.tell()
        if (lives.length === pageMax) reading.set(partition, true)
      }
    }).pipe(
      // It is read again within seconds.
      Effect.catch((error) => Effect.logDebug(error.message)),
      Effect.ensuring(Effect.sync(() => reading.delete(partition)))
    )
  const readAll = Effect.suspend(() =>
    Effect.forEach([...logs.keys()], read, { concurrency: atOnce, discard: true })
  )

  const renew = Effect.suspend(() =>
    Effect.forEach(
      [...logs],
      ([partition, one]) =>
        Effect.map(log.listen(partition, leaseMs), (place) => {
          if (one.renewed(place)) news.tell()
        }),
      { concurrency: atOnce, discard: true }
    )
  )

  const forever = (what: string, step: Effect.Effect<unknown, StoreError>) =>
    Effect.forever(
      // The store answers again, or it does not: nobody here can do more than to go on.
      step.pipe(Effect.catch((error) => Effect.logDebug(error.message)))
    ).pipe(
      Effect.tapCause((cause) =>
        Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError(`${what} stopped`, cause)
      ),
      Effect.forkScoped
    )
  // Each in a fiber of its own, so that one slow queue does not hold the others back.
  const fork = yield* Effect.context<Scope.Scope>()
  const readSoon = (partition: Partition) => Effect.provideContext(Effect.forkScoped(read(partition)), fork)
  yield* forever(
    "hearing of lifecycle events",
    Effect.flatMap(next, (hint) => (hint === undefined ? readAll : readSoon(hint)))
  )
  yield* forever(
    "looking for queues",
    Effect.andThen(upkeepPause(lookEvery), Effect.andThen(addAll, readAll))
  )
  yield* forever("listening on", Effect.andThen(upkeepPause(renewMs), renew))

  // Nobody comes back after the last lease is over: then nothing is to be left of it.
  yield* Effect.addFinalizer(() =>
    upkeepPause(leaseMs + 1_000).pipe(
      Effect.andThen(Effect.forEach([...logs.keys()], log.forget, { discard: true })),
      Effect.ignore,
      Effect.forkIn(life)
    )
  )

  return { log, logs, named, news, addAll }
})

type All = Effect.Success<ReturnType<typeof openAll>>

const unknownQueue = "*"

/** Of gaps in queues without a name the last one stands for all that come at once: how many there are is nobody's business. */
const withoutEcho = (said: ReadonlyArray<LifecycleNews>): ReadonlyArray<LifecycleNews> => {
  const isNameless = (news: LifecycleNews) => news.type === "gap" && news.queue === unknownQueue
  const last = said.findLast(isNameless)
  return last === undefined ? said : said.filter((news) => news === last || !isNameless(news))
}

/** Which queues somebody follows. */
const followedBy = ({ queues }: LifecycleFilter) => {
  const followed = queues === undefined ? undefined : new Set(queues.map(partitionOf))
  return (partition: Partition) => followed === undefined || followed.has(partition)
}

/** One who listens: its pull takes what there is, and waits while there is nothing. */
const listener = (
  { log, logs, named, news }: All,
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

const make = Effect.gen(function* () {
  const log = yield* LifecycleLog
  const operations = yield* Operations
  const handlers = yield* Handlers
  let listeners = 0
  const all = yield* RcRef.make({
    acquire: openAll(yield* Effect.scope).pipe(
      Effect.provideService(LifecycleLog, log),
      Effect.provideService(Operations, operations),
      Effect.provideService(Handlers, handlers)
    )
  })

  return Lifecycle.of({
    follow: (filter = {}, after) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const back: Return =
            after === undefined
              ? { places: new Map(), more: false }
              : yield* Effect.fromResult(readPlaces(after))
          const open = yield* RcRef.get(all)
          // Only a queue that is known is opened: any name can be said. Another one is, once it has a task.
          if (filter.queues?.some((queue) => !open.logs.has(partitionOf(queue))) === true) yield* open.addAll
          // A queue that it was told nothing of yet is followed from now on.
          if (after === undefined) {
            const isFollowed = followedBy(filter)
            for (const [partition, one] of open.logs)
              if (isFollowed(partition)) back.places.set(partition, one.tip())
          }
          yield* Effect.acquireRelease(
            Effect.sync(() => void listeners++),
            () => Effect.sync(() => void listeners--)
          )
          const tenant = yield* Tenant
          return Stream.fromPull(Effect.sync(() => listener(open, { filter, tenant }, back)))
        })
      ),
    listeners: Effect.sync(() => listeners)
  })
})

/** Wakes all who wait. Who has looked at some version waits only if there was nothing since. */
const makeNews = () => {
  let version = 0
  const waiters = new Set<() => void>()
  return {
    version: () => version,
    tell: () => {
      version++
      // Who is woken may wait again at once: for the next time.
      for (const wake of [...waiters]) wake()
    },
    after: (seen: number) =>
      Effect.callback<void>((resume) => {
        if (version !== seen) return resume(Effect.void)
        const wake = () => {
          waiters.delete(wake)
          resume(Effect.void)
        }
        waiters.add(wake)
        return Effect.sync(() => waiters.delete(wake))
      })
  }
}

/** Give it the log, the operations and the handlers. */
export const layer = Layer.effect(Lifecycle, make)
