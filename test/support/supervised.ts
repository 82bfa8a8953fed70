/** Children of a supervisor that do what a test says, and a record of what became of them. */
import { Data, Deferred, type Duration, Effect, Exit, Logger, Scope } from "effect"
import { TestClock } from "effect/testing"
import { type ChildSpec, ignore } from "../../runtime/supervision/spec.ts"
import type { Overview } from "../../runtime/supervision/supervisor.ts"

export interface Part extends Partial<Omit<ChildSpec, "id" | "start">> {
  /** Whether a start fails; asked at each. */
  readonly startFails?: () => boolean
  /** How long its stop takes. */
  readonly stopTakes?: Duration.Input
  /** It is started only when this is done. */
  readonly startsAfter?: Effect.Effect<void>
}

/** What a life fails with that is told to fail. */
export class Broken extends Data.TaggedError("Broken")<{ readonly message: string }> {}

/** Lives for as long as it may, and does nothing. */
export const idle = (id: string, over: Partial<ChildSpec> = {}): ChildSpec => ({
  ...over,
  id,
  start: Effect.succeed(Effect.never)
})

/** Says at its start that there is nothing to do. */
export const nothingToDo = (id: string, over: Partial<ChildSpec> = {}): ChildSpec => ({
  ...over,
  id,
  start: Effect.succeed(ignore)
})

export const statesOf = (supervisor: Overview) =>
  Effect.map(supervisor.whichChildren, (children) => children.map(({ id, state }) => `${id} ${state}`))

export const newStage = () => {
  /** `start a`, `stop a`: a stop is the end of a life, however it came. */
  const events: Array<string> = []
  const lives = new Map<string, Deferred.Deferred<void, unknown>>()
  /** How many lives there are at once, of all children of a name. */
  const alive = new Map<string, number>()

  const part = (id: string, { startFails, startsAfter, stopTakes, ...spec }: Part = {}): ChildSpec => ({
    ...spec,
    id,
    start: Effect.gen(function* () {
      if (startsAfter !== undefined) yield* startsAfter
      if (startFails?.() === true) {
        events.push(`fail ${id}`)
        return yield* new Broken({ message: `${id} does not start` })
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          events.push(`start ${id}`)
          alive.set(id, (alive.get(id) ?? 0) + 1)
        }),
        () =>
          Effect.gen(function* () {
            if (stopTakes !== undefined) yield* Effect.sleep(stopTakes)
            events.push(`stop ${id}`)
            alive.set(id, alive.get(id)! - 1)
          })
      )
      const end = yield* Deferred.make<void, unknown>()
      lives.set(id, end)
      return end
    }).pipe(Effect.map(Deferred.await))
  })

  const endOf = (id: string) => lives.get(id) ?? Deferred.makeUnsafe<void, unknown>()

  return {
    events,
    part,
    isAlive: (id: string) => (alive.get(id) ?? 0) > 0,
    aliveCount: (id: string) => alive.get(id) ?? 0,
    /** What has happened since the last time. */
    happened: () => events.splice(0),
    finish: (id: string) => Effect.andThen(Deferred.succeed(endOf(id), undefined), quiet),
    fail: (id: string) =>
      Effect.andThen(Deferred.fail(endOf(id), new Broken({ message: `${id} broke` })), quiet)
  }
}

/** Everything that can run without time going by has run: on a test clock there is nothing else to wait for. */
export const quiet: Effect.Effect<void> = Effect.repeat(Effect.yieldNow, { times: 50 })

/** Starts a supervisor that is stopped by `stop`, and at the latest with the test. */
export const started = <A, E>(start: Effect.Effect<A, E, Scope.Scope>) =>
  Effect.gen(function* () {
    // Before it was first moved, this clock interrupts a sleep in a finalizer to warn that nobody moves it.
    yield* TestClock.adjust(0)
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const supervisor = yield* Scope.provide(start, scope)
    return { supervisor, stop: Scope.close(scope, Exit.void) }
  })

/** What is logged, line by line; `layer` takes the loggers' place. */
export const recorded = () => {
  const lines: Array<string> = []
  const logger = Logger.make<unknown, void>(({ message }) => {
    lines.push(String(Array.isArray(message) ? message[0] : message))
  })
  return { lines, layer: Logger.layer([logger]) }
}
