/**
 * What must not be done twice, by somebody who cannot tell it from the first time: each try is written down before it
 * begins, and one of an earlier run whose end nobody knows is not made up for.
 *
 * Steps of the task, two a try, so their order is the same in every run.
 */
import { Effect } from "effect"
import { CurrentTask, type Fatal, type StepError } from "../../runtime/handler.ts"
import { refuse } from "../refusal/refuse.ts"

export interface Try {
  /** Says that this try has changed nothing, so that a later run may make another. */
  readonly harmless: Effect.Effect<void, StepError>
}

/**
 * Begins the one try of this run. `Fatal` is of type `OutcomeUnknown` when an earlier run has begun one, and did not say
 * that it was harmless: it died, was stalled, or its connection broke.
 */
export const beginTry = (what: string): Effect.Effect<Try, Fatal | StepError, CurrentTask> =>
  Effect.gen(function* () {
    const task = yield* CurrentTask
    for (let number = 1; ; number++) {
      const begunIn = yield* task.step(`try ${number}`, Effect.succeed(task.attempt))
      const harmless = `try ${number} was harmless`
      if (begunIn === task.attempt)
        return { harmless: Effect.asVoid(task.step(harmless, Effect.succeed(true))) }
      yield* task.step(
        harmless,
        Effect.as(
          refuse(
            "OutcomeUnknown",
            `${what} was begun in attempt ${begunIn}, and nobody knows how that ended; it is not begun again`
          ),
          true
        )
      )
    }
  })
