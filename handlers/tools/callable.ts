/** Tools of the operator's folder as a conversation calls them: what they are called with is checked, their time is bounded. */
import { Duration, Effect, Result } from "effect"
import type { ToolDefinition } from "../../runtime/tool.ts"
import type { Outcome, Tool } from "../model/converse.ts"
import { refuse } from "../refusal/refuse.ts"
import { Tools } from "./tools.ts"

/** Those that a request names beside `others`, which its handler has itself. One that is not there is a refusal. */
export const toolsNamed = Effect.fnUntraced(function* (
  names: ReadonlyArray<string>,
  others: ReadonlyArray<string>
) {
  const { all } = yield* Tools
  return yield* Effect.forEach(
    [...new Set(names)].filter((name) => !others.includes(name)),
    (name) => {
      const tool = all.get(name)
      return tool === undefined
        ? refuse("UnknownTool", `there is no tool "${name}", only ${[...others, ...all.keys()].join(", ")}`)
        : Effect.succeed(callable(tool))
    }
  )
})

const callable = (tool: ToolDefinition): Tool => ({
  name: tool.name,
  description: tool.description,
  parameters: tool.parameters,
  run: (input, { task }, call) =>
    Effect.tryPromise({
      try: async (signal): Promise<Outcome> => {
        const read = await tool.readInput(input)
        if (Result.isFailure(read)) return { error: `the input does not fit: ${read.failure.message}` }
        const { id, tenant } = task
        return { output: await tool.run(read.success, { signal, idempotencyKey: call, task: id, tenant }) }
      },
      catch: (cause) => (cause instanceof Error ? cause.message : String(cause))
    }).pipe(
      Effect.timeoutOrElse({
        duration: tool.timeoutMs,
        orElse: () =>
          Effect.succeed({
            error: `it took longer than ${Duration.format(Duration.millis(tool.timeoutMs))}`
          })
      }),
      Effect.catch((error) => Effect.succeed({ error }))
    )
})
