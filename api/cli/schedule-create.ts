/** `troupe schedules create`: makes a schedule, or puts another one in its place. */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { missedPolicies, overlapPolicies } from "../../actors/schedule/due.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { Troupe } from "../client/effect.ts"
import { scheduleJson } from "../http/schedule-view.ts"
import { UsageError } from "./exit.ts"
import { given } from "./filters.ts"
import * as Flags from "./flags.ts"
import { inputFlags, readInput } from "./input.ts"
import * as Output from "./output.ts"
import { ofTask, optionsOf } from "./task-flags.ts"

const config = {
  name: Argument.String("name").pipe(Argument.withDescription("The handler's name")),
  ...inputFlags,
  id: Flags.text("id", "ID", "Default: one is made"),
  cron: Flags.text("cron", "FIELDS", "minute hour day month weekday, or with seconds first"),
  timeZone: Flags.text("time-zone", "ZONE", "On whose clock, as in Europe/Berlin; default UTC"),
  every: Flags.optionalDuration("every", "At this interval, at least a second"),
  at: Flags.text("at", "TIME", "Once, as at 2030-01-31T09:00:00Z"),
  startAt: Flags.text("start-at", "TIME", "Not before; --every counts from it"),
  missed: Flag.Literals("missed", missedPolicies).pipe(
    Flag.withDescription("What becomes of slots that nobody could fire in time; default run-once"),
    Flag.optional
  ),
  overlap: Flag.Literals("overlap", overlapPolicies).pipe(
    Flag.withDescription("What becomes of a slot while an earlier run has not ended; default allow"),
    Flag.optional
  ),
  jitter: Flags.optionalDuration("jitter", "Hold each task back by a part of this"),
  paused: Flag.Boolean("paused").pipe(
    Flag.withDescription("Let it fire nothing until it is resumed"),
    Flag.withDefault(false)
  ),
  replace: Flag.Boolean("replace").pipe(
    Flag.withDescription("Put it in the place of the one that has the id"),
    Flag.withDefault(false)
  ),
  ...ofTask,
  redis: Flags.redis,
  json: Flags.json
}

const command = "troupe schedules create"

export const create = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "create",
    config,
    Effect.fnUntraced(function* (flags) {
      const { id, json, name, paused, replace } = flags
      if (replace && Option.isNone(id)) {
        return yield* new UsageError({ command, problem: "--replace goes with --id" })
      }
      const input = yield* readInput(flags, command)
      const { at, cron, every, jitter, missed, overlap, startAt, timeZone } = flags
      const options = {
        ...given({ at, cron, every, jitter, missed, overlap, startAt, timeZone }),
        ...optionsOf(flags),
        ...(paused ? { paused } : {})
      }
      yield* Effect.gen(function* () {
        const { schedules } = yield* Troupe
        const schedule = replace
          ? yield* schedules.update(
              Option.getOrElse(id, () => ""),
              name,
              input,
              options
            )
          : yield* schedules.create(name, input, { ...options, ...given({ id }) })
        yield* Output.print(json ? JSON.stringify(scheduleJson(schedule)) : schedule.id)
        const [next] = schedule.nextRuns
        if (next !== undefined) yield* Output.say(`next at ${new Date(next).toISOString()}`)
      }).pipe(Flags.connected(handlers, flags))
    })
  ).pipe(
    Command.withDescription("Makes a schedule and prints its id"),
    Command.withShortDescription("Makes a schedule"),
    Command.withExamples([
      {
        command: `troupe schedules create report.daily --id daily --cron "0 9 * * 1-5" --time-zone Europe/Berlin`,
        description: "At nine on weekdays, on the clock of Berlin"
      },
      {
        command: `troupe schedules create feed.poll --every 30s --overlap skip --input '{"feed": 7}'`,
        description: "Every half minute, one run at a time"
      }
    ])
  )
