/** The two contexts of a message's handler, over one act: what they set and send is gathered there. */
import { Duration, Effect } from "effect"
import type { AgentDefinition } from "../../runtime/agent.ts"
import {
  ActRefused,
  type AgentContext,
  type AgentContextFx,
  type AgentNamed,
  type AskAgentOptions,
  type TellOptions
} from "../../runtime/current-agent.ts"
import { millisOf, written } from "../../runtime/duration.ts"
import { defecting, type Run } from "../work/context.ts"
import type { Acting } from "./act.ts"

/** How long an answer may take when nobody says. */
const askDefault: Duration.Input = "30 seconds"

const nameOf = (agent: AgentNamed): string => (typeof agent === "string" ? agent : agent.name)

export interface Handling {
  readonly run: Run
  readonly acting: Acting
  readonly definition: AgentDefinition
  readonly address: string
  readonly key: string
  readonly state: unknown
}

// What the methods give and take is said by the contract; inside, everything is JSON.
const tell =
  ({ acting, run }: Handling) =>
  (agent: AgentNamed, key: string, message: string, input: unknown, options: TellOptions = {}) =>
    run.guarded(() => acting.tell(nameOf(agent), key, message, input, options.delay) as never)

const ask =
  ({ address, run }: Handling) =>
  (agent: AgentNamed, key: string, message: string, input: unknown, options: AskAgentOptions = {}) => {
    const { timeout = askDefault } = options
    const deadlineMs = millisOf(timeout)
    if (deadlineMs === undefined || !(deadlineMs > 0)) {
      throw new ActRefused({
        agent: address,
        reason: `ask: timeout ${written(timeout)} is no duration above 0`
      })
    }
    const inquiry = { key, deadlineMs: Math.ceil(deadlineMs) }
    return run.inquire(nameOf(agent), { message, input }, inquiry)
  }

const common = (handling: Handling) => {
  const { acting, definition, key, run, state } = handling
  return {
    key,
    self: { agent: definition, key },
    task: run.task,
    attempt: run.attempt,
    idempotencyKey: run.idempotencyKey,
    get signal() {
      return run.signal
    },
    get state() {
      return acting.state === undefined ? state : acting.state.value
    },
    setState: (next: unknown) => acting.setState(next),
    schedule: acting.schedule.bind(acting),
    unschedule: (name: string) => acting.unschedule(name)
  }
}

/** In promises. */
export const plainContext = (handling: Handling): AgentContext<unknown> => {
  const { run } = handling
  const context = common(handling)
  return Object.defineProperties(
    {
      progress: run.progress,
      log: run.log,
      emit: run.emit,
      step: run.step,
      tell: (...args: Parameters<ReturnType<typeof tell>>) => run.promised(tell(handling)(...args)),
      ask: (...args: Parameters<ReturnType<typeof ask>>) =>
        run.promised(Effect.suspend(() => ask(handling)(...args)))
    },
    Object.getOwnPropertyDescriptors(context)
  ) as never
}

/** In effects. */
export const effectContext = (handling: Handling): AgentContextFx<unknown> => {
  const { emit, log, progress, step } = handling.run.asService()
  return Object.defineProperties(
    {
      progress,
      log,
      emit,
      step,
      tell: (...args: Parameters<ReturnType<typeof tell>>) => tell(handling)(...args),
      ask: (...args: Parameters<ReturnType<typeof ask>>) =>
        defecting(Effect.suspend(() => ask(handling)(...args)))
    },
    Object.getOwnPropertyDescriptors(common(handling))
  ) as never
}
