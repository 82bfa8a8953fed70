/** `troupe schedules`: lists schedules, makes one, shows it, pauses it, runs it now, or deletes it. */
import { Effect, Option } from "effect"
import { Argument, Command } from "effect/cli"
import type { ScheduleView } from "../../actors/schedule/view.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { Troupe } from "../client/effect.ts"
import { scheduleDetailJson, scheduleJson } from "../http/schedule-view.ts"
import * as Destroy from "./destroy.ts"
import * as Filters from "./filters.ts"
import * as Flags from "./flags.ts"
import * as Output from "./output.ts"
import { gather } from "./pages.ts"
import { create } from "./schedule-create.ts"
import { ruleText, scheduleText, standing } from "./schedule-record.ts"
import { type Column, printList } from "./table.ts"

const time = (millis: number | undefined) => (millis === undefined ? "" : new Date(millis).toISOString())

const columns: ReadonlyArray<Column<ScheduleView>> = [
  ["ID", ({ id }) => id],
  ["NAME", ({ name }) => name],
  ["WHEN", ruleText],
  ["STATE", standing],
  ["NEXT", ({ nextRuns }) => time(nextRuns[0])],
  ["LAST", ({ lastRun }) => time(lastRun?.slot)]
]

const printSchedules = (schedules: ReadonlyArray<ScheduleView>, json: boolean) =>
  printList(schedules, { json, toJson: scheduleJson, columns })

const id = Argument.String("id").pipe(Argument.withDescription("A schedule's id"))
const common = { redis: Flags.redis, json: Flags.json }
const paging = { limit: Filters.limit, cursor: Filters.cursor }

/** How many one page of the API holds. */
const pageMax = 100

const list = Effect.fnUntraced(function* (
  handlers: ReadonlyArray<TaskDefinition>,
  {
    cursor,
    json,
    limit,
    redis
  }: {
    readonly cursor: Option.Option<string>
    readonly json: boolean
    readonly limit: number
    readonly redis: Option.Option<string>
  }
) {
  yield* Effect.gen(function* () {
    const { schedules } = yield* Troupe
    const found = yield* gather(limit, Option.getOrUndefined(cursor), (at) =>
      Effect.map(schedules.list({ ...at, limit: Math.min(at.limit, pageMax) }), ({ schedules, ...rest }) => ({
        items: schedules,
        ...rest
      }))
    )
    yield* printSchedules(found, json)
  }).pipe(Flags.connected(handlers, { redis }))
})

const ls = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make("ls", { ...paging, ...common }, (flags) => list(handlers, flags)).pipe(
    Command.withDescription("Lists schedules in the order of their ids"),
    Command.withShortDescription("Lists schedules"),
    Command.withExamples([{ command: "troupe schedules ls --json", description: "One a line, as JSON" }])
  )

const show = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "show",
    { id, ...common },
    Effect.fnUntraced(function* ({ id, json, redis }) {
      yield* Effect.gen(function* () {
        const schedule = yield* (yield* Troupe).schedules.get(id)
        yield* Output.print(json ? JSON.stringify(scheduleDetailJson(schedule)) : scheduleText(schedule))
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription("Prints a schedule, its next slots, and what became of its last ones"),
    Command.withShortDescription("Prints a schedule"),
    Command.withExamples([{ command: "troupe schedules show daily", description: "One schedule" }])
  )

const changing = (name: "pause" | "resume", handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    name,
    { id, ...common },
    Effect.fnUntraced(function* ({ id, json, redis }) {
      yield* Effect.gen(function* () {
        const { schedules } = yield* Troupe
        yield* printSchedules([yield* schedules[name](id)], json)
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription(
      name === "pause"
        ? "Lets a schedule fire nothing; what runs goes on"
        : "Lets a paused schedule fire again; slots that passed meanwhile are not made up for"
    ),
    Command.withShortDescription(name === "pause" ? "Pauses a schedule" : "Resumes a schedule"),
    Command.withExamples([{ command: `troupe schedules ${name} daily`, description: "One schedule" }])
  )

const run = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "run",
    { id, ...common },
    Effect.fnUntraced(function* ({ id, json, redis }) {
      yield* Effect.gen(function* () {
        const run = yield* (yield* Troupe).schedules.run(id)
        const { outcome } = run
        if (outcome === "submitted") {
          return yield* Output.print(json ? JSON.stringify({ id: run.task, outcome }) : run.task)
        }
        yield* json
          ? Output.print(JSON.stringify({ outcome }))
          : Output.say("it runs when the last run has ended")
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription(
      "Runs a schedule now, beside its slots, and prints the task's id; its overlap policy counts"
    ),
    Command.withShortDescription("Runs a schedule now"),
    Command.withExamples([{ command: "troupe schedules run daily", description: "Do not wait for its slot" }])
  )

const remove = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "delete",
    { ids: id.pipe(Argument.variadic({ min: 1 })), yes: Destroy.yes, dryRun: Destroy.dryRun, ...common },
    Effect.fnUntraced(function* ({ ids, redis, ...flags }) {
      yield* Effect.gen(function* () {
        const { schedules } = yield* Troupe
        const act = Effect.fnUntraced(function* ({ dryRun = false }: { readonly dryRun?: boolean }) {
          for (const id of ids) yield* dryRun ? Effect.asVoid(schedules.get(id)) : schedules.delete(id)
          return { count: ids.length }
        })
        yield* Destroy.destroy(act, {
          command: "troupe schedules delete",
          what: (count) => `deletes ${Destroy.some(count, "schedule")}, histories included`,
          ...flags
        })
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription("Deletes schedules; tasks that they have submitted go on. Prints how many"),
    Command.withShortDescription("Deletes schedules"),
    Command.withExamples([{ command: "troupe schedules delete daily --yes", description: "Delete one" }])
  )

export const schedules = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make("schedules", { ...paging, ...common }, (flags) => list(handlers, flags)).pipe(
    Command.withDescription("Lists schedules with their next slots"),
    Command.withShortDescription("Lists schedules, makes and runs them"),
    Command.withExamples([
      { command: "troupe schedules", description: "What is due when" },
      {
        command: "troupe schedules show daily",
        description: "One of them, and what became of its last slots"
      }
    ]),
    Command.withSubcommands([
      ls(handlers),
      create(handlers),
      show(handlers),
      changing("pause", handlers),
      changing("resume", handlers),
      run(handlers),
      remove(handlers)
    ])
  )
