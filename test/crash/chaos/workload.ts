/**
 * The handlers of a campaign. Each run writes down that it started and how it ended, what it wrote and what was said of
 * that, into a history of its process's own; and gives an output that says which run made it.
 */
import { Schema } from "effect"
import { defineAgent } from "../../../runtime/agent.ts"
import type { AgentContext } from "../../../runtime/current-agent.ts"
import { defineTask, type TaskContext } from "../../../runtime/handler.ts"
import { submittedAt, ulidOfId } from "../../../runtime/task.ts"
import type { HistoryEvent } from "../../support/history.ts"
import { historyIn } from "../../support/history-file.ts"

/** The queues of a campaign, and how many tasks a worker runs of each at once. */
export const queues = { main: 16, other: 8 }

const me = String(process.pid)

let history: ((event: HistoryEvent) => void) | undefined
const note = (event: HistoryEvent) => {
  history ??= historyIn(process.env["CHAOS_HISTORY"]!, `run-${me}`)
  history(event)
}

const Input = Schema.Struct({
  label: Schema.String,
  /** How long it takes. */
  ms: Schema.optionalKey(Schema.Int),
  /** In how many attempts it fails. */
  fails: Schema.optionalKey(Schema.Int)
})
type Input = typeof Input.Type

export interface Output {
  readonly attempt: number
  readonly process: string
}

/** A run that is written down. */
const written =
  <Ctx extends Pick<TaskContext, "attempt" | "task">>(
    run: (input: Input, ctx: Ctx) => Promise<void>,
    labelOf: (input: Input, ctx: Ctx) => string = ({ label }) => label
  ) =>
  async (input: Input, ctx: Ctx): Promise<Output> => {
    const { attempt, task } = ctx
    const event = {
      op: "run",
      label: labelOf(input, ctx),
      task: task.id,
      attempt,
      process: me,
      tenant: task.tenant
    } as const
    note({ ...event, phase: "start" })
    try {
      await run(input, ctx)
    } catch (thrown) {
      note({ ...event, phase: "throw" })
      throw thrown
    }
    note({ ...event, phase: "return" })
    return { attempt, process: me }
  }

/** Does something that is refused once the run is over, and writes down what was said. */
const attempted = async (
  { attempt, task }: TaskContext,
  [op, name]: readonly ["emit" | "step", string],
  write: () => Promise<unknown>
) => {
  const event = { op, name, task: task.id, attempt, process: me } as const
  note({ ...event, phase: "invoke" })
  try {
    const value = await write()
    note({ ...event, phase: "ok", ...(op === "step" ? { value: String(value) } : {}) })
  } catch (thrown) {
    note({ ...event, phase: "fail" })
    throw thrown
  }
}

const common = { queue: "main", input: Input } as const
const brief = { base: "10 millis", cap: "50 millis" } as const

export const plain = defineTask({
  ...common,
  name: "chaos.plain",
  run: written(async ({ ms = 0 }) => {
    if (ms > 0) await Bun.sleep(ms)
  })
})

/** Fails for a while, and then does not. */
export const flaky = defineTask({
  ...common,
  name: "chaos.flaky",
  retry: { attempts: 20, backoff: brief },
  run: written(async ({ fails = 1 }, { attempt }) => {
    if (attempt <= fails) throw new Error("not yet")
  })
})

/** Never succeeds. */
export const failing = defineTask({
  ...common,
  name: "chaos.failing",
  retry: { attempts: 2, backoff: brief },
  run: written(async () => {
    throw new Error("never")
  })
})

/** How many chunks a stream has. */
const chunks = 4

/** Speaks, remembers, and speaks on; whoever tells it to stop, it tries to go on. */
export const stream = defineTask({
  ...common,
  name: "chaos.stream",
  run: written(async ({ ms = 0 }, ctx: TaskContext) => {
    for (let at = 0; at < chunks; at++) {
      await attempted(ctx, ["emit", `c${at}`], () => ctx.emit(`c${at}`)).catch(() => {})
      if (at === 1)
        await attempted(ctx, ["step", "chance"], () => ctx.step("chance", () => crypto.randomUUID())).catch(
          () => {}
        )
      if (ms > 0) await Bun.sleep(ms)
    }
  })
})

