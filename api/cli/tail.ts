/** `troupe tail`: follows what a task puts out, up to its end; or, without one, what becomes of all tasks. */
import { Effect, Option, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { FollowEvent } from "../../actors/follow/follower.ts"
import { LifecycleType } from "../../actors/follow/lifecycle.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import type { TaskId } from "../../runtime/task.ts"
import { type LifecycleFilter, type LifecycleNews, TaskFailed, Troupe } from "../client/effect.ts"
import { UsageError } from "./exit.ts"
import * as Flags from "./flags.ts"
import { lifecycleText, newsJson } from "./lifecycle-line.ts"
import * as Output from "./output.ts"
import { makeTranscript } from "./transcript.ts"

const command = "troupe tail"

/** An event as a web socket would send it. */
const eventJson = (task: TaskId, { type, ...event }: FollowEvent): string => {
  const { id, ...data } = "id" in event ? event : { id: undefined, ...event }
  return JSON.stringify({ event: type, task, ...(id === undefined ? {} : { id }), data })
}

const failureOf = (id: TaskId, event: FollowEvent): Effect.Effect<void, TaskFailed> =>
  event.type !== "end" || event.state === "succeeded"
    ? Effect.void
    : Effect.fail(
        new TaskFailed({
          id,
          state: event.state,
          error: event.error ?? { type: event.state, message: "no reason is kept" }
        })
      )

interface Said {
  readonly after: Option.Option<string>
  readonly json: boolean
}

const afterOf = ({ after }: Said) =>
  Option.match(after, { onNone: () => ({}), onSome: (after) => ({ after }) })

const followOne = Effect.fnUntraced(function* (id: TaskId, said: Said) {
  if (Option.isSome(said.after) && !Flags.isEventId(said.after.value)) {
    return yield* new UsageError({
      command,
      problem: `Invalid value for flag --after: "${said.after.value}". Expected: the id of an event, such as 1-17`
    })
  }
  const troupe = yield* Troupe
  const transcript = makeTranscript()
  const show = (event: FollowEvent) => (said.json ? Output.print(eventJson(id, event)) : transcript(event))
  yield* Stream.runForEach(troupe.events(id, afterOf(said)), (event) =>
    Effect.andThen(show(event), failureOf(id, event))
  )
})

const followAll = Effect.fnUntraced(function* (filter: LifecycleFilter, said: Said) {
  const troupe = yield* Troupe
  const show = (news: LifecycleNews) => {
    if (said.json) return Output.print(JSON.stringify(newsJson(news)))
    if (news.type === "listening")
      return Output.stderrIsTerminal ? Output.say(Output.dim("listening to all tasks")) : Effect.void
    if (news.type === "gap") return Output.say(`events of queue ${news.queue} are no longer there`)
    return Output.print(lifecycleText(news, Output.stdoutIsTerminal))
  }
  yield* Stream.runForEach(troupe.events(filter, afterOf(said)), show)
})

/** A filter that may be given again; one of its values will do. */
const some = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.withMetavar(metavar), Flag.atLeast(0))

const filters = {
  type: Flag.Literals(
    "type",
    LifecycleType.literals.map((type) => type.replace("task.", ""))
  ).pipe(
    Flag.withDescription("Of all tasks: only what is of this type; may be given again"),
    Flag.atLeast(0)
  ),
  name: some("name", "HANDLER", "Of all tasks: of this handler"),
  queue: some("queue", "QUEUE", "Of all tasks: of this queue"),
  key: some("key", "KEY", "Of all tasks: of this key"),
  tag: some("tag", "TAG", "Of all tasks: with this tag")
}

const given = <A>(name: string, values: ReadonlyArray<A>) => (values.length === 0 ? {} : { [name]: values })

export const tail = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "tail",
    {
      id: Flags.id.pipe(
        Argument.withDescription("A task's id, as submit prints it; default: all tasks, until it is stopped"),
        Argument.optional
      ),
      follow: Flag.Boolean("follow").pipe(
        Flag.withAlias("f"),
        Flag.withDescription("Go on as things happen, which it does anyway"),
        Flag.withDefault(false)
      ),
      after: Flag.String("after").pipe(
        Flag.withDescription("Go on after this event, as in 1-17"),
        Flag.withMetavar("EVENT"),
        Flag.optional
      ),
      ...filters,
      redis: Flags.redis,
      json: Flags.json
    },
    Effect.fnUntraced(function* ({ after, id, json, key, name, queue, redis, tag, type }) {
      const filter: LifecycleFilter = {
        ...given(
          "types",
          type.map((type) => `task.${type}`)
        ),
        ...given("names", name),
        ...given("queues", queue),
        ...given("keys", key),
        ...given("tags", tag)
      }
      if (Option.isSome(id) && Object.keys(filter).length > 0) {
        return yield* new UsageError({ command, problem: "a filter is for all tasks; leave the id out" })
      }
      const [only] = yield* Flags.taskIds(Option.toArray(id))
      const follow: Effect.Effect<
        void,
        Effect.Error<ReturnType<typeof followOne> | ReturnType<typeof followAll>>,
        Troupe
      > = only !== undefined ? followOne(only, { after, json }) : followAll(filter, { after, json })
      yield* follow.pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription(
      "Follows a task to its end: the text it puts out on stdout, its logs and progress on a terminal; exits with 1 if it failed. Without an id it follows what becomes of all tasks, a line each, until it is stopped"
    ),
    Command.withShortDescription("Follows a task to its end, or all tasks until it is stopped"),
    Command.withExamples([
      { command: "troupe tail default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE", description: "Read along" },
      {
        command: "troupe tail default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE --after 1-17 --json",
        description: "Every event after 1-17, as JSON"
      },
      { command: "troupe tail -f", description: "What becomes of all tasks, until Ctrl-C" },
      {
        command: "troupe tail -f --type failed --type dead --queue documents --json",
        description: "What fails in one queue, as JSON"
      }
    ])
  )
