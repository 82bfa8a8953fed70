/** `troupe dead`: lists failed tasks and what they failed with, puts them back to work, or drops them. */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { ErrorGroup } from "../../actors/operate/dead-letters.ts"
import { NotRetryable } from "../../actors/operate/revival.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import type { TaskView } from "../../runtime/view.ts"
import { Troupe } from "../client/effect.ts"
import { taskJson } from "../http/view.ts"
import * as Destroy from "./destroy.ts"
import { UsageError } from "./exit.ts"
import * as Filters from "./filters.ts"
import * as Flags from "./flags.ts"
import { anotherInput, readInput } from "./input.ts"
import { gather } from "./pages.ts"
import { type Column, printList } from "./table.ts"

const columns: ReadonlyArray<Column<TaskView>> = [
  ["ID", ({ id }) => id],
  ["NAME", ({ name }) => name],
  ["ATTEMPT", ({ attempt }) => attempt],
  ["FAILED", ({ finishedAt }) => (finishedAt === undefined ? "" : new Date(finishedAt).toISOString())],
  ["ERROR", ({ error }) => (error === undefined ? "" : `${error.type}: ${error.message}`.slice(0, 120))]
]

const groupColumns: ReadonlyArray<Column<ErrorGroup>> = [
  ["COUNT", ({ count }) => count],
  ["ERROR", ({ error }) => error]
]

const filters = {
  queue: Filters.queue,
  name: Filters.name,
  error: Filters.error,
  from: Filters.from,
  to: Filters.to
}
const common = { redis: Flags.redis, json: Flags.json }

const ids = Flags.id.pipe(
  Argument.withDescription("Failed tasks; default: those that the flags mean"),
  Argument.variadic({ min: 0 })
)
const all = Flag.Boolean("all").pipe(
  Flag.withDescription("All there are: say so where nothing else says which"),
  Flag.withDefault(false)
)

/** Whoever names tasks means some that are there: where one is not, nothing is done, and it is said which. */
const there = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
  const troupe = yield* Troupe
  return yield* Effect.forEach(ids, troupe.task, { concurrency: 16 })
})

/** Which are meant. To say nothing means nothing: it must be said that all are. */
const selection = Effect.fnUntraced(function* (
  command: string,
  ids: ReadonlyArray<string>,
  all: boolean,
  filter: Parameters<typeof Filters.given>[0]
) {
  yield* Flags.taskIds(ids)
  const said = { ...Filters.given(filter), ...(ids.length === 0 ? {} : { ids }) }
  if (Object.keys(said).length === 0 && !all) {
    return yield* new UsageError({ command, problem: "say which: ids, a filter, or --all" })
  }
  return said
})

const groups = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "groups",
    { ...filters, ...common },
    Effect.fnUntraced(function* ({ json, redis, ...filter }) {
      yield* Effect.gen(function* () {
        const { dead } = yield* Troupe
        const { groups } = yield* dead.list({ ...Filters.given(filter), limit: 1 })
        yield* printList(groups, { json, toJson: (group) => group, columns: groupColumns })
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription("Counts the newest failed tasks by what they failed with"),
    Command.withShortDescription("Counts failed tasks by error"),
    Command.withExamples([
      { command: "troupe dead groups --name document.process", description: "What one handler failed with" }
    ])
  )

const retry = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "retry",
    {
      ids,
      ...filters,
      all,
      ...anotherInput,
      dryRun: Destroy.dryRun,
      ...common
    },
    Effect.fnUntraced(function* ({ all, dryRun, ids, input, inputFile, json, redis, ...filter }) {
      const command = "troupe dead retry"
      const asked = yield* selection(command, ids, all, filter)
      const another = yield* readInput({ input, inputFile }, command)
      yield* Effect.gen(function* () {
        const other = (yield* there(ids)).find(({ state }) => state !== "failed")
        if (other !== undefined) return yield* new NotRetryable(other)
        const { dead } = yield* Troupe
        const options = { dryRun, ...(another === undefined ? {} : { input: another }) }
        yield* Destroy.printCount(yield* dead.retry(asked, options), json)
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription(
      "Puts failed tasks back to work, under their ids and with their histories. Prints how many"
    ),
    Command.withShortDescription("Puts failed tasks back to work"),
    Command.withExamples([
      {
        command: "troupe dead retry --error TimedOut --from 2030-01-31T09:00:00Z",
        description: "After an outage"
      }
    ])
  )

const purge = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "purge",
    { ids, ...filters, all, yes: Destroy.yes, dryRun: Destroy.dryRun, ...common },
    Effect.fnUntraced(function* ({ all, dryRun, ids, json, redis, yes, ...filter }) {
      const command = "troupe dead purge"
      const asked = yield* selection(command, ids, all, filter)
      yield* Effect.gen(function* () {
        yield* there(ids)
        const { dead } = yield* Troupe
        const what = (count: number) =>
          `drops ${Destroy.some(count, "failed task")}, inputs and errors included`
        const act = (options: { readonly dryRun?: boolean }) => dead.purge(asked, options)
        yield* Destroy.destroy(act, { command, what, dryRun, json, yes })
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription("Drops failed tasks, with their inputs and errors. Prints how many"),
    Command.withShortDescription("Drops failed tasks"),
    Command.withExamples([
      { command: "troupe dead purge --name demo.flaky --yes", description: "Drop what one handler failed at" }
    ])
  )

export const dead = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "dead",
    { ...filters, limit: Filters.limit, cursor: Filters.cursor, ...common },
    Effect.fnUntraced(function* ({ cursor, json, limit, redis, ...filter }) {
      yield* Effect.gen(function* () {
        const { dead } = yield* Troupe
        const found = yield* gather(limit, Option.getOrUndefined(cursor), (at) =>
          Effect.map(dead.list({ ...Filters.given(filter), ...at }), ({ dead, next }) => ({
            items: dead,
            ...(next === undefined ? {} : { next })
          }))
        )
        yield* printList(found, { json, toJson: taskJson, columns })
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription(
      "Lists failed tasks, those that failed last first; times are those of their failures"
    ),
    Command.withShortDescription("Lists failed tasks, retries or drops them"),
    Command.withExamples([
      { command: "troupe dead --queue documents", description: "What failed in one queue" },
      { command: "troupe dead groups", description: "What it failed with" }
    ]),
    Command.withSubcommands([groups(handlers), retry(handlers), purge(handlers)])
  )