/** Remembers something in the middle of a long silence. */
export const memo = defineTask({
  ...common,
  name: "chaos.memo",
  run: written(async ({ ms = 0 }, ctx: TaskContext) => {
    await Bun.sleep(ms)
    await attempted(ctx, ["step", "chance"], () => ctx.step("chance", () => crypto.randomUUID())).catch(
      () => {}
    )
    await Bun.sleep(ms)
  })
})

/** Has a child in its own queue and one in another. A child that its workers took with them is not its fault. */
export const parent = defineTask({
  ...common,
  name: "chaos.parent",
  retry: { attempts: 20, backoff: brief },
  run: written(async ({ label }, ctx: TaskContext) => {
    const own = await ctx.submit(plain, { label: `${label}/own` })
    const other = await ctx.submit(plain, { label: `${label}/other` }, { queue: "other" })
    await ctx.all([own, other]).catch((error: unknown) => {
      if (!(error instanceof Error && error.name === "ChildFailed")) throw error
    })
  })
})

/** Waits to be cancelled, and returns as if it had not heard. */
export const slow = defineTask({
  ...common,
  name: "chaos.slow",
  run: written(async ({ ms = 1_000 }, ctx: TaskContext) => {
    await Bun.sleep(ms)
    await attempted(ctx, ["emit", "late"], () => ctx.emit("late")).catch(() => {})
  })
})

export const limited = defineTask({
  ...common,
  name: "chaos.limited",
  limits: [{ key: "chaos-door", concurrency: 4 }],
  run: written(async ({ ms = 0 }) => Bun.sleep(ms))
})

/** Takes its process with it. */
export const poison = defineTask({
  ...common,
  name: "chaos.poison",
  run: written(async () => {
    note({ op: "killed", process: me })
    process.kill(process.pid, "SIGKILL")
    await new Promise(() => {})
  })
})

/** The time that the task of a slot says it was submitted at is that of its slot. */
const slotOf = ({ task }: Pick<TaskContext, "task">) => submittedAt(ulidOfId(task.id))

/** What schedules submit. */
export const slot = defineTask({
  ...common,
  name: "chaos.slot",
  run: written(
    async ({ label }, ctx) => {
      note({ op: "slot", schedule: label, at: slotOf(ctx), task: ctx.task.id })
    },
    ({ label }, ctx) => `${label} at ${slotOf(ctx)}`
  )
})

const Labels = Schema.Array(Schema.String)

/** Remembers what it was told, and tells its ledger, which is an agent in another queue. */
export const cart = defineAgent({
  name: "chaos.cart",
  queue: "main",
  state: { schema: Labels, initial: () => [] },
  messages: { note: { input: Input }, read: { output: Labels } },
  handle: {
    note: written(
      async (
        { label }: Input,
        ctx: Pick<
          AgentContext<ReadonlyArray<string>>,
          "attempt" | "key" | "setState" | "state" | "task" | "tell"
        >
      ) => {
        ctx.setState([...ctx.state, label])
        await ctx.tell(ledger, ctx.key, "enter", { label })
      }
    ),
    read: (_, ctx) => ctx.state
  }
})

export const ledger = defineAgent({
  name: "chaos.ledger",
  queue: "other",
  state: { schema: Labels, initial: () => [] },
  messages: {
    enter: { input: Schema.Struct({ label: Schema.String }) },
    read: { output: Labels }
  },
  handle: {
    enter: ({ label }, ctx) => ctx.setState([...ctx.state, label]),
    read: (_, ctx) => ctx.state
  }
})

export const all = [plain, flaky, failing, stream, memo, parent, slow, limited, poison, slot, cart, ledger]
