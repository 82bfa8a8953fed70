/**
 * A whole system inside a test, as an Effect layer: dispatcher, worker, janitor and all else that runs in production,
 * over the store in memory and a clock that the test moves.
 *
 * The layer brings the clock and the scheduler that it is watched by, so what is provided with it runs on them, too:
 * `TestClock.adjust` moves the same time as `advance`.
 */
import { Clock, Context, Duration, Effect, Fiber, Layer, Random, Scheduler, Schema, Stream } from "effect"
import type { FollowEvent } from "../../actors/follow/follower.ts"
import type { SettingsShape } from "../../runtime/config.ts"
import type { AgentTyped } from "../../runtime/current-agent.ts"
import { millisOf, written } from "../../runtime/duration.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import * as Memory from "../../runtime/memory/stores.ts"
import { type Names, refuseStranger } from "../../runtime/option-names.ts"
import { Operations } from "../../runtime/operations.ts"
import { Handlers } from "../../runtime/registry.ts"
import { Store } from "../../runtime/store.ts"
import { type EventError, Troupe, type WorkOptions } from "../client/effect.ts"
import type { InvalidTaskId } from "../client/errors.ts"
import { handlersIn, knownIn, laidOver, logLevel } from "../client/settings.ts"
import { type InputOf, type Named, nameOf, type OutputOf } from "../client/submission.ts"
import type { HandlerRun } from "./spy.ts"
import { makeTime, type Time } from "./time.ts"

