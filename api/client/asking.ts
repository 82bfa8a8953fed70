/** The wait for an answer: for as long as somebody says, and then it is given up, whatever becomes of what was asked. */
import { type Duration, Effect } from "effect"
import type { SubmitRefused } from "../../actors/dispatch/new-task.ts"
import { AskTimeout } from "./errors.ts"
import { waitOf } from "./submission.ts"

/** `handler` is who was asked, as the error says it. A wait that is none is refused before anything is asked. */
export const answeredWithin = <A, E>(
  timeout: Duration.Input | undefined,
  handler: string,
  asked: Effect.Effect<A, E>
): Effect.Effect<A, E | SubmitRefused | AskTimeout> =>
  timeout === undefined
    ? asked
    : Effect.flatMap(Effect.fromResult(waitOf(timeout)), (waitedMs) =>
        Effect.timeoutOrElse(asked, {
          duration: waitedMs,
          orElse: () => Effect.fail(new AskTimeout({ handler, waitedMs }))
        })
      )
