/** A task whose run a test can hold. */
import { Deferred, Effect, Exit } from "effect"
import { defineTask, type TaskContext } from "../../runtime/handler.ts"

/** A handler that tells when it starts, and goes on when it is told. */
export const gated = (name: string, body: (ctx: TaskContext) => unknown = () => "done") => {
  const started = Deferred.makeUnsafe<TaskContext>()
  const go = Deferred.makeUnsafe<void>()
  const handler = defineTask({
    name,
    retry: { backoff: { base: "1 milli", jitter: false } },
    run: async (_, ctx) => {
      Deferred.doneUnsafe(started, Exit.succeed(ctx))
      await Effect.runPromise(Deferred.await(go))
      return body(ctx)
    }
  })
  return { handler, started: Deferred.await(started), go: Deferred.succeed(go, undefined) }
}
