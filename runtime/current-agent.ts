/**
 * What a message's handler is given: its agent's key and state, and whom it may write to.
 *
 * There are two faces of one thing: `AgentContext` in promises, and `AgentContextFx` in effects. What a handler sets and
 * sends is stored with the message that it handles, or not at all: should it throw, or its process die, nothing has
 * happened. Only events, steps and asks are stored at once.
 */
import { type Duration, type Effect, Schema } from "effect"
import type { Attempt, LogLevel, Writing } from "./current-task.ts"
import type { AgentAddress } from "./mailbox.ts"
import type { AttemptOver, ChildFailed, ChildRefused, EventRefused, StepError } from "./run-errors.ts"

declare const types: unique symbol

/** What makes a definition an agent's. */
export const agentBrand: unique symbol = Symbol.for("troupe/AgentDefinition")

/** What messages an agent takes, and what it answers, by their names. */
export type Protocol = Readonly<Record<string, { readonly input: unknown; readonly output: unknown }>>

/** The part of a definition that those need who write to its agents. */
export interface AgentTyped<out P extends Protocol = Protocol> {
  readonly name: string
  readonly [agentBrand]: true
  readonly [types]?: P
}

/** An agent as code says it: by its definition, which knows its messages, or by its name, which does not. */
export type AgentNamed = AgentTyped | string

export type ProtocolOf<A> = A extends AgentTyped<infer P> ? P : Protocol

/** The names of an agent's messages; any text where only the agent's name is known. */
export type MessageOf<A> = Extract<keyof ProtocolOf<A>, string>
/** What a message of an agent takes; anything that is JSON where only the agent's name is known. */
export type MessageInput<A, M extends MessageOf<A>> = ProtocolOf<A>[M]["input"]
/** What a message of an agent is answered with. */
export type Reply<A, M extends MessageOf<A>> = ProtocolOf<A>[M]["output"]

/** `<name>/<key>`, as logs and records say it; `<name>@<tenant>/<key>` for another tenant than `default`. */
export const addressOf = (name: string, key: string, tenant?: string): AgentAddress =>
  tenant === undefined ? `${name}/${key}` : `${name}@${tenant}/${key}`

// ---------------------------------------------------------------------------------------------------------
// What is refused
// ---------------------------------------------------------------------------------------------------------

/**
 * An agent asks one that waits for it: neither would ever answer. Unless it is caught the message fails at once. Tell
 * instead of asking, and let the answer be a message.
 */
export class AskCycle extends Schema.TaggedError<AskCycle>()("AskCycle", {
  agent: Schema.String,
  asked: Schema.String
}) {
  override get message() {
    return `${this.agent} asks ${this.asked}, which waits for its answer: neither would ever go on`
  }
}

/** What was set or sent cannot be stored: too large, too much, or no JSON. Unless it is caught the message fails at once. */
export class ActRefused extends Schema.TaggedError<ActRefused>()("ActRefused", {
  agent: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.agent}: ${this.reason}`
  }
}

// ---------------------------------------------------------------------------------------------------------
// The contexts
// ---------------------------------------------------------------------------------------------------------

export interface TellOptions {
  /** It is handled so much later. */
  readonly delay?: Duration.Input
}

export interface AskAgentOptions {
  /** How long the answer may take. Default 30 seconds. */
  readonly timeout?: Duration.Input
}

/** When a message to oneself is due. */
export type ScheduleOptions = {
  /** A later one of the name takes its place. Default: a name of its own. */
  readonly name?: string
} & (
  | { readonly delay: Duration.Input; readonly every?: never }
  /** Again and again, the first time after so long. It goes on however the handling of a message ends; one that is cancelled or purged ends it. */
  | { readonly every: Duration.Input; readonly delay?: never }
)

interface Common<State, Self extends Protocol> extends Attempt {
  readonly key: string

  /** The name and the key of this agent, for others to write to. */
  readonly self: { readonly agent: AgentTyped<Self>; readonly key: string }

  /** The state as it is now. It is changed by `setState` alone. */
  readonly state: State

  /** Takes the place of the whole state; it is checked against the schema at once. Throws `ActRefused` when it does not fit. */
  readonly setState: (state: State) => void
}

/** The context of a plain message handler. What is not written with `await` in mind is stored with the message's end. */
export interface AgentContext<State, Self extends Protocol = Protocol>
  extends Common<State, Self>, Omit<Writing, "spent"> {
  /** Sends a message when this one has been handled. Rejects with `ChildRefused` when it does not fit. */
  readonly tell: <A extends AgentNamed, M extends MessageOf<A>>(
    agent: A,
    key: string,
    message: M,
    input: MessageInput<A, M>,
    options?: TellOptions
  ) => Promise<void>

  /**
   * Sends a message at once, and gives its reply. While there is none the run ends, as with `ctx.all` of a task: the
   * agent holds no worker, handles nothing else, and its handler starts again from the beginning once the reply is there;
   * what must not be done twice is a `step`. Rejects with `AskCycle`, `ChildRefused`, or `ChildFailed`.
   */
  readonly ask: <A extends AgentNamed, M extends MessageOf<A>>(
    agent: A,
    key: string,
    message: M,
    input: MessageInput<A, M>,
    options?: AskAgentOptions
  ) => Promise<Reply<A, M>>

  /**
   * Sends this agent itself a message later, once or again and again; gives the timer's name. Throws `ActRefused` where it
   * has 1 000 timers already.
   */
  readonly schedule: <M extends Extract<keyof Self, string>>(
    message: M,
    input: Self[M]["input"],
    options: ScheduleOptions
  ) => string

  /** Cancels what was scheduled under this name, if it has not been handled. */
  readonly unschedule: (name: string) => void

  /** Runs a part whose result is remembered, as in a task's context. */
  readonly step: <A>(name: string, run: () => A | Promise<A>) => Promise<A>
}

/** The same in effects. */
export interface AgentContextFx<State, Self extends Protocol = Protocol> extends Common<State, Self> {
  readonly progress: (fraction: number, message?: string) => Effect.Effect<void, AttemptOver | EventRefused>
  readonly log: (message: string, level?: LogLevel) => Effect.Effect<void, AttemptOver | EventRefused>
  readonly emit: (chunk: unknown) => Effect.Effect<void, AttemptOver | EventRefused>
  readonly tell: <A extends AgentNamed, M extends MessageOf<A>>(
    agent: A,
    key: string,
    message: M,
    input: MessageInput<A, M>,
    options?: TellOptions
  ) => Effect.Effect<void, AttemptOver | ChildRefused>
  /** While there is no reply the run ends here, by a defect. */
  readonly ask: <A extends AgentNamed, M extends MessageOf<A>>(
    agent: A,
    key: string,
    message: M,
    input: MessageInput<A, M>,
    options?: AskAgentOptions
  ) => Effect.Effect<Reply<A, M>, StepError | ChildRefused | ChildFailed | AskCycle>
  readonly schedule: <M extends Extract<keyof Self, string>>(
    message: M,
    input: Self[M]["input"],
    options: ScheduleOptions
  ) => string
  readonly unschedule: (name: string) => void
  readonly step: <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | StepError, R>
}
