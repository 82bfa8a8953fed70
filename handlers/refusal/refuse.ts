/** Ends a task for good, for a reason that stays: its type is for programs, its message for people. */
import { Effect } from "effect"
import { Fatal } from "../../runtime/handler.ts"

export const refuse = (type: string, message: string, cause?: unknown): Effect.Effect<never, Fatal> =>
  // Fatal is a plain class because plain handlers throw it too; `type` is what tells one from another.
  // @effect-diagnostics-next-line globalErrorInEffectFailure:off
  Effect.fail(new Fatal(message, { type, cause }))
