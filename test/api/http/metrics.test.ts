/** Metrics over HTTP, on both stores, with a worker that is real. */
import { describe, expect } from "bun:test"
import { Effect, Layer, References, Schedule, type Scope } from "effect"
import { Figures } from "../../../actors/operate/figures.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import * as Tree from "../../../actors/tree.ts"
import * as Worker from "../../../actors/work/worker.ts"
import type { ApiServices } from "../../../api/http/run.ts"
import type { Settings } from "../../../runtime/config.ts"
import { Files } from "../../../runtime/files.ts"
import { defineTask } from "../../../runtime/handler.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { Operations } from "../../../runtime/operations.ts"
import * as Redis from "../../../runtime/redis/stores.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { families, type FamilyName } from "../../../runtime/telemetry/families.ts"
import { anApi, apiOn } from "../../support/api.ts"
import { it } from "../../support/effect.ts"
import { readExposition, type ReadFamily, valueOf } from "../../support/exposition.ts"
import { temporaryFolder } from "../../support/folder.ts"
import { memorySettings, redisSettings } from "../../support/redis.ts"
import { aServer, settingsFor } from "../../support/server.ts"

const fine = defineTask({ name: "fine", limits: [{ key: "openai", concurrency: 2 }], run: () => null })
const bad = defineTask({
  name: "bad",
  retry: { attempts: 2, backoff: { base: "1 millis" } },
  run: () => Promise.reject(new Error("no"))
})

/** A store that says how often its queues were asked for. */
const asked = { partitions: 0 }
const counting = Layer.effect(
  Operations,
  Operations.useSync((operations) => ({
    ...operations,
    partitions: Effect.suspend(() => {
      asked.partitions += 1
      return operations.partitions
    })
  }))
)

const systemOn = <E, E2>(
  store: Layer.Layer<Layer.Success<typeof Memory.layer>, E, Settings>,
  settings: (over: { readonly files: string }) => Layer.Layer<Settings, E2>
) =>
  Layer.unwrap(
    Effect.map(temporaryFolder, (files) =>
      Layer.orDie(
        Layer.merge(Tree.client, Worker.layer()).pipe(
          Layer.provideMerge(counting),
          Layer.provideMerge(Layer.mergeAll(store, Handlers.layer({ given: [fine, bad] }), Files.layer)),
          Layer.provideMerge(Shutdown.layer),
          Layer.provideMerge(settings({ files }))
        )
      )
    )
  )

const stores = {
  memory: systemOn(Memory.layer, memorySettings),
  redis: systemOn(Redis.layer(), redisSettings)
}

const scrape = Effect.gen(function* () {
  const { request } = yield* anApi()
  const response = yield* request("/metrics")
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8")
  return readExposition(yield* Effect.promise(() => response.text()))
})

/** Asks again until something holds. */
const until = (holds: (all: ReadonlyMap<string, ReadFamily>) => boolean) =>
  scrape.pipe(
    Effect.repeat({ until: holds, schedule: Schedule.spaced("50 millis") }),
    Effect.timeout("8 seconds")
  )

const queue = { queue: "default" }

