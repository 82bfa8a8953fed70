import { describe, expect } from "bun:test"
import { Duration, Effect, Layer, Logger } from "effect"
import * as Dispatcher from "../../actors/dispatch/dispatcher.ts"
import * as Replies from "../../actors/dispatch/replies.ts"
import * as ScheduleOperator from "../../actors/schedule/operator.ts"
import { Shutdown } from "../../actors/shutdown.ts"
import * as Tree from "../../actors/tree.ts"
import { defineTask } from "../../runtime/handler.ts"
import { Handlers } from "../../runtime/registry.ts"
import { Complaints, makeComplaints } from "../../runtime/telemetry/complaints.ts"
import { it } from "../support/effect.ts"
import { aServer, settingsFor } from "../support/server.ts"
import { eventually } from "../support/waiting.ts"

const talker = defineTask({
  name: "talker",
  run: async (_, { emit, signal }) => {
    while (!signal.aborted) await emit("a word")
  }
})

const queues = ["default", "first", "second"].map((queue) => ({ queue, concurrency: 1 }))

/** A worker process on a Redis of its own, what its log is told, and how often it had a reason to tell it. */
const aProcess = Effect.gen(function* () {
  const server = yield* aServer()
  const lines: Array<string> = []
  const wrongs = new Map<string, number>()
  let now = 0
  const { about } = makeComplaints(() => now)
  const counting = Layer.succeed(Complaints, {
    about: (what, over) => {
      const { well, wrong } = about(what, over)
      return {
        well,
        wrong: (why) => {
          wrongs.set(what, (wrongs.get(what) ?? 0) + 1)
          return wrong(why)
        }
      }
    }
  })
  const context = yield* Layer.build(
    Layer.mergeAll(Tree.worker(), ScheduleOperator.layer, Dispatcher.layer).pipe(
      Layer.provideMerge(Replies.layer),
      Layer.provideMerge(Tree.store("redis")),
      Layer.provideMerge(Handlers.layer({ given: [talker] })),
      Layer.provideMerge(Shutdown.layer),
      Layer.provideMerge(settingsFor(server.url, { drain: Duration.zero, queues })),
      Layer.provideMerge(counting),
      Layer.provide(Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))]))
    )
  )
  return {
    server,
    client: yield* server.client,
    context,
    after: (ms: number) => void (now += ms),
    /** The lines of the log that begin so. */
    said: (what: string) => lines.filter((line) => line.startsWith(what)),
    wrong: (what: string, times: number) =>
      Effect.promise(() =>
        eventually(`"${what}" ${times} times`, () => ((wrongs.get(what) ?? 0) >= times ? true : undefined))
      ),
    line: (what: string) =>
      Effect.promise(() =>
        eventually(`the line "${what}"`, () => lines.find((line) => line.startsWith(what)))
      )
  }
})

describe("a process whose Redis is full", () => {
  it.live("says so once of whatever it tries again and again, and when it is over", () =>
    Effect.gen(function* () {
      const { after, client, context, line, said, wrong } = yield* aProcess
      yield* Effect.gen(function* () {
        yield* Dispatcher.Dispatcher.use(({ submit }) => submit({ name: "talker" }))
        yield* ScheduleOperator.ScheduleOperator.use(({ create }) =>
          create({ name: "talker", everyMs: 1_000, overlap: "skip" })
        )
      }).pipe(Effect.provideContext(context))

      yield* Effect.promise(() => client.config("SET", "maxmemory", "1"))

      yield* wrong("events wait to be stored", 5)
      yield* wrong("schedules could not be fired", 3)
      expect(said("events wait to be stored").length).toBe(1)
      expect(said("schedules could not be fired").length).toBe(1)

      yield* Effect.promise(() => client.config("SET", "maxmemory", "0"))
      after(10_000)

      yield* line("events are stored again")
      yield* line("schedules are fired again")
    })
  )
})

describe("a process whose Redis is gone", () => {
  it.live(
    "says so once for all its queues, of each cause",
    () =>
      Effect.gen(function* () {
        const { line, said, server, wrong } = yield* aProcess
        yield* line("worker ")

        yield* server.kill

        // Each queue has its turns, and what was under way when Redis went has another cause than what begins later.
        yield* wrong("a turn got no answer and is said again", 2 * queues.length)
        const causes = said("a turn got no answer and is said again").map((line) => line.replace(/;.*/, ""))
        expect(causes.length).toBeGreaterThan(0)
        expect(causes).toEqual([...new Set(causes)])
        // So that it can sign off.
        yield* server.start
      }),
    60_000
  )
})
