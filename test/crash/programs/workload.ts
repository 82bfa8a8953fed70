/**
 * The tasks of the crash tests. Each run writes down that it started and how it ended, what it wrote and whether that
 * was accepted; and gives an output that says which run made it.
 */
import { Schema } from "effect"
import { existsSync } from "node:fs"
import { defineAgent } from "../../../runtime/agent.ts"
import type { AgentContext } from "../../../runtime/current-agent.ts"
import { defineTask, type TaskContext } from "../../../runtime/handler.ts"
import { note } from "../../support/history-file.ts"

/** The queues that workers of the crash tests serve. */
export const queues = { main: 8, other: 4 }

const Input = Schema.Struct({
  /** Where the history is written. */
  file: Schema.String,
  label: Schema.String,
  /** What it waits for: that this file is there. */
  gate: Schema.optionalKey(Schema.String)
})
type Input = typeof Input.Type

export interface Output {
  readonly attempt: number
  readonly process: string
}

const me = String(process.pid)

/** A run that is written down. */
const written =
  <Ctx extends Pick<TaskContext, "attempt" | "task">>(run: (input: Input, ctx: Ctx) => Promise<void>) =>
  async (input: Input, ctx: Ctx): Promise<Output> => {
    const { attempt, task } = ctx
    const event = { op: "run", label: input.label, task: task.id, attempt, process: me } as const
    note(input.file, { ...event, phase: "start" })
    try {
      await run(input, ctx)
    } catch (thrown) {
      note(input.file, { ...event, phase: "throw" })
      throw thrown
    }
    note(input.file, { ...event, phase: "return" })
    return { attempt, process: me }
  }

/** Does something that is refused once the run is over, and writes down what was said. */
const attempted = async (
  { file }: Input,
  { attempt, task }: TaskContext,
  [op, name]: readonly ["emit" | "step", string],
  write: () => Promise<unknown>
) => {
  const event = { op, name, task: task.id, attempt, process: me } as const
  note(file, { ...event, phase: "invoke" })
  try {
    const value = await write()
    note(file, { ...event, phase: "ok", ...(op === "step" ? { value: String(value) } : {}) })
  } catch (thrown) {
    note(file, { ...event, phase: "fail" })
    throw thrown
  }
}

const emit = (input: Input, ctx: TaskContext, name: string) =>
  attempted(input, ctx, ["emit", name], () => ctx.emit(name))

/** How long a gate that nobody opens is waited for, in milliseconds: nothing may outlive its test for long. */
const gateMaxMs = 15_000

const opened = async (gate: string | undefined) => {
  const until = performance.now() + gateMaxMs
  while (gate !== undefined && !existsSync(gate) && performance.now() < until) await Bun.sleep(5)
}

const gates = new Map<string, Promise<void>>()

/** Waits at a gate that is looked at once for all, until it is told to stop. */
const unlessStopped = async (gate: string, signal: AbortSignal) => {
  const open = gates.get(gate) ?? opened(gate)
  gates.set(gate, open)
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error))
  })
  await Promise.race([open, stopped])
}

/** Emits, takes a step, and emits. */
export const steps = defineTask({
  name: "crash.steps",
  queue: "main",
  input: Input,
  run: written(async (input, ctx: TaskContext) => {
    await emit(input, ctx, "before")
    await attempted(input, ctx, ["step", "chance"], () => ctx.step("chance", () => crypto.randomUUID()))
    await emit(input, ctx, "after")
  })
})

/** Has a child in its own queue and one in another. */
export const parent = defineTask({
  name: "crash.parent",
  queue: "main",
  input: Input,
  run: written(async ({ file, label }, ctx: TaskContext) => {
    const own = await ctx.submit(steps, { file, label: `${label}/own` })
    const other = await ctx.submit(steps, { file, label: `${label}/other` }, { queue: "other" })
    await ctx.all([own, other])
  })
})

/** Fails once, and then does not. */
export const flaky = defineTask({
  name: "crash.flaky",
  queue: "main",
  input: Input,
  retry: { attempts: 10, backoff: { base: "1 millis", cap: "1 millis" } },
  run: written(async (_, { attempt }) => {
    if (attempt === 1) throw new Error("not yet")
  })
})

/** Never succeeds. */
export const failing = defineTask({
  name: "crash.failing",
  queue: "main",
  input: Input,
  retry: { attempts: 2, backoff: { base: "1 millis", cap: "1 millis" } },
  run: written(async () => {
    throw new Error("never")
  })
})

/** Uses what only one may use at a time. */
export const limited = defineTask({
  name: "crash.limited",
  queue: "main",
  input: Input,
  limits: [{ key: "crash-door", concurrency: 1 }],
  run: written(async () => {})
})

/** Waits at its gate, whoever tells it to stop, and then writes and returns as if it had not heard. */
export const stubborn = defineTask({
  name: "crash.stubborn",
  queue: "main",
  input: Input,
  run: written(async (input, ctx: TaskContext) => {
    await emit(input, ctx, "before")
    await opened(input.gate)
    await emit(input, ctx, "after").catch(() => {})
    await attempted(input, ctx, ["step", "late"], () => ctx.step("late", () => "late")).catch(() => {})
  })
})

/** Waits at its gate, whoever tells it to stop, and returns without having asked anybody. */
export const silent = defineTask({
  name: "crash.silent",
  queue: "main",
  input: Input,
  run: written(async ({ gate }) => opened(gate))
})

/** Waits at its gate until it is told to stop. There may be a thousand of them. */
export const patient = defineTask({
  name: "crash.patient",
  queue: "main",
  input: Input,
  run: written(async ({ gate }, { signal }: TaskContext) => unlessStopped(gate!, signal))
})

/** Remembers what it was told, and tells its ledger, which is an agent in another queue. */
export const agent = defineAgent({
  name: "crash.agent",
  queue: "main",
  state: { schema: Schema.Array(Schema.String), initial: () => [] },
  messages: {
    note: { input: Input },
    linger: { input: Input },
    read: { output: Schema.Array(Schema.String) }
  },
  handle: {
    note: written(
      async (
        { gate, label }: Input,
        ctx: Pick<
          AgentContext<ReadonlyArray<string>>,
          "attempt" | "key" | "setState" | "state" | "task" | "tell"
        >
      ) => {
        ctx.setState([...ctx.state, label])
        await ctx.tell(ledger, ctx.key, "enter", { label })
        await opened(gate)
      }
    ),
    linger: written(
      async (
        { gate, label }: Input,
        ctx: Pick<AgentContext<ReadonlyArray<string>>, "attempt" | "setState" | "signal" | "state" | "task">
      ) => {
        ctx.setState([...ctx.state, label])
        await unlessStopped(gate!, ctx.signal)
      }
    ),
    read: (_, ctx) => ctx.state
  }
})

export const ledger = defineAgent({
  name: "crash.ledger",
  queue: "other",
  state: { schema: Schema.Array(Schema.String), initial: () => [] },
  messages: {
    enter: { input: Schema.Struct({ label: Schema.String }) },
    read: { output: Schema.Array(Schema.String) }
  },
  handle: {
    enter: ({ label }, ctx) => ctx.setState([...ctx.state, label]),
    read: (_, ctx) => ctx.state
  }
})

export const all = [steps, parent, flaky, failing, limited, stubborn, silent, patient, agent, ledger]
