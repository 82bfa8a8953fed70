/** Handlers that run in processes of their own, and one that runs beside them. */
import { Effect, Schema } from "effect"
import { CurrentTask, defineTask, Fatal } from "../../../../runtime/handler.ts"

/** Says which process it runs in, by every way that a run has. */
export const speaks = defineTask({
  name: "isolated.speaks",
  isolation: "process",
  limits: [{ key: "isolated-limit", rate: 1_000, per: "1 minute" }],
  run: async (_, ctx) => {
    await ctx.progress(0.5, "half")
    await ctx.log("a line")
    await ctx.emit({ piece: 1 })
    const chance = await ctx.step("chance", () => Math.random())
    ctx.spent("isolated-limit", 3)
    return { pid: process.pid, task: ctx.task.id, attempt: ctx.attempt, chance }
  }
})

/** The same in effects. */
export const speaksInEffects = defineTask.effect({
  name: "isolated.speaks-in-effects",
  isolation: "process",
  output: Schema.Struct({ pid: Schema.Int, step: Schema.String }),
  run: Effect.fnUntraced(function* () {
    const task = yield* CurrentTask
    yield* task.emit("a piece")
    const step = yield* task.step("name", Effect.succeed("kept"))
    return { pid: process.pid, step }
  })
})

/** Lasts for longer than its parent takes to look for it. */
export const child = defineTask({
  name: "isolated.child",
  run: async (input) => {
    await Bun.sleep(200)
    return { got: input }
  }
})

/** Submits a child and waits for it: it runs twice, in one or two processes. */
export const parent = defineTask({
  name: "isolated.parent",
  isolation: "process",
  run: async (_, ctx) => {
    const born = await ctx.submit(child, { n: 1 })
    const [reply] = await ctx.all([born])
    return { reply, attempt: ctx.attempt }
  }
})

/** Burns CPU, and looks at nothing, for ever. */
export const burns = defineTask({
  name: "isolated.burns",
  isolation: "process",
  run: async (_, ctx) => {
    await ctx.emit(process.pid)
    while (true);
  }
})

/** Ends when it is told to. */
export const waits = defineTask({
  name: "isolated.waits",
  isolation: "process",
  run: async (_, ctx) => {
    await ctx.emit(process.pid)
    await new Promise((_, reject) => {
      ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason as Error))
    })
  }
})

/** Its first run ends its process. */
export const exits = defineTask({
  name: "isolated.exits",
  isolation: "process",
  retry: { attempts: 2, backoff: { base: "1 millis" } },
  run: (input, { attempt }) => {
    if (attempt === 1 || input === "always") process.exit(3)
    return { attempt }
  }
})

/** Starts a process that it does not stop, says which, and then does what its input says. */
export const litters = defineTask({
  name: "isolated.litters",
  isolation: "process",
  retry: { attempts: 1 },
  run: async (input, ctx) => {
    const child = Bun.spawn(["sleep", "1000"], { stdio: ["ignore", "ignore", "ignore"] })
    await ctx.emit(child.pid)
    if (input === "crash") process.exit(3)
    if (input === "throw") throw new Error("as it was told")
    if (input === "wait") await new Promise(() => {})
  }
})

/** Takes ever more memory. */
export const grows = defineTask({
  name: "isolated.grows",
  isolation: { kind: "process", memory: 300 },
  retry: { attempts: 1 },
  run: async () => {
    const kept: Array<Uint8Array> = []
    while (true) {
      kept.push(new Uint8Array(10 * 1024 * 1024).fill(1))
      await Bun.sleep(1)
    }
  }
})

/** Cannot succeed. */
export const refuses = defineTask({
  name: "isolated.refuses",
  isolation: "process",
  run: () => {
    throw new Fatal("not this one")
  }
})

/** Runs in the worker. */
export const beside = defineTask({ name: "isolated.beside", run: () => ({ pid: process.pid }) })
