/** Agents from code: what is said to one, asked of it and done to it. A definition brings its messages' types. */
import { Effect, Result } from "effect"
import type { SubmitError, Submitted } from "../../actors/dispatch/dispatcher.ts"
import type { SubmitRefused } from "../../actors/dispatch/new-task.ts"
import type { TaskNotFound } from "../../actors/dispatch/replies.ts"
import type { AgentQuery } from "../../actors/operate/agent-query.ts"
import type { AgentView } from "../../actors/operate/agent-view.ts"
import type { AgentError, AgentOperator, AgentPage, UnknownAgent } from "../../actors/operate/agents.ts"
import type { QueryRefused } from "../../actors/operate/fields.ts"
import type { AgentDefinition } from "../../runtime/agent.ts"
import { addressOf, type MessageInput, type MessageOf, type Reply } from "../../runtime/current-agent.ts"
import type { Names } from "../../runtime/option-names.ts"
import type { StoreError } from "../../runtime/store.ts"
import { answeredWithin } from "./asking.ts"
import type { AskTimeout, TaskFailed } from "./errors.ts"
import { inOptions } from "./fault-names.ts"
import { nameOf, refusedAmong, submission, type SubmitOptions, type WaitOptions } from "./submission.ts"
import { outputOf, type Task } from "./task.ts"

/** An agent as code says it: by its definition, which knows its messages, or by its name, which does not. */
export type AgentIdentity = AgentDefinition | string

/** When a message is due, how urgent it is, and what makes a second one the same. */
export interface MessageOptions extends Pick<SubmitOptions, "delay" | "runAt" | "priority" | "tags"> {
  /** A second message to the same agent with the same one is the first; with another input, it is refused. */
  readonly dedupe?: string
}

/** There is somebody who waits, so it is sent at once. */
export type InquiryOptions = Pick<MessageOptions, "dedupe"> & WaitOptions

/** Why a message was not stored. */
export type TellError = UnknownAgent | SubmitError

/** One agent. Nothing is asked before one of its methods is called. */
export interface Agent<A extends AgentIdentity = AgentIdentity> {
  readonly name: string
  readonly key: string

  /** Stores a message, and succeeds once it is stored. The reply is its task's result, and what it puts out are its events. */
  readonly tell: <M extends MessageOf<A>>(
    message: M,
    input: MessageInput<A, M>,
    options?: MessageOptions
  ) => Effect.Effect<Task<Reply<A, M>>, TellError>

  /** Stores a message and waits for its reply. One that is late is still handled. */
  readonly ask: <M extends MessageOf<A>>(
    message: M,
    input: MessageInput<A, M>,
    options?: InquiryOptions
  ) => Effect.Effect<Reply<A, M>, TellError | TaskNotFound | TaskFailed | AskTimeout>

  /** Its state, its mailbox, and how it stands. */
  readonly read: Effect.Effect<AgentView, AgentError>

  /** Ends its quarantine: it goes on with its next message. */
  readonly resume: Effect.Effect<AgentView, AgentError>

  /** The same, after its state and its timers were forgotten. What waits stays. */
  readonly reset: Effect.Effect<AgentView, AgentError>

  /** Ends it: what it handles is interrupted, what waits is cancelled, state and timers are forgotten. Says how many. */
  readonly stop: (reason?: string) => Effect.Effect<number, AgentError>
}

export interface Agents {
  /** A page of those that have a state, a timer or a failure, by name and key; `next` is the `cursor` of the next one. */
  readonly list: (query?: AgentQuery) => Effect.Effect<AgentPage, UnknownAgent | QueryRefused | StoreError>
}

/** What a connection does with messages' tasks. */
interface Connection {
  /** Knows a definition from then on. */
  readonly learn: (definition: AgentDefinition) => void
  readonly handle: (submitted: Submitted) => Task
}

const names: Names<MessageOptions> = { delay: true, runAt: true, priority: true, tags: true, dedupe: true }
const inquiryNames: Names<MessageOptions & WaitOptions> = { ...names, timeout: true }

/** The message as the operator takes it. */
const messageOf = (
  name: string,
  message: string,
  input: unknown,
  options: MessageOptions
): Result.Result<object, SubmitRefused> => {
  const refused = refusedAmong(options, names)
  if (refused !== undefined) return Result.fail(refused)
  const { dedupe, ...plain } = options
  return Result.map(submission(name, input, plain), ({ name: _, ...said }) => ({
    ...said,
    message,
    ...(dedupe === undefined ? {} : { dedupe })
  }))
}

/** Gives agents by who they are. What one replies is what its definition says: its worker checked it. */
export const agentOf =
  (operator: AgentOperator["Service"], { handle, learn }: Connection) =>
  <A extends AgentIdentity>(agent: A, key: string): Agent<A> => {
    const name = nameOf(agent)
    const known = <B, E>(use: () => Effect.Effect<B, E>) =>
      Effect.suspend(() => {
        if (typeof agent !== "string") learn(agent)
        return use()
      })
    const said = (message: string, input: unknown, options: MessageOptions = {}) =>
      Effect.fromResult(messageOf(name, message, input, options))
    const tell = (message: string, input: unknown, options?: MessageOptions) =>
      known(() =>
        said(message, input, options).pipe(
          Effect.flatMap((message) => operator.tell(name, key, message)),
          Effect.mapBoth({ onSuccess: handle, onFailure: inOptions })
        )
      )
    const ask = (message: string, input: unknown, given: InquiryOptions = {}) =>
      known(() => {
        const refused = refusedAmong(given, inquiryNames)
        if (refused !== undefined) return Effect.fail(refused)
        const { timeout, ...options } = given
        const asked = Effect.flatMap(said(message, input, options), (message) =>
          Effect.mapError(operator.ask(name, key, message), inOptions)
        )
        return Effect.flatMap(answeredWithin(timeout, addressOf(name, key), asked), (ended) =>
          outputOf(ended, ended.id)
        )
      })
    return {
      name,
      key,
      tell,
      ask,
      read: known(() => operator.read(name, key)),
      resume: known(() => operator.resume(name, key)),
      reset: known(() => operator.reset(name, key)),
      stop: (reason) =>
        known(() =>
          Effect.map(operator.stop(name, key, reason === undefined ? {} : { reason }), ({ count }) => count)
        )
    }
  }
