/**
 * The tools that an operator has put into the folder `TROUPE_TOOLS`: found once, on first use.
 *
 * A module that cannot be loaded is named in the log and does not stop the others.
 */
import { Context, Effect, Layer } from "effect"
import { Settings } from "../../runtime/config.ts"
import { modulesIn } from "../../runtime/registry.ts"
import { isToolDefinition, type ToolDefinition } from "../../runtime/tool.ts"

export class Tools extends Context.Service<
  Tools,
  {
    /** By their names. */
    readonly all: ReadonlyMap<string, ToolDefinition>
  }
>()("troupe/handlers/Tools") {
  static readonly layer = Layer.effect(
    Tools,
    Effect.gen(function* () {
      const { tools: folder } = yield* Settings
      const all = new Map<string, ToolDefinition>()
      if (folder === undefined) return Tools.of({ all })
      const leftOut = (module: string, reason: string) =>
        Effect.logError(`tool module ${module} is left out: ${reason}`)
      const modules = yield* Effect.tryPromise({
        try: () => modulesIn(folder),
        catch: reasonOf
      }).pipe(Effect.catch((reason) => Effect.as(leftOut(folder, reason), [])))
      for (const module of modules) {
        const exported = yield* Effect.tryPromise({
          try: () => import(module) as Promise<Record<string, unknown>>,
          catch: reasonOf
        }).pipe(Effect.catch((reason) => Effect.as(leftOut(module, reason), {})))
        const found = Object.values(exported).filter(isToolDefinition)
        for (const tool of found) {
          if (all.has(tool.name)) yield* leftOut(module, `another tool is already called ${tool.name}`)
          else all.set(tool.name, tool)
        }
      }
      return Tools.of({ all })
    })
  )
}

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
