/** The two contexts of a message's handler, over one act: what they set and send is gathered there. */
import { type Duration, Effect } from "effect"
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
import { Told } from "./told.ts"

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
  /** What a plain handler has asked to be sent. */
  readonly told: Array<Told>
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

/** What both contexts have. Most handlers ask for little of it, so it is made when it is asked for. */
class Common {
  readonly handling: Handling
  readonly key: string

  constructor(handling: Handling) {
    this.handling = handling
    this.key = handling.key
  }

  get self() {
    return { agent: this.handling.definition, key: this.key }
  }

  get task() {
    return this.handling.run.task
  }

  get attempt() {
    return this.handling.run.attempt
  }

  get idempotencyKey() {
    return this.handling.run.idempotencyKey
  }

  get traceparent() {
    return this.handling.run.traceparent
  }

  get tracestate() {
    return this.handling.run.tracestate
  }

  get signal() {
    return this.handling.run.signal
  }

  get state() {
    const { acting, state } = this.handling
    return acting.state === undefined ? state : acting.state.value
  }

  // Bound, so that a handler may take them out of its context.
  get setState() {
    return (state: unknown) => this.handling.acting.setState(state)
  }

  get schedule() {
    const { acting } = this.handling
    return (...args: Parameters<Acting["schedule"]>) => acting.schedule(...args)
  }

  get unschedule() {
    return (name: string) => this.handling.acting.unschedule(name)
  }
}

class Plain extends Common {
  get progress() {
    return this.handling.run.progress
  }

  get log() {
    return this.handling.run.log
  }

  get emit() {
    return this.handling.run.emit
  }

  get step() {
    return this.handling.run.step
  }

  get tell() {
    const { run, told } = this.handling
    return (...args: Parameters<ReturnType<typeof tell>>) => {
      const one = Told.of(run.promised(tell(this.handling)(...args)))
      told.push(one)
      return one
    }
  }

  get ask() {
    const { run } = this.handling
    return (...args: Parameters<ReturnType<typeof ask>>) =>
      run.promised(Effect.suspend(() => ask(this.handling)(...args)))
  }
}

class InEffects extends Common {
  #service: ReturnType<Run["asService"]> | undefined

  get #run() {
    this.#service ??= this.handling.run.asService()
    return this.#service
  }

  get progress() {
    return this.#run.progress
  }

  get log() {
    return this.#run.log
  }

  get emit() {
    return this.#run.emit
  }

  get step() {
    return this.#run.step
  }

  get tell() {
    return tell(this.handling)
  }

  get ask() {
    return (...args: Parameters<ReturnType<typeof ask>>) =>
      defecting(Effect.suspend(() => ask(this.handling)(...args)))
  }
}

/** In promises. */
export const plainContext = (handling: Handling): AgentContext<unknown> => new Plain(handling) as never

/** In effects. */
export const effectContext = (handling: Handling): AgentContextFx<unknown> => new InEffects(handling) as never