for (const [name, system] of Object.entries(stores)) {
  const promise = <A, E>(
    sentence: string,
    body: Effect.Effect<A, E, ApiServices | Operations | Scope.Scope>
  ) => it.live(sentence, () => Effect.provide(body, system))

  describe(`metrics on the ${name} store`, () => {
    promise(
      "count what happens to tasks from the first time they are asked for",
      Effect.gen(function* () {
        yield* scrape
        const { post } = yield* anApi()
        yield* post("/v1/tasks/batch", {
          tasks: [
            { name: "fine", input: 1 },
            { name: "fine", input: 2 },
            { name: "bad", input: 3 },
            { name: "fine", input: 4, delayMs: 3_600_000, priority: "high" }
          ]
        })
        const all = yield* until(
          (all) =>
            valueOf(all, "troupe_tasks_succeeded_total", queue) === 2 &&
            valueOf(all, "troupe_tasks_failed_total", queue) === 1
        )
        const value = (name: FamilyName | `${FamilyName}_count` | `${FamilyName}_sum`, labels = {}) =>
          valueOf(all, name, { ...queue, ...labels })

        expect(value("troupe_tasks_submitted_total")).toBe(4)
        expect(value("troupe_tasks_started_total")).toBe(4)
        expect(value("troupe_tasks_retried_total")).toBe(1)
        expect(value("troupe_task_run_seconds_count")).toBe(4)
        expect(value("troupe_task_run_seconds_sum")).toBeGreaterThan(0)
        expect(value("troupe_task_run_seconds_sum")).toBeLessThan(10)
        expect(value("troupe_queue_scheduled")).toBe(1)
        expect(value("troupe_queue_dead_letters")).toBe(1)
        expect(value("troupe_queue_depth", { lane: "high" })).toBe(0)
        expect(value("troupe_queue_workers")).toBe(1)
        expect(valueOf(all, "troupe_workers", { state: "running" })).toBe(1)
        expect(valueOf(all, "troupe_limit_running", { limit: "openai" })).toBe(0)
        expect(valueOf(all, "troupe_redis_up")).toBe(1)
        expect(
          valueOf(all, "troupe_http_requests_total", {
            method: "POST",
            route: "/v1/tasks/batch",
            status: "202"
          })
        ).toBeGreaterThan(0)
      })
    )

    promise(
      "are those of the table, with its labels and no others",
      Effect.gen(function* () {
        const { post } = yield* anApi()
        yield* post("/v1/tasks", { name: "fine", input: 1 })
        const all = yield* until((all) => all.has("troupe_queue_depth"))
        for (const [name, { samples, type }] of all) {
          if (!name.startsWith("troupe_") && !name.startsWith("process_")) continue
          const family = families[name as FamilyName]
          expect(`${name} ${type}`).toBe(`${name} ${family.kind}`)
          const labels = [...family.labels, ...(family.of === "process" ? ["process"] : [])].sort()
          for (const sample of samples)
            expect(
              Object.keys(sample.labels)
                .filter((label) => label !== "le")
                .sort()
            ).toEqual(labels)
        }
      })
    )

    promise(
      "are of the queues that somebody serves, where there are too many, and say how many are left out",
      Effect.gen(function* () {
        const { note } = yield* Operations
        yield* Effect.forEach(
          Array.from({ length: 250 }, (_, at) => `a-${at}.0`),
          note
        )

        const all = yield* until((all) => valueOf(all, "troupe_queues") === 251)

        expect(valueOf(all, "troupe_queue_workers", queue)).toBe(1)
        expect(all.get("troupe_queue_workers")!.samples.length).toBe(200)
        expect(valueOf(all, "troupe_queues_left_out")).toBe(51)
      })
    )

    promise(
      "cost the store one reading however many ask within a second",
      Effect.gen(function* () {
        const { read } = yield* Figures
        asked.partitions = 0
        yield* Effect.all(
          Array.from({ length: 10 }, () => read),
          { concurrency: "unbounded" }
        )
        yield* read

        expect(asked.partitions).toBe(1)
      })
    )
  })
}

describe("while Redis is away, metrics", () => {
  it.live(
    "tell so to whoever was let in lately, and all else is refused",
    () =>
      Effect.gen(function* () {
        const server = yield* aServer()
        const system = apiOn(Redis.layer(), (over) => settingsFor(`unix://${server.address.path}`, over))
        yield* Effect.gen(function* () {
          const { ask } = yield* anApi()
          expect(valueOf(yield* scrape, "troupe_redis_up", {})).toBe(1)

          yield* server.kill
          yield* Effect.repeat(ask("/v1/queues"), { until: ({ status }) => status === 503 })

          const all = yield* Effect.repeat(scrape, {
            until: (all) => valueOf(all, "troupe_redis_up", {}) === 0
          })
          expect(valueOf(all, "process_resident_memory_bytes", { process: "api" })).toBeGreaterThan(0)
        }).pipe(Effect.provide(system))
      }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
    30_000
  )
})
