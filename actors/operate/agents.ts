/**
 * What is said to agents, asked of them and done to them: the one way in for the API, the command line and the library.
 *
 * An agent is named by its definition's name and its key, and found where its messages go. What it is told is stored when
 * this succeeds. What is done to one may be said again without harm, but for a stop: there is then nothing left of it.
 */
import { Context, Effect, Layer, Result, Schema } from "effect"
import { type AgentDefinition, isAgentDefinition } from "../../runtime/agent.ts"
import { Agents } from "../../runtime/agents.ts"
import { Settings } from "../../runtime/config.ts"
import { addressOf } from "../../runtime/current-agent.ts"
import { nearest } from "../../runtime/nearest.ts"
import { Handlers } from "../../runtime/registry.ts"
import type { StoreError } from "../../runtime/store.ts"
import type { AgentAddress } from "../../runtime/mailbox.ts"
import { type Partition, partitionOf } from "../../runtime/task.ts"
import { storedTenant, Tenant } from "../../runtime/tenant.ts"
import { boxOf } from "../dispatch/box.ts"
import {
  type Asked,
  Dispatcher,
  reasonMax,
  type SubmitError,
  type Submitted
} from "../dispatch/dispatcher.ts"
import { queueOfAgent, queuesOf } from "../dispatch/home.ts"
import { refusedMessage, taskOfMessage } from "../dispatch/message.ts"
import { SubmitRefused } from "../dispatch/new-task.ts"
import type { TaskNotFound } from "../dispatch/replies.ts"
import {
  agentCursor,
  agentsPageDefault,
  homesFrom,
  keyInAddress,
  readAgentCursor,
  readAgentKey,
  readAgentQuery
} from "./agent-query.ts"
import { type AgentSummary, type AgentView, agentViewOf, summaryOf } from "./agent-view.ts"
import type { QueryRefused } from "./fields.ts"
import type { DryRun } from "./operator.ts"
import type { Count } from "./revival.ts"

/** No agent is defined under this name. `nearest` is what may have been meant. */
export class UnknownAgent extends Schema.TaggedError<UnknownAgent>()("UnknownAgent", {
  agent: Schema.String,
  nearest: Schema.optional(Schema.String),
  /** A handler of tasks has the name. */
  isHandler: Schema.Boolean
}) {
  override get message() {
    if (this.isHandler) return `${this.agent} is a handler of tasks, and no agent`
    return `no agent is called ${this.agent}${this.nearest === undefined ? "" : `; did you mean ${this.nearest}?`}`
  }
}

/** Nothing is known of this agent: it has no state, no timer, and no message that waits. The first message begins it. */
export class AgentNotFound extends Schema.TaggedError<AgentNotFound>()("AgentNotFound", {
  agent: Schema.String
}) {
  override get message() {
    return `there is nothing of ${this.agent}: it has no state, no timer, and no message that waits`
  }
}

/** Some agents, by name and key; `next`, if there may be more, is the `cursor` of the next page. */
export interface AgentPage {
  readonly agents: ReadonlyArray<AgentSummary>
  /** Where the next page begins; absent on the last one. */
  readonly next?: string
}

/** Why an agent cannot be looked at. */
export type AgentError = UnknownAgent | AgentNotFound | QueryRefused | StoreError

export class AgentOperator extends Context.Service<
  AgentOperator,
  {
    /** Stores a message, `{message, input, delayMs?, runAt?, dedupe?, priority?, tags?}`; its reply is its task's result. */
    readonly tell: (
      name: string,
      key: string,
      message: unknown
    ) => Effect.Effect<Submitted, UnknownAgent | SubmitError>
    /** The same, and waits for the end. */
    readonly ask: (
      name: string,
      key: string,
      message: unknown
    ) => Effect.Effect<Asked, UnknownAgent | SubmitError | TaskNotFound>
    readonly read: (name: string, key: string) => Effect.Effect<AgentView, AgentError>
    /**
     * A page of those that have a state, a timer or a failure, by name and key. Each call looks at some of them: a page may
     * be short, or empty, and not be the last.
     */
    readonly list: (query: unknown) => Effect.Effect<AgentPage, UnknownAgent | QueryRefused | StoreError>
    /** Ends a quarantine: it goes on with its next message. */
    readonly resume: (name: string, key: string) => Effect.Effect<AgentView, AgentError>
    /** The same, after its state and its timers were forgotten. What waits stays. */
    readonly reset: (name: string, key: string) => Effect.Effect<AgentView, AgentError>
    /** Ends it: what it handles is interrupted, what waits is cancelled, state and timers are forgotten. Says how many. */
    readonly stop: (
      name: string,
      key: string,
      options?: DryRun & { readonly reason?: string }
    ) => Effect.Effect<Count, AgentError>
  }
>()("troupe/AgentOperator") {}

/** How many agents of a list are looked at in one go, and in one call at most. */
const pieceMax = 100
const lookedMax = 1_000

interface Located {
  readonly definition: AgentDefinition
  readonly key: string
  readonly partition: Partition
  readonly address: AgentAddress
  readonly box: string
}

const locatedIn = (
  definition: AgentDefinition,
  key: string,
  partition: Partition,
  tenant: string | undefined
): Located => ({
  definition,
  key,
  partition,
  address: addressOf(definition.name, key, tenant),
  // All messages of an agent wait in one box, whatever their lanes and inputs.
  box: boxOf(definition, { key, tenant, lane: definition.lane, input: undefined })!.name
})

