/** `troupe tasks`: lists tasks. */
import { Effect, Option } from "effect"
import { Command } from "effect/cli"
import type { TaskDefinition } from "../../runtime/handler.ts"
import type { TaskView } from "../../runtime/view.ts"
import { Troupe } from "../client/effect.ts"
import { taskJson } from "../http/view.ts"
import * as Filters from "./filters.ts"
import * as Flags from "./flags.ts"
import { gather } from "./pages.ts"
import { type Column, printList } from "./table.ts"

/** What a list shows of a task. */
export const columns: ReadonlyArray<Column<TaskView>> = [
  ["ID", ({ id }) => id],
  ["NAME", ({ name }) => name],
  ["STATE", ({ state }) => state],
  ["ATTEMPT", ({ attempt, maxAttempts }) => (attempt === 0 ? "" : `${attempt}/${maxAttempts}`)],
  ["SUBMITTED", ({ submittedAt }) => new Date(submittedAt).toISOString()],
  ["ERROR", ({ error }) => (error === undefined ? "" : `${error.type}: ${error.message}`.slice(0, 80))]
]

const config = {
  state: Filters.state,
  name: Filters.name,
  queue: Filters.queue,
  tag: Filters.tag,
  key: Filters.key,
  from: Filters.from,
  to: Filters.to,
  limit: Filters.limit,
  cursor: Filters.cursor,
  redis: Flags.redis,
  json: Flags.json
}

export const tasks = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "tasks",
    config,
    Effect.fnUntraced(function* ({ cursor, json, limit, redis, ...filter }) {
      yield* Effect.gen(function* () {
        const troupe = yield* Troupe
        const found = yield* gather(limit, Option.getOrUndefined(cursor), (at) =>
          Effect.map(troupe.tasks({ ...Filters.given(filter), ...at }), ({ tasks, ...rest }) => ({
            items: tasks,
            ...rest
          }))
        )
        yield* printList(found, { json, toJson: taskJson, columns })
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription(
      "Lists tasks, the newest first where they are not waiting; times are those of their submits"
    ),
    Command.withShortDescription("Lists tasks"),
    Command.withExamples([
      { command: "troupe tasks --state running", description: "What runs now" },
      {
        command: "troupe tasks --name document.process --tag invoices --json",
        description: "As JSON, one task a line"
      }
    ])
  )
