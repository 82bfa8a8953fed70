/** Waits for a task's end for as long as a request may, and no longer than this process serves. */
import { Duration, Effect, Option } from "effect"
import { Dispatcher } from "../../actors/dispatch/dispatcher.ts"
import type { TaskId } from "../../runtime/task.ts"
import type { Drain } from "./drain.ts"

/** `none` when it has not ended by then, or the process goes away before. */
export const endedWithin = (id: TaskId, waitMs: number, drain: Drain) =>
  Dispatcher.use((dispatcher) =>
    Effect.raceFirst(
      Effect.asSome(dispatcher.result(id, Duration.millis(waitMs))),
      Effect.as(drain.closes, Option.none())
    ).pipe(Effect.catchTag("ResultTimeout", () => Effect.succeedNone))
  )
