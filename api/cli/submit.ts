/** `troupe submit`: stores a task and prints its id, or waits for its end and prints its result. */
import { Duration, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { readDuration } from "../../runtime/duration.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { Troupe } from "../client/effect.ts"
import * as Bar from "./bar.ts"
import { UsageError } from "./exit.ts"
import { printFailed } from "./failed-task.ts"
import { given } from "./filters.ts"
import * as Flags from "./flags.ts"
import { inputFlags, readInput } from "./input.ts"
import * as Output from "./output.ts"
import { due, ofTask, optionsOf } from "./task-flags.ts"

/** `KEY=10s`. A key may have the sign in it. */
const paced = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withDescription(description),
    Flag.filterMap(
      (text) => {
        const [, key, duration] = /^(.+)=(.+)$/.exec(text) ?? []
        if (key === undefined || duration === undefined) return Option.none()
        return Option.map(readDuration(duration), (duration) => ({ key, for: duration }))
      },
      () => "a key and a duration, such as user-7=10s"
    ),
    Flag.withMetavar("KEY=10s"),
    Flag.optional
  )

const config = {
  name: Argument.String("name").pipe(Argument.withDescription("The handler's name")),
  ...inputFlags,
  ...ofTask,
  ...due,
  expiresAt: Flags.text("expires-at", "TIME", "Expired if it has not started by a time"),
  idempotencyKey: Flags.text("idempotency-key", "KEY", "Gets the task that was submitted with it before"),
  unique: Flag.ChoiceWithValue("unique", [
    ["started", "started"],
    ["ended", "ended"]
  ]).pipe(
    Flag.withDescription("Gets the same task if there is one that has not started, or not ended"),
    Flag.optional
  ),
  uniqueKey: Flags.text("unique-key", "KEY", "With --unique: what makes it the same, in place of the input"),
  debounce: paced("debounce", "Waits so long, and goes if another of the key comes"),
  throttle: paced("throttle", "Gets the task of the key that was submitted within so long"),
  cache: Flag.Boolean("cache").pipe(
    Flag.withDescription("Takes a task of the same input that lives or has succeeded lately"),
    Flag.withDefault(false)
  ),
  cacheFor: Flags.optionalDuration("cache-for", "The same, with how lately; default: an hour"),
  callback: Flags.text("callback", "URL", "A URL that the task's end is told to, signed"),
  wait: Flag.Boolean("wait").pipe(
    Flag.withDescription("Wait for the end and print the result; the id goes to stderr"),
    Flag.withDefault(false)
  ),
  waitMs: Flag.Int("wait-ms").pipe(
    Flag.withDescription("Wait at most so many milliseconds"),
    Flag.withMetavar("N"),
    Flag.filter(
      (millis) => millis >= 0,
      () => "a whole number from 0"
    ),
    Flag.optional
  ),
  redis: Flags.redis,
  json: Flags.json
}

export const submit = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "submit",
    config,
    Effect.fnUntraced(function* (flags) {
      const { cache, cacheFor, json, name, unique, uniqueKey, wait, waitMs } = flags
      if (Option.isSome(uniqueKey) && Option.isNone(unique)) {
        return yield* new UsageError({ command: "troupe submit", problem: "--unique-key goes with --unique" })
      }
      const input = yield* readInput(flags)
      yield* Effect.gen(function* () {
        const troupe = yield* Troupe
        const { callback, debounce, delay, expiresAt, idempotencyKey, runAt, throttle } = flags
        const task = yield* troupe.submit(name, input, {
          ...optionsOf(flags),
          ...given({
            ...{ callback, debounce, delay, expiresAt, idempotencyKey, runAt, throttle },
            unique: Option.map(unique, (until) => ({ until, ...given({ key: uniqueKey }) })),
            cache: Option.map(cacheFor, (duration) => ({ for: duration }))
          }),
          ...(cache && Option.isNone(cacheFor) ? { cache } : {})
        })
        const { existing, id, warning } = task
        if (!wait && Option.isNone(waitMs)) {
          const answer = {
            id,
            state: yield* task.state,
            ...(existing ? { existing } : {}),
            ...(warning === undefined ? {} : { warning })
          }
          return yield* Output.print(json ? JSON.stringify(answer) : id)
        }
        yield* Output.say(id)
        const output = yield* Bar.during(
          task.result(given({ timeout: Option.map(waitMs, Duration.millis) })),
          task.events()
        ).pipe(printFailed(json))
        yield* json
          ? Output.print(JSON.stringify({ id, state: "succeeded", output }))
          : Output.printOutput(output, false)
      }).pipe(Flags.connected(handlers, flags))
    })
  ).pipe(
    Command.withDescription("Submits a task and prints its id"),
    Command.withExamples([
      {
        command: `troupe submit text.keywords --input '{"text": "A worker renews its lease."}' --wait`,
        description: "Find the keywords of a text"
      },
      {
        command: "echo '{}' | troupe submit my.task - --priority high --delay 10s",
        description: "Read the input from stdin"
      },
      { command: `troupe submit my.task --wait --json`, description: "Wait for the result" }
    ])
  )
