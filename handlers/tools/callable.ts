/** A tool of the operator's folder as a conversation calls it: what it is called with is checked, its time is bounded. */
import { Duration, Effect, Result } from "effect"
import type { ToolDefinition } from "../../runtime/tool.ts"
import type { Outcome, Tool } from "../model/converse.ts"

export const callable = (tool: ToolDefinition): Tool => ({
  name: tool.name,
  description: tool.description,
  parameters: tool.parameters,
  run: (input, { task }, call) =>
    Effect.gen(function* () {
      const read = yield* Effect.promise(async () => tool.readInput(input))
      if (Result.isFailure(read)) return { error: `the input does not fit: ${read.failure.message}` }
      return yield* Effect.tryPromise({
        try: async (signal): Promise<Outcome> => ({
          output: await tool.run(read.success, {
            signal,
            idempotencyKey: call,
            task: task.id,
            tenant: task.tenant
          })
        }),
        catch: (cause) => cause
      }).pipe(
        Effect.timeoutOrElse({
          duration: tool.timeoutMs,
          orElse: () =>
            Effect.succeed({
              error: `it took longer than ${Duration.format(Duration.millis(tool.timeoutMs))}`
            })
        }),
        Effect.catch((cause) =>
          Effect.succeed({ error: cause instanceof Error ? cause.message : String(cause) })
        )
      )
    })
})
