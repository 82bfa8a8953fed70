/**
 * What an agent says of itself: its state, its messages, and how it handles them.
 *
 * `defineAgent` makes a definition that is found, loaded and served as a handler's is, for an agent's messages are tasks.
 * There is one agent for each key; it handles one message at a time, and what a message changes is stored with it, or not
 * at all.
 */
import { type Duration, type Effect, type Layer, Result, Schema } from "effect"
import { type AnySchema, check, isSchema, Misfit, type Whatever } from "./check.ts"
import {
  type AgentContext,
  type AgentContextFx,
  agentBrand,
  type AgentTyped,
  type Protocol
} from "./current-agent.ts"
import {
  type AgentBody,
  define,
  type MessageSpec,
  millis,
  type OnBusy,
  type Options,
  type ResultOf,
  type ReturnOf,
  type StateSpec,
  type TakenBy,
  type TaskDefinition,
  type TypeOf
} from "./handler.ts"
import { nearest } from "./nearest.ts"
import { type Names, refuseStranger } from "./option-names.ts"

interface MessageOptions {
  /** Checked before a message is acknowledged, and again before it is handled. Default: any JSON value. */
  readonly input?: AnySchema
  /** Checked before a reply is stored. Default: any JSON value. */
  readonly output?: AnySchema
}

type Messages = Readonly<Record<string, MessageOptions>>

interface StateOptions {
  /** Checked whenever it is read and written. Default: any JSON value. */
  readonly schema?: AnySchema
  /** Default 1. A state of an earlier version is migrated when it is read. */
  readonly version?: number
  /** The state of an agent that has none yet. */
  readonly initial: (key: string) => unknown
  /** Makes a state of this version of an older one. Without it an older state fails its messages. */
  readonly migrate?: (old: Whatever, from: number) => unknown
}

/** The state as its handlers see it: what its schema gives out, or what `initial` gives where there is none. */
type StateOf<S> = S extends { readonly schema: infer Schema extends AnySchema }
  ? TypeOf<Schema>
  : S extends { readonly initial: (key: string) => infer State }
    ? [State] extends [never]
      ? unknown
      : State
    : unknown

/** What is said of a state, as far as it fits itself: every one of its states is of its type, and nothing else is said. */
type Fitting<S> = {
  readonly initial: (key: string) => StateOf<S>
  readonly migrate?: (old: Whatever, from: number) => StateOf<S>
} & { readonly [Other in Exclude<keyof S, keyof StateOptions>]: never }

interface AgentOptions<Ms extends Messages, S extends StateOptions> extends Pick<
  Options<AnySchema, AnySchema>,
  "name" | "queue" | "priority" | "timeout" | "retry"
> {
  readonly state: S & Fitting<S>
  readonly messages: Ms
  /** What its messages use that all processes share; amounts are numbers here, and `each` is no function. */
  readonly limits?: Options<AnySchema, AnySchema>["limits"]
  /** How long a worker keeps an idle agent's state at hand. Default 1 minute. */
  readonly passivateAfter?: Duration.Input
  /** What a new message does while there are others. Default `enqueue`. */
  readonly onBusy?: OnBusy
}

type SchemaOf<M extends MessageOptions, Which extends "input" | "output"> = M extends {
  readonly [K in Which]: infer S
}
  ? S
  : undefined

/** What those who write to it send and get. */
type ProtocolIn<Ms extends Messages> = {
  readonly [M in keyof Ms]: {
    readonly input: TakenBy<SchemaOf<Ms[M], "input">>
    readonly output: ResultOf<SchemaOf<Ms[M], "output">, unknown>
  }
}

/** What `input` of a message's task is. */
export interface MessageJson {
  readonly message: string
  readonly input?: unknown
  /** The timer whose message this is. One that goes on says when it was due, in Unix milliseconds on Redis's clock. */
  readonly timer?: { readonly name: string; readonly everyMs?: number; readonly dueAt?: number }
}

/** A defined agent, as `defineAgent` makes it: handlers and submitters know it by its `name`. */
export interface AgentDefinition<P extends Protocol = Protocol>
  extends TaskDefinition<MessageJson, unknown>, AgentTyped<P> {
  readonly name: string
  readonly body: AgentBody
}

const passivateDefault = "1 minute"

