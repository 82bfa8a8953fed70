/** `troupe queues limits`: shows the bounds of a queue, or sets them. */
import { Duration, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { readDuration } from "../../runtime/duration.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import type { QueueLimits } from "../../runtime/operations.ts"
import { Troupe } from "../client/effect.ts"
import { UsageError } from "./exit.ts"
import { given } from "./filters.ts"
import * as Flags from "./flags.ts"
import { mentionUnknown } from "./known-queue.ts"
import * as Output from "./output.ts"

const count = (name: string, description: string) =>
  Flag.Int(name).pipe(Flag.withDescription(description), Flag.withMetavar("N"), Flag.optional)

const millis = <A extends Duration.Duration>(flag: Option.Option<A>) => Option.map(flag, Duration.toMillis)

/** `60/1m`: so many in so long. */
const readRate = (text: string): Option.Option<NonNullable<QueueLimits["rate"]>> => {
  const [, count, per = ""] = /^(\d{1,9})\/(.+)$/.exec(text) ?? []
  return count === undefined
    ? Option.none()
    : Option.map(readDuration(/^\d/.test(per) ? per : `1${per}`), (duration) => ({
        count: Number(count),
        perMs: Duration.toMillis(duration)
      }))
}

const config = {
  queue: Argument.String("queue").pipe(Argument.withDescription("A queue's name")),
  maxDepth: count("max-depth", "Tasks that have not ended; further submits are refused"),
  maxAge: Flags.duration("max-age").pipe(
    Flag.withDescription("How old the oldest waiting task may be when a further one is submitted"),
    Flag.optional
  ),
  maxKeyDepth: count("max-key-depth", "Waiting tasks of one key"),
  concurrency: count("concurrency", "Tasks that run at once, in all processes together"),
  rate: Flag.String("rate").pipe(
    Flag.filterMap(readRate, () => "a rate such as 60/1m"),
    Flag.withDescription("Tasks that start within any such time, as in 60/1m"),
    Flag.withMetavar("N/TIME"),
    Flag.optional
  ),
  keepBytes: count("keep-bytes", "Bytes of ended tasks that are kept, about"),
  keep: Flags.duration("keep").pipe(
    Flag.withDescription("How long ended tasks are kept, where that is shorter than the retention"),
    Flag.optional
  ),
  none: Flag.Boolean("none").pipe(Flag.withDescription("Takes all bounds off"), Flag.withDefault(false)),
  redis: Flags.redis,
  json: Flags.json
}

const command = "troupe queues limits"

export const limits = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "limits",
    config,
    Effect.fnUntraced(function* ({ json, keep, maxAge, none, queue, redis, ...flags }) {
      const asked = given({ ...flags, maxAgeMs: millis(maxAge), keepMs: millis(keep) })
      const some = Object.keys(asked).length > 0
      if (none && some) return yield* new UsageError({ command, problem: "give either bounds or --none" })
      yield* Effect.gen(function* () {
        const { queues } = yield* Troupe
        yield* mentionUnknown(queue)
        const { limits } = yield* some || none ? queues.limit(queue, asked) : queues.get(queue)
        const lines = Object.entries(limits).map(([name, bound]) => `${name}\t${JSON.stringify(bound)}`)
        if (json) yield* Output.print(JSON.stringify(limits))
        else if (lines.length > 0) yield* Output.print(lines.join("\n"))
        else yield* Output.say(`${queue} has no bounds`)
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription(
      "Shows the bounds of a queue, or sets them: all at once, so that a bound that is left out is off"
    ),
    Command.withShortDescription("Shows or sets the bounds of a queue"),
    Command.withExamples([
      {
        command: "troupe queues limits documents --max-depth 10000 --rate 60/1m",
        description: "Take at most 10 000 tasks, and start at most 60 a minute"
      }
    ])
  )