const make = Effect.gen(function* () {
  const agents = yield* Agents
  const handlers = yield* Handlers
  const dispatcher = yield* Dispatcher
  const { routes } = yield* Settings

  const definitions = () => handlers.all.filter(isAgentDefinition)

  const define = (name: string): Result.Result<AgentDefinition, UnknownAgent> => {
    const definition = handlers.find(name)
    if (isAgentDefinition(definition)) return Result.succeed(definition)
    const names = definitions().map(({ name }) => name)
    const isHandler = definition !== undefined
    return Result.fail(new UnknownAgent({ agent: name, nearest: nearest(name, names), isHandler }))
  }

  const locate = (name: string, key: string) =>
    Effect.flatMap(Tenant, (tenant) =>
      Effect.fromResult(
        Result.flatMap(define(name), (definition): Result.Result<Located, UnknownAgent | QueryRefused> =>
          Result.map(readAgentKey({ key }), () =>
            locatedIn(
              definition,
              key,
              partitionOf(queueOfAgent(definition, routes, key)),
              storedTenant(tenant)
            )
          )
        )
      )
    )

  const find = Effect.fnUntraced(function* (name: string, key: string) {
    const agent = yield* locate(name, key)
    const found = yield* agents.read(agent.partition, agent.address, agent.box)
    return found === undefined ? yield* new AgentNotFound({ agent: agent.address }) : { agent, found }
  })

  const send = <A, E>(
    name: string,
    key: string,
    given: unknown,
    submit: (task: object) => Effect.Effect<A, E>
  ) =>
    Effect.suspend(() =>
      Effect.fromResult(Result.flatMap(define(name), () => taskOfMessage(name, key, given)))
    ).pipe(Effect.flatMap(submit))

  const toldOf = <E>(error: E): E => (error instanceof SubmitRefused ? refusedMessage(error) : error) as E

  const list: AgentOperator["Service"]["list"] = Effect.fn("Agents.list")(function* (query) {
    const {
      cursor,
      limit = agentsPageDefault,
      name,
      status
    } = yield* Effect.fromResult(readAgentQuery(query))
    const place = cursor === undefined ? undefined : yield* Effect.fromResult(readAgentCursor(cursor))
    const meant = name === undefined ? definitions() : [yield* Effect.fromResult(define(name))]
    const homes = meant.flatMap((definition) =>
      queuesOf(definition, routes).map((queue) => ({ name: definition.name, queue, definition }))
    )
    const tenant = storedTenant(yield* Tenant)
    const found: Array<AgentSummary> = []
    let looked = 0
    for (const { after: from, home } of homesFrom(homes, place)) {
      const { definition, queue } = home
      const partition = partitionOf(queue)
      let after = from
      for (;;) {
        const asked = status === undefined ? Math.min(pieceMax, limit + 1 - found.length) : pieceMax
        const piece = yield* agents.list(partition, {
          prefix: addressOf(definition.name, "", tenant),
          after,
          limit: asked
        })
        const some = piece
          .filter(({ quarantined }) => quarantined || status !== "quarantined")
          .map(({ agent }) => ({ ...locatedIn(definition, keyInAddress(agent), partition, tenant), agent }))
        const standings = yield* agents.survey(partition, some)
        const seen = some.map((located, at) => {
          const standing = standings[at]
          return standing === undefined ? [] : [summaryOf(located, standing)]
        })
        found.push(...seen.flat().filter((agent) => status === undefined || agent.status === status))
        if (found.length > limit) {
          const page = found.slice(0, limit)
          const last = page.at(-1)!
          const next = { queue: last.queue, address: addressOf(last.name, last.key, tenant) }
          return { agents: page, next: agentCursor(next) }
        }
        looked += piece.length
        if (piece.length < asked) break
        after = piece.at(-1)!.agent
        if (looked >= lookedMax) return { agents: found, next: agentCursor({ queue, address: after }) }
      }
    }
    return { agents: found }
  })

  const resuming = (reset: boolean) =>
    Effect.fnUntraced(function* (name: string, key: string) {
      const agent = yield* locate(name, key)
      const { address, box, partition } = agent
      const known = yield* agents.resume(partition, address, { box, reset })
      if (!known) return yield* new AgentNotFound({ agent: address })
      return agentViewOf(agent, yield* agents.read(partition, address, box))
    })

  const stop: AgentOperator["Service"]["stop"] = Effect.fn("Agents.stop")(function* (
    name,
    key,
    options = {}
  ) {
    const { agent, found } = yield* find(name, key)
    const { dryRun = false, reason = "its agent was stopped" } = options
    if (dryRun) return { count: found.waiting + found.taken.length + found.timers.size }
    let count = 0
    const piece = Effect.map(
      agents.stop(agent.partition, agent.address, { box: agent.box, reason: reason.slice(0, reasonMax) }),
      ({ cancelled, left }) => {
        count += cancelled
        return left
      }
    )
    // Between two pieces it hands out nothing and takes nothing in: whoever asked for this and has gone must not leave it so.
    yield* Effect.uninterruptible(Effect.repeat(piece, { while: (left) => left }))
    return { count }
  })

  return AgentOperator.of({
    tell: (name, key, message) => Effect.mapError(send(name, key, message, dispatcher.submit), toldOf),
    ask: (name, key, message) => Effect.mapError(send(name, key, message, dispatcher.ask), toldOf),
    read: (name, key) => Effect.map(find(name, key), ({ agent, found }) => agentViewOf(agent, found)),
    list,
    resume: resuming(false),
    reset: resuming(true),
    stop
  })
})

/** Give it the stores, the handlers, the settings and the dispatcher. */
export const layer = Layer.effect(AgentOperator, make)