const TimerJson = Schema.Struct({
  name: Schema.String,
  everyMs: Schema.optionalKey(Schema.Int),
  dueAt: Schema.optionalKey(Schema.Number)
})
const isTimer = Schema.is(TimerJson)

const misfit = (path: string, message: string) => Result.fail(new Misfit({ faults: [{ path, message }] }))

const inside = ({ faults }: Misfit) =>
  new Misfit({ faults: faults.map(({ message, path }) => ({ path: `/input${path}`, message })) })

/** Reads a message's task: which message it is, and its input as the handler gets it. */
const readMessage = (messages: ReadonlyMap<string, MessageSpec>): TaskDefinition["readInput"] => {
  const names = [...messages.keys()]
  return (given) => {
    if (typeof given !== "object" || given === null) {
      return misfit("", `a message is an object such as {"message": "${names[0]}", "input": {}}`)
    }
    const { input, message, timer, ...rest } = given as Record<string, unknown>
    const [other] = Object.keys(rest)
    if (other !== undefined) return misfit(`/${other}`, "a message has only message and input")
    if (typeof message !== "string") return misfit("/message", `the name of a message: ${names.join(", ")}`)
    const spec = messages.get(message)
    if (spec === undefined) {
      const near = nearest(message, names)
      return misfit(
        "/message",
        `there is no message "${message}"${near === undefined ? `, only ${names.join(", ")}` : `; did you mean ${near}?`}`
      )
    }
    if (timer !== undefined && !isTimer(timer)) return misfit("/timer", "no timer")
    const decide = (read: Result.Result<unknown, Misfit>): Result.Result<unknown, Misfit> =>
      Result.isFailure(read)
        ? Result.fail(inside(read.failure))
        : Result.succeed({ message, input: read.success, ...(timer === undefined ? {} : { timer }) })
    const read = spec.readInput(input ?? null)
    return read instanceof Promise ? read.then(decide) : decide(read)
  }
}

const agentNames: Names<AgentOptions<never, never>> = {
  name: true,
  queue: true,
  priority: true,
  timeout: true,
  retry: true,
  state: true,
  messages: true,
  limits: true,
  passivateAfter: true,
  onBusy: true
}
const stateNames: Names<StateOptions> = { schema: true, version: true, initial: true, migrate: true }
const messageNames: Names<MessageOptions> = { input: true, output: true }
const policies: Readonly<Record<OnBusy, true>> = {
  enqueue: true,
  reject: true,
  coalesce: true,
  interrupt: true
}

const refuseNoSchema = (where: string, schemas: Readonly<Record<string, unknown>>) => {
  for (const [field, schema] of Object.entries(schemas)) {
    if (schema !== undefined && !isSchema(schema)) throw new TypeError(`${where}${field} is no schema`)
  }
}

const messageName = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/

const standard = {
  in: Schema.toStandardSchemaV1,
  out: (schema: never) => Schema.toStandardSchemaV1(Schema.flip(schema))
}

const specsOf = (
  name: string,
  messages: Messages,
  handle: Readonly<Record<string, Whatever>>,
  inEffects: boolean
): ReadonlyMap<string, MessageSpec> => {
  const specs = new Map<string, MessageSpec>()
  for (const [message, options] of Object.entries(messages)) {
    const { input, output } = options
    if (!messageName.test(message)) {
      throw new TypeError(
        `agent ${name}: message "${message}" is not 1 to 64 of A-Z a-z 0-9 _ -, a letter first`
      )
    }
    refuseStranger(`agent ${name}: messages.${message}.`, options, messageNames)
    refuseNoSchema(`agent ${name}: messages.${message}.`, { input, output })
    if (typeof handle[message] !== "function")
      throw new TypeError(`agent ${name}: handle.${message} is missing`)
    specs.set(message, {
      readInput: check(input, standard.in),
      writeOutput: check(output, standard.out as never),
      handle: handle[message] as MessageSpec["handle"],
      inEffects
    })
  }
  const stranger = Object.keys(handle).find((message) => !specs.has(message))
  if (stranger !== undefined) throw new TypeError(`agent ${name}: handle.${stranger} is no message of it`)
  if (specs.size === 0) throw new TypeError(`agent ${name}: it has no messages`)
  return specs
}