/** Time cannot be moved so. It is where it was. */
export class TimeRefused extends Schema.TaggedError<TimeRefused>()("TimeRefused", {
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

/** There is still work, or nothing left that time could bring about. Time has moved as far as it was allowed. */
export class StillBusy extends Schema.TaggedError<StillBusy>()("StillBusy", {
  /** How many tasks have not ended. */
  tasks: Schema.Int,
  reason: Schema.String
}) {
  override get message() {
    return `${this.tasks} ${this.tasks === 1 ? "task has" : "tasks have"} not ended: ${this.reason}`
  }
}

/** What is under test, and when its time begins. */
export interface TestOptions {
  /** The handlers of the system, all of them, each with a name of its own: it runs the queues that they name, and looks into no folder. */
  readonly handlers: ReadonlyArray<TaskDefinition>
  /** What the clock shows at first; a text is ISO 8601. Default: the beginning of 2030, in UTC. */
  readonly now?: Date | string
  /**
   * How long, in real time, nothing may be heard of a handler that waits for something other than the clock before
   * time goes on without it. Default: 1 second.
   */
  readonly patience?: Duration.Input
  /** What the jitter of retries is drawn from. The same number draws the same. Default: 1. */
  readonly seed?: number
  /** Queues, and how many tasks of each run at once. Default: every queue that a handler names. */
  readonly queues?: WorkOptions["queues"]
  /** Laid over the defaults; the environment says nothing here. */
  readonly settings?: Partial<SettingsShape>
}

const names: Names<TestOptions> = {
  handlers: true,
  now: true,
  patience: true,
  seed: true,
  queues: true,
  settings: true
}

/** A run of a handler; of an agent, the handling of a message, each of which has types of its own. */
export type RunOf<T extends Named> = T extends AgentTyped ? HandlerRun : HandlerRun<InputOf<T>, OutputOf<T>>

/** What a test does with time, and what it sees. */
export interface TestControls {
  /** What the test's clock shows, in Unix milliseconds. */
  readonly now: Effect.Effect<number>
  /**
   * Lets so much time pass. When it succeeds, every task that has become due by then has run as far as it can, each at
   * its own time and in order.
   */
  readonly advance: (by: Duration.Input) => Effect.Effect<void, TimeRefused>
  /** The same, up to a time, which must not be over. A text is ISO 8601. */
  readonly setTime: (at: Date | string | number) => Effect.Effect<void, TimeRefused>
  /** Lets everything run as far as it can without any time passing. */
  readonly settle: Effect.Effect<void>
  /** Lets time pass until every task of every queue has ended, `within` at most. Default: 30 days. */
  readonly idle: (options?: {
    readonly within?: Duration.Input
  }) => Effect.Effect<void, StillBusy | TimeRefused>
  /** The runs of a handler so far, in the order of their starts. What it was given is as its schema made it. */
  readonly runs: <T extends Named>(task: T) => ReadonlyArray<RunOf<T>>
  /** What somebody who follows the task has been told by now. */
  readonly eventsSoFar: (id: string) => Effect.Effect<ReadonlyArray<FollowEvent>, InvalidTaskId | EventError>
}

/** Long enough that no test's time gets there: the one worker has nobody who could take over from it. */
const lease = Duration.days(36_500)

const startDefault = Date.UTC(2030, 0, 1)
const patienceDefault = "1 second"
const idleDefault = "30 days"

const settingsOf = ({ settings }: TestOptions): Partial<SettingsShape> => ({
  lease,
  drain: Duration.zero,
  log: "Warn",
  ...settings
})

const readTime = (at: Date | string | number) => {
  const millis = new Date(at).getTime()
  return Number.isNaN(millis)
    ? Effect.fail(
        new TimeRefused({ reason: `"${String(at)}" is no time; say it as in 2030-01-01T12:00:00Z` })
      )
    : Effect.succeed(millis)
}

const readDuration = (duration: Duration.Input) => {
  const millis = millisOf(duration)
  return millis !== undefined && Number.isFinite(millis) && millis >= 0
    ? Effect.succeed(millis)
    : Effect.fail(new TimeRefused({ reason: `"${written(duration)}" is no duration such as "1 day"` }))
}

/** Numbers that look random and are the same for the same seed: Mulberry32, by Tommy Ettinger. */
const randomOf = (seed: number): Context.Service.Shape<typeof Random.Random> => {
  let state = seed
  const draw = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return { nextDoubleUnsafe: draw, nextIntUnsafe: () => Math.floor((draw() - 0.5) * 2 ** 53) }
}

/** The clock of the system, what its fibers are watched by, and its dice; the first to be there and the last to go. */
const environmentOf = (time: Time, seed: number) =>
  Layer.effectContext(
    Effect.gen(function* () {
      yield* Effect.addFinalizer(() => Effect.sync(time.end))
      return Context.make(Clock.Clock, time.clock).pipe(
        Context.add(Scheduler.Scheduler, time.scheduler),
        Context.add(Random.Random, randomOf(seed))
      )
    })
  )

/** The given handlers, watched, and those that are named later. */
const watchedHandlers = ({ spy }: Time, given: ReadonlyArray<TaskDefinition>) =>
  Layer.effect(
    Handlers,
    Effect.map(Handlers, (handlers) =>
      Handlers.of({
        get all() {
          return handlers.all
        },
        broken: handlers.broken,
        find: handlers.find,
        moduleOf: handlers.moduleOf,
        unknown: handlers.unknown,
        learn: (definition) => handlers.learn(spy.watch(definition))
      })
    )
  ).pipe(Layer.provide(Handlers.layer({ given: given.map(spy.watch) })))

const makeControls = Effect.fnUntraced(function* (time: Time) {
  const troupe = yield* Troupe
  const store = yield* Store
  const operations = yield* Operations
  const { clock, spy } = time
  const settle = Effect.promise(() => time.settle())
  const advanceTo = (at: number) => Effect.promise(() => time.advanceTo(at))

  /** Those of all queues, whether or not anything serves them. */
  const living = Effect.gen(function* () {
    const depths = yield* Effect.forEach(yield* operations.partitions, (partition) => store.depth(partition))
    return depths.reduce(
      (sum, { boxed, held, lanes, later, waiting }) =>
        sum + boxed + held + later + waiting + Object.values(lanes).reduce((sum, count) => sum + count, 0),
      0
    )
  }).pipe(Effect.orDie)

  const idle: TestControls["idle"] = Effect.fnUntraced(function* (options = {}) {
    refuseStranger("idle: ", options, { within: true })
    const { within = idleDefault } = options
    const until = clock.now() + (yield* readDuration(within))
    yield* settle
    while (true) {
      const tasks = yield* living
      if (tasks === 0) return
      const next = clock.next()
      if (next === undefined)
        return yield* new StillBusy({ tasks, reason: "they wait for nothing that time brings" })
      if (next > until) {
        yield* advanceTo(until)
        const reason = `the next thing is due at ${new Date(next).toISOString()}, which is later than was allowed`
        return yield* new StillBusy({ tasks, reason })
      }
      yield* advanceTo(next)
    }
  })

  const eventsSoFar: TestControls["eventsSoFar"] = Effect.fnUntraced(function* (id) {
    const seen: Array<FollowEvent> = []
    const following = yield* Effect.forkChild(
      Stream.runForEach(troupe.events(id), (event) => Effect.sync(() => void seen.push(event)))
    )
    yield* settle
    if (following.pollUnsafe() !== undefined) yield* Fiber.join(following)
    yield* Fiber.interrupt(following)
    return seen
  })

  const controls: TestControls = {
    now: Effect.sync(clock.now),
    advance: (by) =>
      Effect.flatMap(readDuration(by), (millis) => Effect.promise(() => time.advanceBy(millis))),
    setTime: Effect.fnUntraced(function* (at) {
      const millis = yield* readTime(at)
      if (millis >= clock.now()) return yield* advanceTo(millis)
      const reason = `${new Date(millis).toISOString()} is over: the test's clock shows ${new Date(clock.now()).toISOString()}`
      return yield* new TimeRefused({ reason })
    }),
    settle,
    idle,
    runs: (task) => spy.runs(nameOf(task)) as never,
    eventsSoFar
  }
  return controls
})

/** What moves the time of a system under test, and looks at it. Its `layer` brings `Troupe`, too. */
export class TestTroupe extends Context.Service<TestTroupe, TestControls>()("troupe/TestTroupe") {
  /** Starts a system, and stops it with the scope: what then still runs is interrupted, and nothing of it is left. */
  static readonly layer = (options: TestOptions) =>
    Layer.unwrap(
      Effect.gen(function* () {
        yield* Effect.fromResult(knownIn(options, names))
        const { now = startDefault, patience = patienceDefault, queues, seed = 1 } = options
        const handlers = yield* Effect.fromResult(handlersIn(options.handlers))
        const time = makeTime({
          startMs: yield* readTime(now),
          patienceMs: yield* readDuration(patience)
        })
        const make = Effect.gen(function* () {
          yield* (yield* Troupe).work(queues === undefined ? {} : { queues })
          // Before the worker is closed: what it waits for then, time must bring.
          yield* Effect.addFinalizer(() => Effect.sync(time.letGo))
          const controls = yield* makeControls(time)
          yield* controls.settle
          return controls
        })
        return Layer.effect(TestTroupe, make).pipe(
          Layer.provideMerge(Troupe.over()),
          Layer.provide(Layer.mergeAll(Memory.layer, watchedHandlers(time, handlers))),
          Layer.provide(logLevel),
          Layer.provide(laidOver(settingsOf(options), {})),
          Layer.provideMerge(environmentOf(time, seed))
        )
      })
    )
}
