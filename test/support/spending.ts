/** A handler that spends what it is told to, for tests of what is summed up of tasks and of models. */
import { Effect, Layer, Schema } from "effect"
import { UsageLog } from "../../handlers/usage/usage.ts"
import { Files } from "../../runtime/files.ts"
import { CurrentTask, defineTask, Fatal } from "../../runtime/handler.ts"

/** Does as it is told, and notes a call of a model as agents do. */
export const work = defineTask.effect({
  name: "test.work",
  input: Schema.Struct({
    tokens: Schema.optionalKey(Schema.Int),
    model: Schema.optionalKey(Schema.String),
    fails: Schema.optionalKey(Schema.Boolean),
    lastsMs: Schema.optionalKey(Schema.Int)
  }),
  layer: UsageLog.layer.pipe(Layer.provide(Files.layer)),
  run: Effect.fn("test.work")(function* ({ fails = false, lastsMs = 0, model = "gpt", tokens = 0 }) {
    const { attempt, task } = yield* CurrentTask
    yield* Effect.sleep(lastsMs)
    if (tokens > 0) {
      yield* (yield* UsageLog).record({
        tenant: task.tenant,
        handler: task.name,
        model,
        inputTokens: tokens,
        outputTokens: 1,
        costMicros: tokens * 10,
        task: task.id,
        attempt,
        call: 0
      })
    }
    // @effect-diagnostics-next-line globalErrorInEffectFailure:off
    if (fails) return yield* Effect.fail(new Fatal("as it was told"))
    return "done"
  })
})