/** Code without types may say nothing of it. */
const stateOf = (name: string, options: Partial<StateOptions> = {}): StateSpec => {
  const { initial, migrate, schema, version = 1 } = options
  refuseStranger(`agent ${name}: state.`, options, stateNames)
  refuseNoSchema(`agent ${name}: state.`, { schema })
  if (typeof initial !== "function") throw new TypeError(`agent ${name}: state.initial is no function`)
  if (migrate !== undefined && typeof migrate !== "function")
    throw new TypeError(`agent ${name}: state.migrate is no function`)
  if (!Number.isInteger(version) || version < 1) {
    throw new TypeError(`agent ${name}: state.version ${version} is no whole number above 0`)
  }
  return {
    version,
    initial,
    migrate,
    read: check(schema, standard.in),
    write: check(schema, standard.out as never)
  }
}

const make = (
  options: AgentOptions<Messages, StateOptions>,
  handle: Readonly<Record<string, Whatever>>,
  layer: AgentBody["layer"] | "plain"
) => {
  const {
    limits = [],
    messages,
    name,
    onBusy = "enqueue",
    passivateAfter = passivateDefault,
    state,
    ...rest
  } = options
  refuseStranger(`agent ${name}: `, options, agentNames)
  if (!Object.hasOwn(policies, onBusy)) {
    throw new TypeError(`agent ${name}: onBusy "${onBusy}" is none of ${Object.keys(policies).join(", ")}`)
  }
  if (limits.some(({ each }) => typeof each === "function")) {
    throw new TypeError(
      `agent ${name}: a limit is for each "tenant" or "key", or for all: all messages of an agent wait in one box`
    )
  }
  if (limits.some(({ amount }) => typeof amount === "function")) {
    throw new TypeError(
      `agent ${name}: the amount of a limit is a number: all messages of an agent wait in one box`
    )
  }
  const specs = specsOf(name, messages, handle, layer !== "plain")
  const body: AgentBody = {
    kind: "agent",
    messages: specs,
    state: stateOf(name, state),
    passivateMs: millis(name, "passivateAfter", passivateAfter),
    onBusy,
    layer: layer === "plain" ? undefined : layer
  }
  const definition = define<MessageJson, unknown>({ ...rest, name, limits }, body)
  return { ...definition, readInput: readMessage(specs), body, [agentBrand]: true } as const
}

/** What each message's handler is given and gives back. */
type Handle<Ms extends Messages, State> = {
  readonly [M in keyof Ms]: (
    input: TypeOf<SchemaOf<Ms[M], "input">>,
    ctx: AgentContext<State, ProtocolIn<Ms>>
  ) => ReturnOf<SchemaOf<Ms[M], "output">, unknown> | Promise<ReturnOf<SchemaOf<Ms[M], "output">, unknown>>
}

type HandleFx<Ms extends Messages, State, R> = {
  readonly [M in keyof Ms]: (
    input: TypeOf<SchemaOf<Ms[M], "input">>,
    ctx: AgentContextFx<State, ProtocolIn<Ms>>
  ) => Effect.Effect<ReturnOf<SchemaOf<Ms[M], "output">, unknown>, unknown, R>
}

/** Makes an agent of plain functions, async or not. Throws `TypeError` on an option that cannot be. */
const definePlain = <const Ms extends Messages, S extends StateOptions>(
  options: AgentOptions<Ms, S> & { readonly handle: Handle<Ms, StateOf<S>> }
): AgentDefinition<ProtocolIn<Ms>> => {
  const { handle, ...rest } = options
  return make(rest, handle, "plain")
}

/** The same record in effects: services by `layer`; the context comes as the second argument. */
const defineEffect = <const Ms extends Messages, S extends StateOptions, R = never, LE = never, LR = never>(
  options: AgentOptions<Ms, S> & {
    readonly handle: HandleFx<Ms, StateOf<S>, R>
    readonly layer?: Layer.Layer<R, LE, LR>
  }
): AgentDefinition<ProtocolIn<Ms>> => {
  const { handle, layer, ...rest } = options
  return make(rest, handle, layer)
}

/**
 * Defines an agent: a keyed actor whose state is stored with each message that it handled, or not at all. Throws a
 * `TypeError` that names the field when the definition cannot be. `defineAgent.effect` takes handlers that give Effects, and
 * a `layer` of what they need.
 */
export const defineAgent = Object.assign(definePlain, { effect: defineEffect })

export const isAgentDefinition = (value: unknown): value is AgentDefinition =>
  typeof value === "object" && value !== null && agentBrand in value
