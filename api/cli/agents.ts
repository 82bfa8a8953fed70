/** `troupe agents`: lists agents, shows one, and what ends a quarantine or an agent. */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { AgentStatus, AgentSummary } from "../../actors/operate/agent-view.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { type Agent, Troupe } from "../client/effect.ts"
import { agentJson, agentSummaryJson } from "../http/agent-view.ts"
import { ask, tell } from "./agent-messages.ts"
import { agentText } from "./agent-record.ts"
import * as Destroy from "./destroy.ts"
import * as Filters from "./filters.ts"
import * as Flags from "./flags.ts"
import * as Output from "./output.ts"
import { gather } from "./pages.ts"
import { type Column, printList } from "./table.ts"

const columns: ReadonlyArray<Column<AgentSummary>> = [
  ["NAME", ({ name }) => name],
  ["KEY", ({ key }) => key],
  ["STATUS", ({ status }) => status],
  ["MAILBOX", ({ mailbox }) => mailbox],
  ["RUNNING", ({ running }) => running.length],
  ["FAILURES", ({ failures }) => failures],
  ["UPDATED", ({ updatedAt }) => (updatedAt === undefined ? "" : new Date(updatedAt).toISOString())]
]

const name = Argument.String("name").pipe(Argument.withDescription("What the agent's definition is called"))
const key = Argument.String("key").pipe(Argument.withDescription("The agent's key"))
const keys = key.pipe(Argument.variadic({ min: 1 }))
const common = { redis: Flags.redis, json: Flags.json }

const filters = {
  name: Flag.String("name").pipe(
    Flag.withDescription("Of this definition"),
    Flag.withMetavar("NAME"),
    Flag.optional
  ),
  status: Flag.Literals("status", ["idle", "busy", "quarantined"]).pipe(
    Flag.withDescription("That stand so"),
    Flag.optional
  ),
  limit: Filters.limit,
  cursor: Filters.cursor
}

/** How many one page of the API holds. */
const pageMax = 100

const list = Effect.fnUntraced(function* (
  handlers: ReadonlyArray<TaskDefinition>,
  flags: {
    readonly name: Option.Option<string>
    readonly status: Option.Option<AgentStatus>
    readonly cursor: Option.Option<string>
    readonly json: boolean
    readonly limit: number
    readonly redis: Option.Option<string>
  }
) {
  const { cursor, json, limit, name, redis, status } = flags
  yield* Effect.gen(function* () {
    const { agents } = yield* Troupe
    const found = yield* gather(limit, Option.getOrUndefined(cursor), (at) =>
      Effect.map(
        agents.list({ ...Filters.given({ name, status }), ...at, limit: Math.min(at.limit, pageMax) }),
        ({ agents, ...rest }) => ({ items: agents, ...rest })
      )
    )
    yield* printList(found, { json, toJson: agentSummaryJson, columns })
  }).pipe(Flags.connected(handlers, { redis }))
})

const ls = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make("ls", { ...filters, ...common }, (flags) => list(handlers, flags)).pipe(
    Command.withDescription("Lists agents that have a state, a timer or a failure, by name and key"),
    Command.withShortDescription("Lists agents"),
    Command.withExamples([
      { command: "troupe agents ls --status quarantined --json", description: "One a line, as JSON" }
    ])
  )

const show = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "show",
    { name, key, ...common },
    Effect.fnUntraced(function* ({ json, key, name, redis }) {
      yield* Effect.gen(function* () {
        const agent = yield* (yield* Troupe).agent(name, key).read
        yield* Output.print(json ? JSON.stringify(agentJson(agent)) : agentText(agent))
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription("Prints an agent: its state, its mailbox, its timers, and how it stands"),
    Command.withShortDescription("Prints an agent"),
    Command.withExamples([{ command: "troupe agents show shop.cart user-7", description: "One agent" }])
  )

const resume = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "resume",
    { name, keys, ...common },
    Effect.fnUntraced(function* ({ json, keys, name, redis }) {
      yield* Effect.gen(function* () {
        const troupe = yield* Troupe
        for (const key of keys) {
          yield* printList([yield* troupe.agent(name, key).resume], {
            json,
            toJson: agentSummaryJson,
            columns
          })
        }
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription("Ends the quarantine of agents: each goes on with its next message"),
    Command.withShortDescription("Ends a quarantine"),
    Command.withExamples([{ command: "troupe agents resume shop.cart user-7", description: "Let it go on" }])
  )

/** What ends something of agents that are named. */
const destroying = (
  handlers: ReadonlyArray<TaskDefinition>,
  options: {
    readonly verb: "reset" | "stop"
    /** Says what was, or would be, counted of one. */
    readonly act: (agent: Agent, dryRun: boolean) => Effect.Effect<number, Effect.Error<Agent["read"]>>
    readonly what: (count: number, agents: string) => string
  }
) =>
  Command.make(
    options.verb,
    { name, keys, yes: Destroy.yes, dryRun: Destroy.dryRun, ...common },
    Effect.fnUntraced(function* ({ keys, name, redis, ...flags }) {
      yield* Effect.gen(function* () {
        const troupe = yield* Troupe
        const act = Effect.fnUntraced(function* ({ dryRun = false }: { readonly dryRun?: boolean }) {
          let count = 0
          for (const key of keys) count += yield* options.act(troupe.agent(name, key), dryRun)
          return { count }
        })
        yield* Destroy.destroy(act, {
          command: `troupe agents ${options.verb}`,
          what: (count) => options.what(count, Destroy.some(keys.length, "agent")),
          ...flags
        })
      }).pipe(Flags.connected(handlers, { redis }))
    })
  )

const reset = (handlers: ReadonlyArray<TaskDefinition>) =>
  destroying(handlers, {
    verb: "reset",
    act: (agent, dryRun) => Effect.as(dryRun ? agent.read : agent.reset, 1),
    what: (_, agents) => `forgets the states and the timers of ${agents}; what waits for them stays`
  }).pipe(
    Command.withDescription(
      "Forgets the state and the timers of agents, and ends their quarantine; what waits stays. Prints how many"
    ),
    Command.withShortDescription("Begins an agent anew"),
    Command.withExamples([
      { command: "troupe agents reset shop.cart user-7 --yes", description: "Begin it anew" }
    ])
  )

const stop = (handlers: ReadonlyArray<TaskDefinition>) =>
  destroying(handlers, {
    verb: "stop",
    act: (agent, dryRun) =>
      dryRun
        ? Effect.map(agent.read, ({ mailbox, running, timers }) => mailbox + running.length + timers.length)
        : agent.stop(),
    what: (count, agents) =>
      `cancels ${Destroy.some(count, "message")} of ${agents}, and forgets states and timers`
  }).pipe(
    Command.withDescription(
      "Ends agents: interrupts what they handle, cancels what waits, forgets state and timers. Prints how many messages"
    ),
    Command.withShortDescription("Ends an agent"),
    Command.withExamples([{ command: "troupe agents stop shop.cart user-7 --yes", description: "End it" }])
  )

export const agents = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make("agents", { ...filters, ...common }, (flags) => list(handlers, flags)).pipe(
    Command.withDescription("Lists agents that have a state, a timer or a failure, by name and key"),
    Command.withShortDescription("Lists agents, and talks to them"),
    Command.withExamples([
      { command: "troupe agents --status quarantined", description: "Those that wait for you" },
      { command: "troupe agents show shop.cart user-7", description: "One of them" }
    ]),
    Command.withSubcommands([
      ls(handlers),
      show(handlers),
      tell(handlers),
      ask(handlers),
      resume(handlers),
      reset(handlers),
      stop(handlers)
    ])
  )
