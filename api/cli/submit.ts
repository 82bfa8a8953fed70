/** `troupe submit`: stores a task and prints its id, or waits for its end and prints its result. */
import { Duration, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { lanePriority, lanes, type Priority } from "../../runtime/task.ts"
import { Troupe } from "../client/effect.ts"
import * as Bar from "./bar.ts"
import { UsageError } from "./exit.ts"
import * as Flags from "./flags.ts"
import { inputFlags, readInput } from "./input.ts"
import * as Output from "./output.ts"

/** A lane by its name or its number. */
const priorities = lanes.flatMap(
  (lane) =>
    [
      [lane, lane],
      [String(lanePriority[lane]), lane]
    ] as ReadonlyArray<readonly [string, Priority]>
)

/** A flag whose value is a name that the caller makes up. */
const named = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.withMetavar("KEY"), Flag.optional)

/** `KEY=10s`. A key may have the sign in it. */
const paced = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withDescription(description),
    Flag.filterMap(
      (text) => {
        const [, key, duration] = /^(.+)=(.+)$/.exec(text) ?? []
        if (key === undefined || duration === undefined) return Option.none()
        return Option.map(Flags.readDuration(duration), (duration) => ({ key, for: duration }))
      },
      () => "a key and a duration, such as user-7=10s"
    ),
    Flag.withMetavar("KEY=10s"),
    Flag.optional
  )

const config = {
  name: Argument.String("name").pipe(Argument.withDescription("The handler's name")),
  ...inputFlags,
  priority: Flag.ChoiceWithValue("priority", priorities).pipe(
    Flag.withDescription("Default: the handler's"),
    Flag.withMetavar("LANE"),
    Flag.optional
  ),
  queue: Flag.String("queue").pipe(
    Flag.withDescription("Default: the handler's"),
    Flag.withMetavar("QUEUE"),
    Flag.optional
  ),
  delay: Flags.duration("delay").pipe(Flag.withDescription("Due so much later"), Flag.optional),
  runAt: Flag.String("run-at").pipe(
    Flag.withDescription("Due at a time, as in 2030-01-31T09:00:00Z"),
    Flag.withMetavar("TIME"),
    Flag.optional
  ),
  timeout: Flags.duration("timeout").pipe(Flag.withDescription("How long one run may last"), Flag.optional),
  key: named("key", "What it belongs to: tasks of one key run one after the other"),
  expires: Flags.duration("expires").pipe(
    Flag.withDescription("Expired if it has not started so much later"),
    Flag.optional
  ),
  expiresAt: Flag.String("expires-at").pipe(
    Flag.withDescription("Expired if it has not started by a time"),
    Flag.withMetavar("TIME"),
    Flag.optional
  ),
  deadline: Flags.duration("deadline").pipe(
    Flag.withDescription("Failed if it has not ended so much later"),
    Flag.optional
  ),
  idempotencyKey: named("idempotency-key", "Gets the task that was submitted with it before"),
  unique: Flag.ChoiceWithValue("unique", [
    ["started", "started"],
    ["ended", "ended"]
  ]).pipe(
    Flag.withDescription("Gets the same task if there is one that has not started, or not ended"),
    Flag.optional
  ),
  uniqueKey: named("unique-key", "With --unique: what makes it the same, in place of the input"),
  debounce: paced("debounce", "Waits so long, and goes if another of the key comes"),
  throttle: paced("throttle", "Gets the task of the key that was submitted within so long"),
  cache: Flag.Boolean("cache").pipe(
    Flag.withDescription("Takes a task of the same input that lives or has succeeded lately"),
    Flag.withDefault(false)
  ),
  cacheFor: Flags.duration("cache-for").pipe(
    Flag.withDescription("The same, with how lately; default: an hour"),
    Flag.optional
  ),
  callback: Flag.String("callback").pipe(
    Flag.withDescription("A URL that the task's end is told to, signed"),
    Flag.withMetavar("URL"),
    Flag.optional
  ),
  attempts: Flag.Int("attempts").pipe(
    Flag.withDescription("How many runs may fail"),
    Flag.withMetavar("N"),
    Flag.optional
  ),
  tags: Flag.String("tag").pipe(
    Flag.withDescription("To find the task by; may be given again"),
    Flag.withMetavar("TAG"),
    Flag.atLeast(0)
  ),
  wait: Flag.Boolean("wait").pipe(
    Flag.withDescription("Wait for the end and print the result; the id goes to stderr"),
    Flag.withDefault(false)
  ),
  waitMs: Flag.Int("wait-ms").pipe(
    Flag.withDescription("Wait at most so many milliseconds"),
    Flag.withMetavar("N"),
    Flag.optional
  ),
  redis: Flags.redis,
  json: Flags.json
}

/** The options that were given: an absent one is the handler's own. */
const given = <Options extends Record<string, Option.Option<unknown>>>(options: Options) =>
  Object.fromEntries(
    Object.entries(options).flatMap(([name, option]) =>
      Option.toArray(Option.map(option, (value) => [name, value]))
    )
  ) as { readonly [K in keyof Options]?: Option.Option.Value<Options[K]> }

export const submit = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "submit",
    config,
    Effect.fnUntraced(function* (flags) {
      const { attempts, cache, cacheFor, json, name, tags, unique, uniqueKey, wait, waitMs } = flags
      if (Option.isSome(uniqueKey) && Option.isNone(unique)) {
        return yield* new UsageError({ command: "troupe submit", problem: "--unique-key goes with --unique" })
      }
      const input = yield* readInput(flags)
      yield* Effect.gen(function* () {
        const troupe = yield* Troupe
        const { deadline, debounce, delay, expires, expiresAt, idempotencyKey, key } = flags
        const { callback, priority, queue, runAt, throttle, timeout } = flags
        const task = yield* troupe.submit(name, input, {
          ...given({
            ...{ deadline, debounce, delay, expires, expiresAt, idempotencyKey, key },
            ...{ callback, priority, queue, runAt, throttle, timeout },
            unique: Option.map(unique, (until) => ({ until, ...given({ key: uniqueKey }) })),
            cache: Option.map(cacheFor, (duration) => ({ for: duration })),
            retry: Option.map(attempts, (attempts) => ({ attempts }))
          }),
          ...(cache && Option.isNone(cacheFor) ? { cache } : {}),
          tags
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
        )
        yield* json
          ? Output.print(JSON.stringify({ id, state: "succeeded", output }))
          : Output.printOutput(output, false)
      }).pipe(Flags.connected(handlers, flags))
    })
  ).pipe(
    Command.withDescription("Submits a task and prints its id"),
    Command.withExamples([
      {
        command: `troupe submit document.process --input '{"path": "guide.pdf"}'`,
        description: "Process a document"
      },
      {
        command: "echo '{}' | troupe submit my.task - --priority high --delay 10s",
        description: "Read the input from stdin"
      },
      { command: `troupe submit my.task --wait --json`, description: "Wait for the result" }
    ])
  )
