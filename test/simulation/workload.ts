/** What runs in a simulated world: handlers and agents that write down what they do, as those of the crash tests do. */
import { Schema } from "effect"
import { defineAgent } from "../../runtime/agent.ts"
import { defineTask, type TaskContext } from "../../runtime/handler.ts"
import { submittedAt, ulidOfId } from "../../runtime/task.ts"
import type { HistoryEvent } from "../support/history.ts"

const Input = Schema.Struct({ label: Schema.String, waitMs: Schema.Finite })
type Input = typeof Input.Type

/** The queues that its workers serve. */
export const queues = { main: 4, other: 3 }

/** How often every schedule of a simulation is due. */
export const everyMs = 1_000

const retry = { attempts: 5, backoff: { base: "10 millis", cap: "200 millis" } } as const

/** The handlers of one simulation. `note` writes history, and `me` says in which process. */
export const workloadOf = (note: (event: HistoryEvent) => void, me: () => string) => {
  type Ctx = Pick<TaskContext, "attempt" | "task">

  const written =
    <C extends Ctx>(run: (input: Input, ctx: C) => Promise<void>) =>
    async (input: Input, ctx: C) => {
      const process = me()
      const event = {
        op: "run",
        label: input.label,
        task: ctx.task.id,
        attempt: ctx.attempt,
        process
      } as const
      note({ ...event, phase: "start" })
      try {
        await run(input, ctx)
      } catch (thrown) {
        note({ ...event, phase: "throw" })
        throw thrown
      }
      note({ ...event, phase: "return" })
      return { attempt: ctx.attempt, process }
    }

  /** Does something that is refused once the run is over, and writes down what was said. */
  const attempted = async (
    { attempt, task }: Ctx,
    [op, name]: readonly ["emit" | "step", string],
    write: () => Promise<unknown>
  ) => {
    const event = { op, name, task: task.id, attempt, process: me() } as const
    note({ ...event, phase: "invoke" })
    try {
      const value = await write()
      note({ ...event, phase: "ok", ...(op === "step" ? { value: String(value) } : {}) })
    } catch (thrown) {
      note({ ...event, phase: "fail" })
      throw thrown
    }
  }

  const pause = (millis: number) =>
    new Promise<void>((resolve) => {
      setTimeout(resolve, millis)
    })

  const quick = defineTask({
    name: "sim.quick",
    queue: "main",
    input: Input,
    retry,
    run: written(async ({ waitMs }) => {
      if (waitMs > 0) await pause(waitMs)
    })
  })

  const steps = defineTask({
    name: "sim.steps",
    queue: "main",
    input: Input,
    retry,
    run: written(async ({ waitMs }, ctx: TaskContext) => {
      await attempted(ctx, ["emit", "before"], () => ctx.emit("before"))
      await attempted(ctx, ["step", "chance"], () => ctx.step("chance", () => crypto.randomUUID()))
      await pause(waitMs)
      await attempted(ctx, ["emit", "after"], () => ctx.emit("after"))
    })
  })

  /** Goes on after it was told to stop, and says so to a store that has to refuse it. */
  const stubborn = defineTask({
    name: "sim.stubborn",
    queue: "main",
    input: Input,
    retry,
    run: written(async ({ waitMs }, ctx: TaskContext) => {
      await pause(waitMs)
      await attempted(ctx, ["emit", "late"], () => ctx.emit("late")).catch(() => {})
      await attempted(ctx, ["step", "late"], () => ctx.step("late", () => "late")).catch(() => {})
    })
  })

  const flaky = defineTask({
    name: "sim.flaky",
    queue: "main",
    input: Input,
    retry: { ...retry, attempts: 20 },
    run: written(async (_, { attempt }) => {
      if (attempt === 1) throw new Error("not yet")
    })
  })

  const failing = defineTask({
    name: "sim.failing",
    queue: "other",
    input: Input,
    retry: { ...retry, attempts: 2 },
    run: written(async () => {
      throw new Error("never")
    })
  })

  const limited = defineTask({
    name: "sim.limited",
    queue: "main",
    input: Input,
    retry,
    limits: [{ key: "sim-door", concurrency: 1 }],
    run: written(({ waitMs }) => pause(waitMs))
  })

  const parent = defineTask({
    name: "sim.parent",
    queue: "main",
    input: Input,
    retry,
    run: written(async ({ label, waitMs }, ctx: TaskContext) => {
      const own = await ctx.submit(steps, { label: `${label}/own`, waitMs })
      const other = await ctx.submit(quick, { label: `${label}/other`, waitMs: 0 }, { queue: "other" })
      await ctx.all([own, other])
    })
  })

  const tick = defineTask({
    name: "sim.tick",
    queue: "other",
    input: Input,
    retry,
    run: async (input, ctx: TaskContext) => {
      note({ op: "slot", schedule: input.label, at: submittedAt(ulidOfId(ctx.task.id)), task: ctx.task.id })
      return written(async () => {})({ ...input, label: `${input.label}/${ctx.task.id}` }, ctx)
    }
  })

  const ledger = defineAgent({
    name: "sim.ledger",
    queue: "other",
    state: { schema: Schema.Array(Schema.String), initial: (): ReadonlyArray<string> => [] },
    retry,
    messages: { enter: { input: Schema.Struct({ label: Schema.String }) } },
    handle: { enter: ({ label }, ctx) => ctx.setState([...ctx.state, label]) }
  })

  const notebook = defineAgent({
    name: "sim.notebook",
    queue: "main",
    state: { schema: Schema.Array(Schema.String), initial: (): ReadonlyArray<string> => [] },
    retry,
    messages: { note: { input: Input }, remind: { input: Schema.Struct({ label: Schema.String }) } },
    handle: {
      note: (input, ctx) =>
        written(async ({ label, waitMs }: Input) => {
          ctx.setState([...ctx.state, label])
          await ctx.tell(ledger, ctx.key, "enter", { label })
          ctx.schedule("remind", { label: `${label}/timer` }, { name: label, delay: "300 millis" })
          if (waitMs > 0) await pause(waitMs)
        })(input, ctx),
      remind: ({ label }, ctx) => ctx.tell(ledger, `${ctx.key}-timers`, "enter", { label })
    }
  })

  return {
    quick,
    steps,
    stubborn,
    flaky,
    failing,
    limited,
    parent,
    tick,
    ledger,
    notebook,
    all: [quick, steps, stubborn, flaky, failing, limited, parent, tick, ledger, notebook]
  }
}

export type Workload = ReturnType<typeof workloadOf>
