/** `troupe submit`: stores a task and prints its id, or waits for its end and prints its result. */
import { Duration, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { lanePriority, lanes, type Priority } from "../../runtime/task.ts"
import { Troupe } from "../client/effect.ts"
import * as Flags from "./flags.ts"
import { readInput } from "./input.ts"
import * as Output from "./output.ts"

/** A lane by its name or its number. */
const priorities = lanes.flatMap(
  (lane) =>
    [
      [lane, lane],
      [String(lanePriority[lane]), lane]
    ] as ReadonlyArray<readonly [string, Priority]>
)

const config = {
  name: Argument.String("name").pipe(Argument.withDescription("The handler's name")),
  stdin: Argument.Literals("stdin", ["-"]).pipe(
    Argument.withDescription("Read the input from stdin"),
    Argument.optional
  ),
  input: Flag.String("input").pipe(
    Flag.withDescription("The input"),
    Flag.withMetavar("JSON"),
    Flag.optional
  ),
  inputFile: Flag.String("input-file").pipe(
    Flag.withDescription("Read the input from a file"),
    Flag.withMetavar("FILE"),
    Flag.optional
  ),
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
      const { attempts, delay, json, name, priority, queue, runAt, tags, timeout, wait, waitMs } = flags
      const input = yield* readInput(flags)
      yield* Effect.gen(function* () {
        const troupe = yield* Troupe
        const task = yield* troupe.submit(name, input, {
          ...given({
            delay,
            priority,
            queue,
            runAt,
            timeout,
            retry: Option.map(attempts, (attempts) => ({ attempts }))
          }),
          tags
        })
        const { id } = task
        if (!wait && Option.isNone(waitMs)) {
          return yield* Output.print(json ? JSON.stringify({ id, state: yield* task.state }) : id)
        }
        yield* Output.say(id)
        const output = yield* task.result(given({ timeout: Option.map(waitMs, Duration.millis) }))
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
