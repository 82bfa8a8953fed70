/** `troupe queues`: lists queues, pauses one, bounds it, empties it, or moves its tasks. */
import { Duration, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { QueueView } from "../../actors/operate/queues.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { Troupe } from "../client/effect.ts"
import * as Destroy from "./destroy.ts"
import * as Filters from "./filters.ts"
import * as Flags from "./flags.ts"
import { knownQueue, mentionUnknown } from "./known-queue.ts"
import { limits } from "./queue-limits.ts"
import { type Column, printList } from "./table.ts"

const ago = (millis: number) =>
  millis === 0 ? "" : Duration.format(Duration.seconds(Math.max(1, Math.round(millis / 1_000))))

const columns: ReadonlyArray<Column<QueueView>> = [
  ["QUEUE", ({ name }) => name],
  ["STATE", ({ paused, pausedKeys }) => (paused ? "paused" : pausedKeys.length > 0 ? "keys paused" : "open")],
  ["URGENT", ({ depth }) => depth.urgent],
  ["HIGH", ({ depth }) => depth.high],
  ["NORMAL", ({ depth }) => depth.normal],
  ["LOW", ({ depth }) => depth.low],
  ["BOXED", ({ depth }) => depth.boxed],
  ["SCHEDULED", ({ scheduled }) => scheduled],
  ["RUNNING", ({ running }) => running],
  ["DEAD", ({ dead }) => dead],
  ["OLDEST", ({ oldestMs }) => ago(oldestMs)]
]

const printQueues = (queues: ReadonlyArray<QueueView>, json: boolean) =>
  printList(queues, { json, toJson: (queue) => queue, columns })

const queue = Argument.String("queue").pipe(Argument.withDescription("A queue's name"))
const common = { redis: Flags.redis, json: Flags.json }

const pausing = (name: "pause" | "resume", handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    name,
    { queue, key: Filters.key.pipe(Flag.withDescription("Only this key of it")), ...common },
    Effect.fnUntraced(function* ({ json, key, queue, redis }) {
      yield* Effect.gen(function* () {
        const { queues } = yield* Troupe
        yield* mentionUnknown(queue)
        yield* printQueues([yield* queues[name](queue, Filters.given({ key }))], json)
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription(
      name === "pause"
        ? "Lets a queue hand out nothing, or one key of it; what runs goes on"
        : "Lets a paused queue, or a paused key of it, hand out tasks again"
    ),
    Command.withShortDescription(name === "pause" ? "Pauses a queue" : "Resumes a queue"),
    Command.withExamples([
      { command: `troupe queues ${name} documents --key tenant-7`, description: "One key of a queue" }
    ])
  )

const purge = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "purge",
    { queue, yes: Destroy.yes, dryRun: Destroy.dryRun, ...common },
    Effect.fnUntraced(function* ({ queue, redis, ...flags }) {
      yield* Effect.gen(function* () {
        const { queues } = yield* Troupe
        yield* knownQueue(queue)
        yield* Destroy.destroy((options) => queues.purge(queue, options), {
          command: "troupe queues purge",
          what: (count) => `cancels ${Destroy.some(count, "task")} of ${queue}, waiting or delayed`,
          ...flags
        })
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription(
      "Cancels what waits in a queue and what is delayed; what runs goes on. Prints how many"
    ),
    Command.withShortDescription("Empties a queue"),
    Command.withExamples([{ command: "troupe queues purge documents --yes", description: "Empty a queue" }])
  )

const move = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "move",
    {
      queue,
      to: Argument.String("to").pipe(Argument.withDescription("The other queue")),
      name: Filters.name,
      tag: Filters.tag,
      key: Filters.key,
      resume: Flag.Boolean("resume").pipe(
        Flag.withDescription("Also make the copies that a move which broke off did not come to make"),
        Flag.withDefault(false)
      ),
      yes: Destroy.yes,
      dryRun: Destroy.dryRun,
      ...common
    },
    Effect.fnUntraced(function* ({ dryRun, json, key, name, queue, redis, resume, tag, to, yes }) {
      yield* Effect.gen(function* () {
        const { queues } = yield* Troupe
        yield* knownQueue(queue)
        yield* mentionUnknown(to)
        const filter = { to, ...Filters.given({ key, name, tag }), ...(resume ? { resume } : {}) }
        yield* Destroy.destroy((options) => queues.move(queue, filter, options), {
          command: "troupe queues move",
          what: (count) =>
            `cancels ${Destroy.some(count, "task")} of ${queue} and submits copies to ${to}, under other ids`,
          dryRun,
          json,
          yes
        })
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription(
      "Moves tasks that have not started to another queue, as copies under other ids. Prints how many"
    ),
    Command.withShortDescription("Moves tasks to another queue"),
    Command.withExamples([
      {
        command: "troupe queues move default documents --name document.process --yes",
        description: "Move what one handler runs"
      }
    ])
  )

export const queues = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "queues",
    { queue: queue.pipe(Argument.optional), ...common },
    Effect.fnUntraced(function* ({ json, queue, redis }) {
      yield* Effect.gen(function* () {
        const { queues } = yield* Troupe
        const found = Option.isSome(queue) ? [yield* knownQueue(queue.value)] : yield* queues.list()
        yield* printQueues(found, json)
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription("Lists queues with what waits in them, or shows one"),
    Command.withShortDescription("Lists queues"),
    Command.withExamples([{ command: "troupe queues --json", description: "One queue a line, as JSON" }]),
    Command.withSubcommands([
      pausing("pause", handlers),
      pausing("resume", handlers),
      limits(handlers),
      purge(handlers),
      move(handlers)
    ])
  )
