/** Handlers whose runs make a trace of several parts. */
import { Effect } from "effect"
import { CurrentTask, defineTask } from "../../../../runtime/handler.ts"

/** Calls a service as a handler should, with the trace that it is part of. */
export const parent = defineTask({
  name: "traced.parent",
  run: async (input, ctx) => {
    const { service } = input as { readonly service: string }
    await ctx.log("parent at work", "warn")
    await ctx.step("call", async () => {
      await fetch(service, { method: "POST", headers: { traceparent: ctx.traceparent ?? "none" } })
      return null
    })
    const child = await ctx.submit("traced.child", { secret: "canary-4711" })
    const [answer] = await ctx.all([child])
    return answer
  }
})

export const child = defineTask.effect({
  name: "traced.child",
  limits: [{ key: "traced", concurrency: 2 }],
  run: Effect.fnUntraced(function* () {
    yield* Effect.logWarning("child at work")
    return yield* Effect.withSpan(
      Effect.map(CurrentTask, ({ traceparent }) => traceparent),
      "a part of the child"
    )
  })
})
