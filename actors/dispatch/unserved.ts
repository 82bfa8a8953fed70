/**
 * Says when no live worker can run a task that is submitted, or refuses the task, as `Settings.unserved` has it.
 *
 * It looks at what this process has seen (`lookout.ts`): a submit makes no call of its own, but for the first to a
 * queue, which looks once. Where that gets no answer the task is taken unseen.
 */
import { Clock, Effect, Result, Schema } from "effect"
import { Settings } from "../../runtime/config.ts"
import { partitionOfId, queueOf } from "../../runtime/task.ts"
import type { Submitted } from "./intake.ts"
import type { Lookout } from "./lookout.ts"
import type { Prepared } from "./preparation.ts"

/**
 * No live worker can run the task, and the system is set to refuse such tasks (`TROUPE_UNSERVED`). Nothing was stored:
 * start a worker that has the handler and serves the queue, and submit again.
 */
export class NoWorker extends Schema.TaggedError<NoWorker>()("NoWorker", {
  handler: Schema.String,
  queue: Schema.String
}) {
  override get message() {
    return `no live worker can run ${this.handler} of queue ${this.queue}`
  }
}

/** How often the log is told of one handler, in milliseconds. */
const tellEveryMs = 60_000

export interface Unserved {
  /**
   * What the answer to a task becomes that is stored at once, the log being told; `undefined` where something has to be
   * looked at first, or the task is refused.
   */
  readonly mindedAtOnce: (one: Prepared) => ((submitted: Submitted) => Submitted) | undefined

  /** Stores one task; the answer warns when nobody can run it. */
  readonly minded: <E>(
    one: Prepared,
    store: (one: Prepared) => Effect.Effect<Submitted, E>
  ) => Effect.Effect<Submitted, E | NoWorker>

  /** The same for many. One that is refused does not sink the others. */
  readonly mindedAll: <T, E>(
    tasks: ReadonlyArray<Prepared>,
    store: (tasks: ReadonlyArray<Prepared>) => Effect.Effect<ReadonlyArray<Result.Result<Submitted, T>>, E>
  ) => Effect.Effect<ReadonlyArray<Result.Result<Submitted, T | NoWorker>>, E>

  /** Does what is to be done with a task whose submitter is answered by its end: only the log can warn. */
  readonly unanswered: <A, E, R>(
    one: Prepared,
    doing: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | NoWorker, R>
}

export const makeUnserved = Effect.fnUntraced(function* (lookout: Lookout) {
  const clock = yield* Clock.Clock
  const { unserved } = yield* Settings
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const toldAt = new Map<string, number>()

  const isServed = ({ handler, id }: Prepared) => lookout.isServed(partitionOfId(id), handler)
  const lookFor = ({ id }: Prepared) => lookout.look(partitionOfId(id))

  const warningOf = ({ handler, id }: Prepared) => {
    const partition = partitionOfId(id)
    const why = lookout.hasWorkers(partition)
      ? `no live worker of queue ${queueOf(partition)} has the handler ${handler}`
      : `no live worker serves queue ${queueOf(partition)}`
    return `${why}: the task waits until one does`
  }

  const withWarning = (one: Prepared, submitted: Submitted): Submitted => ({
    ...submitted,
    warning: warningOf(one)
  })

  /** Tells the log, unless it was told of this handler lately. */
  const tell = (one: Prepared) => {
    const now = clock.currentTimeMillisUnsafe()
    if (now - (toldAt.get(one.handler) ?? -Infinity) < tellEveryMs) return
    toldAt.set(one.handler, now)
    fork(Effect.logWarning(`${one.handler}: ${warningOf(one)}`))
  }

  /** What is known of the tasks of a batch, one after the other: most are like the one before. */
  const isServedInTurn = () => {
    let before: Prepared | undefined
    let known: boolean | undefined
    return (one: Prepared) => {
      const isAlike = before?.handler === one.handler && partitionOfId(before.id) === partitionOfId(one.id)
      if (!isAlike) known = isServed(one)
      before = one
      return known
    }
  }

  const warned = (one: Prepared, submitted: Submitted, known = isServed(one)): Submitted => {
    if (submitted.existing === true || known !== false) return submitted
    tell(one)
    return withWarning(one, submitted)
  }

  const unchanged = (submitted: Submitted) => submitted
  const mindedAtOnce: Unserved["mindedAtOnce"] = (one) => {
    const known = isServed(one)
    if (known === true) return unchanged
    if (known === undefined || unserved === "refuse") return undefined
    tell(one)
    return (submitted) => withWarning(one, submitted)
  }

  const noWorker = ({ handler, id }: Prepared) => new NoWorker({ handler, queue: queueOf(partitionOfId(id)) })

  /** Fails when nobody can run it. */
  const gate = (one: Prepared): Effect.Effect<void, NoWorker> =>
    Effect.suspend(() => {
      const decide = Effect.suspend(() =>
        isServed(one) === false ? Effect.fail(noWorker(one)) : Effect.void
      )
      return isServed(one) === undefined ? Effect.andThen(lookFor(one), decide) : decide
    })

  const minded: Unserved["minded"] = (one, store) =>
    Effect.suspend(() => {
      const known = isServed(one)
      if (known === true) return store(one)
      if (unserved === "refuse") return Effect.andThen(gate(one), store(one))
      // The first look goes beside the first submit.
      const stored =
        known === false
          ? store(one)
          : Effect.map(Effect.all([store(one), lookFor(one)], { concurrency: 2 }), ([submitted]) => submitted)
      return Effect.map(stored, (submitted) => warned(one, submitted))
    })

  const lookForAll = (tasks: ReadonlyArray<Prepared>) => {
    const isKnown = isServedInTurn()
    const unknown = tasks.filter((one) => isKnown(one) === undefined)
    const firsts = new Map(unknown.map((one) => [partitionOfId(one.id), one]))
    return Effect.forEach(firsts.values(), lookFor, { concurrency: "unbounded", discard: true })
  }

  const mindedAll: Unserved["mindedAll"] = Effect.fnUntraced(function* <T, E>(
    tasks: ReadonlyArray<Prepared>,
    store: (tasks: ReadonlyArray<Prepared>) => Effect.Effect<ReadonlyArray<Result.Result<Submitted, T>>, E>
  ) {
    if (unserved === "refuse") {
      yield* lookForAll(tasks)
      const served = tasks.map((one) => isServed(one) !== false)
      const answers = (yield* store(tasks.filter((_, at) => served[at]))).values()
      return tasks.map((one, at): Result.Result<Submitted, T | NoWorker> =>
        served[at] ? answers.next().value! : Result.fail(noWorker(one))
      )
    }
    const [answers] = yield* Effect.all([store(tasks), lookForAll(tasks)], { concurrency: 2 })
    const served = isServedInTurn()
    return answers.map((answer, at) => {
      const one = tasks[at]!
      const known = served(one)
      return known === true ? answer : Result.map(answer, (submitted) => warned(one, submitted, known))
    })
  })

  const unanswered: Unserved["unanswered"] = (one, doing) =>
    Effect.suspend(() => {
      const known = isServed(one)
      if (known === true) return doing
      if (unserved === "refuse") return Effect.andThen(gate(one), doing)
      if (known === false) tell(one)
      else {
        const telling = Effect.sync(() => {
          if (isServed(one) === false) tell(one)
        })
        fork(Effect.andThen(lookFor(one), telling))
      }
      return doing
    })

  const made: Unserved = { mindedAtOnce, minded, mindedAll, unanswered }
  return made
})
