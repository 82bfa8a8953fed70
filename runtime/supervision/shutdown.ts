/**
 * A shutdown in phases: one after the other, each with its tasks side by side and a deadline for all of them.
 *
 * It is gone through once, whoever asks how often, in a fiber that nobody interrupts. A task that fails or is late does
 * not keep the next phase from beginning, unless its phase says so; one that is late is interrupted, and not waited
 * for. What a phase waits for is logged when it begins, and what it has waited for in vain when it is cut.
 */
import { Cause, Clock, Deferred, Duration, Effect, Fiber, Result, Schema } from "effect"
import { type Phases, phasesInOrder, type PlannedPhase } from "./phases.ts"

/** What a task waits for, as the log tells it. */
export interface Waiting {
  readonly count: number
  /** What is counted, as "running tasks". */
  readonly of: string
  /** The names of those that are waited for; a few of them are logged when they were waited for in vain. */
  readonly ids?: ReadonlyArray<string>
}

export interface Task {
  readonly name: string
  /** Ends when it is done. */
  readonly run: Effect.Effect<unknown, unknown>
  readonly waitsFor?: () => Waiting
}

/** A phase that must not be passed over has failed or was late. What comes after it was not done. */
export class ShutdownAborted extends Schema.TaggedError<ShutdownAborted>()("ShutdownAborted", {
  phase: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `the shutdown was aborted in "${this.phase}": ${this.reason}`
  }
}

export interface Coordinator<Name extends string> {
  /** In the order in which they are gone through. */
  readonly phases: ReadonlyArray<PlannedPhase>
  /**
   * Adds a task to a phase that has not begun; to one that has, it is never done. Gives its cancellation, which is
   * `true` when the task had not begun, and now never will.
   */
  readonly add: (phase: Name, task: Task) => () => boolean
  /** Goes through the phases, from the first one or a given one on; the reason that was given first is kept. */
  readonly run: (reason: string, from?: Name) => Effect.Effect<void, ShutdownAborted>
  /** Why it is shut down; `undefined` while it is not. */
  readonly reason: () => string | undefined
  readonly isOver: () => boolean
}

/** How many ids are logged of what did not stop. */
const idsLogged = 10

const wordsOf = ({ name, waitsFor }: Task): string => {
  const waiting = waitsFor?.()
  return waiting === undefined ? name : `${name} (${waiting.count} ${waiting.of})`
}

const namesOf = ({ name, waitsFor }: Task): string => {
  const { count, ids = [], of } = waitsFor?.() ?? { count: 0, of: "" }
  const named = ids.slice(0, idsLogged).join(", ")
  const more = count - Math.min(ids.length, idsLogged)
  const list = named === "" ? "" : `: ${named}${more > 0 ? ` and ${more} more` : ""}`
  return count === 0 ? name : `${name} (${count} ${of}${list})`
}

/**
 * Throws `PhasesInvalid` when the phases cannot be gone through. `hurried` succeeds once somebody is in a hurry: then
 * phases that are patient are cut at once.
 */
export const coordinate = <const P extends Phases>(
  phases: P,
  { hurried = Effect.never }: { readonly hurried?: Effect.Effect<unknown> } = {}
): Coordinator<keyof P & string> => {
  const ordered = Result.getOrThrow(phasesInOrder(phases))
  const tasks = new Map<string, Set<Task>>(ordered.map(({ name }) => [name, new Set()]))
  const over = Deferred.makeUnsafe<void, ShutdownAborted>()
  let why: string | undefined

  const add = (phase: string, given: Task) => {
    const known = tasks.get(phase)
    if (known === undefined)
      throw new RangeError(`there is no phase "${phase}"; there are ${[...tasks.keys()].join(", ")}`)
    // A value of its own: one task may be added twice.
    const task = { ...given }
    known.add(task)
    return () => known.delete(task)
  }

  /** Gives why it may not be passed over, if it may not. */
  const perform = Effect.fnUntraced(function* (phase: PlannedPhase) {
    const { name, patient, timeoutMs } = phase
    const known = tasks.get(name)!
    const all = [...known]
    known.clear()
    if (all.length === 0) return undefined
    if (!phase.enabled) {
      yield* Effect.logInfo(`shutdown, ${name}: is left out`)
      return undefined
    }
    const limit = Duration.format(Duration.millis(timeoutMs))
    // One that waits for nobody is over at once.
    const log = all.some(({ waitsFor }) => (waitsFor?.().count ?? 0) > 0) ? Effect.logInfo : Effect.logDebug
    yield* log(`shutdown, ${name}, for at most ${limit}: ${all.map(wordsOf).join(", ")}`)
    const left = new Set(all)
    const failed: Array<string> = []
    const fibers = yield* Effect.forEach(all, (task) =>
      task.run.pipe(
        Effect.catchCause((cause) => {
          if (Cause.hasInterruptsOnly(cause)) return Effect.void
          failed.push(`${task.name} failed`)
          return Effect.logWarning(`shutdown, ${name}: ${task.name} failed`, cause)
        }),
        Effect.ensuring(Effect.sync(() => left.delete(task))),
        Effect.forkDetach({ startImmediately: true })
      )
    )
    const cut = yield* Effect.raceAllFirst([
      Effect.as(Effect.forEach(fibers, Fiber.await, { discard: true }), undefined),
      Effect.as(Effect.sleep(timeoutMs), {
        why: `after ${limit}`,
        // Nobody was to have any time.
        log: timeoutMs === 0 ? Effect.logDebug : Effect.logWarning
      }),
      patient
        ? Effect.as(hurried, { why: "since somebody is in a hurry", log: Effect.logInfo })
        : Effect.never
    ])
    if (cut === undefined) return phase.recover ? undefined : failed[0]
    const late = [...left]
    for (const fiber of fibers) fiber.interruptUnsafe()
    yield* cut.log(`shutdown, ${name}: cut ${cut.why}; not done: ${late.map(namesOf).join(", ")}`)
    return phase.recover ? undefined : `it was cut ${cut.why}`
  })

  const through = Effect.fnUntraced(function* (reason: string, from: string | undefined) {
    const begun = yield* Clock.monotonicTimeNanos
    yield* Effect.logInfo(`shutdown: ${reason}`)
    const first = Math.max(
      0,
      ordered.findIndex(({ name }) => name === from)
    )
    for (const phase of ordered.slice(first)) {
      const fault = yield* perform(phase)
      if (fault !== undefined) return yield* new ShutdownAborted({ phase: phase.name, reason: fault })
    }
    const took = Duration.nanos((yield* Clock.monotonicTimeNanos) - begun)
    yield* Effect.logDebug(`shutdown: done in ${Duration.format(took)}`)
  })

  return {
    phases: ordered,
    add,
    run: (reason, from) =>
      Effect.suspend(() => {
        if (why !== undefined) return Deferred.await(over)
        why = reason
        return through(reason, from).pipe(
          Effect.onExit((exit) => Effect.sync(() => Deferred.doneUnsafe(over, exit))),
          Effect.forkDetach({ startImmediately: true }),
          Effect.andThen(Deferred.await(over))
        )
      }),
    reason: () => why,
    isOver: () => Deferred.isDoneUnsafe(over)
  }
}
