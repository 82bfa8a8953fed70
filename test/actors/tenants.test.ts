/** Whose a task is goes with everything that it does. */
import { describe, expect } from "bun:test"
import { Effect, Layer, References, Result, Schema } from "effect"
import { z } from "zod"
import { Dispatcher } from "../../actors/dispatch/dispatcher.ts"
import { AgentOperator } from "../../actors/operate/agents.ts"
import { ScheduleOperator } from "../../actors/schedule/operator.ts"
import { Shutdown } from "../../actors/shutdown.ts"
import * as Tree from "../../actors/tree.ts"
import * as Worker from "../../actors/work/worker.ts"
import { defineAgent } from "../../runtime/agent.ts"
import { Files } from "../../runtime/files.ts"
import { CurrentTask, defineTask } from "../../runtime/handler.ts"
import { Handlers } from "../../runtime/registry.ts"
import { Tenant } from "../../runtime/tenant.ts"
import { it } from "../support/effect.ts"
import { temporaryFolder } from "../support/folder.ts"
import { memorySettings, redisSettings } from "../support/redis.ts"
import { aWorker } from "../support/worker.ts"

const whose = defineTask({ name: "whose", run: (_, ctx) => ctx.task.tenant })

const family = defineTask({
  name: "family",
  async run(_, ctx) {
    const child = await ctx.submit(whose, null)
    const [born] = await ctx.all([child])
    return [ctx.task.tenant, born]
  }
})

/** Reads a file, as whoever's task it runs for. */
const reader = defineTask.effect({
  name: "reader",
  input: Schema.Struct({ file: Schema.String }),
  run: Effect.fn(function* ({ file }) {
    const { task } = yield* CurrentTask
    const bytes = yield* Effect.orDie(Effect.option((yield* Files).read(file)))
    return [task.tenant, bytes._tag === "Some" ? new TextDecoder().decode(bytes.value) : "nothing"]
  }),
  layer: Files.layer
})

const counter = defineAgent({
  name: "counter",
  state: { schema: z.object({ count: z.number() }), version: 1, initial: () => ({ count: 0 }) },
  messages: { add: {}, tell: {}, read: { output: z.number() } },
  handle: {
    add: (_, ctx) => ctx.setState({ count: ctx.state.count + 1 }),
    tell: (_, ctx) => ctx.tell("counter", "other", "add", null),
    read: (_, ctx) => ctx.state.count
  }
})

const handlers = [whose, family, reader, counter]

const systemOn = (kind: "memory" | "redis", work: boolean) =>
  Layer.unwrap(
    Effect.map(temporaryFolder, (files) =>
      Layer.orDie(
        (work ? Layer.merge(Tree.client, Worker.layer()) : Tree.client).pipe(
          Layer.provideMerge(
            Layer.mergeAll(Tree.store(kind), Handlers.layer({ given: handlers }), Files.layer, Shutdown.layer)
          ),
          Layer.provideMerge(kind === "memory" ? memorySettings({ files }) : redisSettings({ files })),
          Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Error" as const))
        )
      )
    )
  )

const as = (tenant: string) => Effect.provideService(Tenant, tenant)

const asked = (task: object) =>
  Effect.flatMap(
    Dispatcher.use((dispatcher) => dispatcher.ask(task)),
    (ended) => (ended.state === "succeeded" ? Effect.succeed(ended.output) : Effect.die(ended.error))
  )

for (const kind of ["memory", "redis"] as const) {
  describe(`a tenant, on ${kind}`, () => {
    const promise = <A, E>(
      sentence: string,
      body: () => Effect.Effect<A, E, Layer.Success<ReturnType<typeof systemOn>>>
    ) => it.live(sentence, () => Effect.suspend(body).pipe(Effect.provide(systemOn(kind, true))))

    promise("is known to its tasks, and to their children", () =>
      Effect.gen(function* () {
        expect(yield* asked({ name: "family" }).pipe(as("acme"))).toEqual(["acme", "acme"])
        expect(yield* asked({ name: "family" })).toEqual(["default", "default"])
      })
    )

    promise("has agents of its own, who write to its own", () =>
      Effect.gen(function* () {
        const agents = yield* AgentOperator
        const read = (key: string) =>
          Effect.map(
            agents.ask("counter", key, { message: "read" }),
            (ended) => ended.state === "succeeded" && ended.output
          )
        yield* agents.ask("counter", "one", { message: "tell" }).pipe(as("acme"))
        yield* agents.ask("counter", "other", { message: "add" }).pipe(as("acme"))

        expect(yield* read("other").pipe(as("acme"))).toBe(2)
        expect(yield* read("other").pipe(as("beta"))).toBe(0)
        expect(yield* read("other")).toBe(0)
      })
    )

    promise("has schedules that submit its tasks", () =>
      Effect.gen(function* () {
        const schedules = yield* ScheduleOperator
        const dispatcher = yield* Dispatcher
        yield* schedules.create({ id: "daily", name: "whose", everyMs: 3_600_000 }).pipe(as("acme"))

        const run = yield* schedules.run("daily").pipe(as("acme"))

        if (run.outcome !== "submitted") throw new Error("it waits")
        expect(yield* dispatcher.result(run.task, "5 seconds").pipe(as("acme"))).toMatchObject({
          output: "acme"
        })
        expect(yield* Effect.flip(dispatcher.result(run.task, "5 seconds"))).toMatchObject({
          _tag: "TaskNotFound"
        })
        expect(yield* Effect.flip(schedules.run("daily"))).toMatchObject({ _tag: "ScheduleNotFound" })
      })
    )

    promise("has files that no other tenant's task can read", () =>
      Effect.gen(function* () {
        const files = yield* Files
        const { id } = yield* files.upload(new Blob(["secret"]).stream()).pipe(as("acme"))
        const read = asked({ name: "reader", input: { file: id } })

        expect(yield* read.pipe(as("acme"))).toEqual(["acme", "secret"])
        expect(yield* read.pipe(as("beta"))).toEqual(["beta", "nothing"])
        expect(yield* read).toEqual(["default", "nothing"])
      })
    )

    it.live("waits no longer than a few of another's tasks, however many those are", () =>
      Effect.gen(function* () {
        const { submitAll } = yield* Dispatcher
        const many = Array.from({ length: 300 }, () => ({ name: "whose" }))
        yield* submitAll(many).pipe(as("acme"))
        const [one] = yield* submitAll([{ name: "whose" }]).pipe(as("beta"))
        const beta = Result.getOrThrow(one!).id
        const worker = yield* aWorker()
        const order: Array<string> = []
        for (let at = 0; at < 40; at++) {
          for (const { id } of yield* worker.claim(1)) order.push(id)
        }

        expect(order.indexOf(beta)).toBeWithin(0, 21)
      }).pipe(Effect.provide(systemOn(kind, false)))
    )
  })
}
