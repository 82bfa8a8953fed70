/** What programs are told of a task that they waited for, and that has failed. */
import { Effect, Schema } from "effect"
import { TaskFailed } from "../client/errors.ts"
import * as Output from "./output.ts"

const isTaskFailed = Schema.is(TaskFailed)

/** With `--json` a failed task is data too: `{"id","state","error"}` on stdout. The failure goes on to the exit code. */
export const printFailed =
  (json: boolean) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | Output.OutputClosed, R> =>
    Effect.tapError(effect, (failure) =>
      json && isTaskFailed(failure)
        ? Output.print(JSON.stringify({ id: failure.id, state: failure.state, error: failure.error }))
        : Effect.void
    )
