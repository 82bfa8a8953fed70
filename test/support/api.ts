/** The API of a test: an app without a port, on a store of the test's own. */
import { expect } from "bun:test"
import { Context, Effect, Layer, Schema, type Scope } from "effect"
import { serveHere } from "../../actors/dispatch/served-here.ts"
import * as Tree from "../../actors/tree.ts"
import { type AppOptions, createApp } from "../../api/http/app.ts"
import type { ApiServices, Bindings } from "../../api/http/run.ts"
import type { Access } from "../../runtime/access.ts"
import type { Admission } from "../../runtime/admission.ts"
import type { Agents } from "../../runtime/agents.ts"
import type { Settings, SettingsShape } from "../../runtime/config.ts"
import { Files } from "../../runtime/files.ts"
import { defineTask } from "../../runtime/handler.ts"
import type { LifecycleLog } from "../../runtime/lifecycle.ts"
import type { Limits } from "../../runtime/limits.ts"
import type { Members } from "../../runtime/members.ts"
import * as Memory from "../../runtime/memory/stores.ts"
import type { Operations } from "../../runtime/operations.ts"
import * as Redis from "../../runtime/redis/stores.ts"
import { Handlers } from "../../runtime/registry.ts"
import type { Schedules } from "../../runtime/schedules.ts"
import type { Steps } from "../../runtime/steps.ts"
import { Store } from "../../runtime/store.ts"
import { TaskId } from "../../runtime/task.ts"
import { it } from "./effect.ts"
import { temporaryFolder } from "./folder.ts"
import { memorySettings, redisSettings } from "./redis.ts"
import { type Frame, Frames } from "./sse.ts"
import { aWorker } from "./worker.ts"

/** Takes any input. */
const anything = defineTask({ name: "test", run: (input) => input })

/** Takes two fields, and nothing but them. */
const strict = defineTask({
  name: "strict",
  input: Schema.Struct({ name: Schema.String, count: Schema.Int }),
  run: () => null
})

export const handlers = [anything, strict]

/** The test itself settles the tasks: nobody is to be warned that no worker does. */
const theTestWorks = Layer.effectDiscard(
  Effect.flatMap(Store, (store) =>
    serveHere(store, {
      concurrency: new Map(["default.0", "other.0"].map((partition) => [partition, 1])),
      has: () => true,
      claims: () => true
    })
  )
)

/** What an API asks for, on a store. */
export const apiOn = <E, E2>(
  store: Layer.Layer<
    Store | Access | Admission | Agents | LifecycleLog | Limits | Members | Operations | Schedules | Steps,
    E,
    Settings
  >,
  settings: (over: Partial<SettingsShape>) => Layer.Layer<Settings, E2>
) =>
  Layer.unwrap(
    Effect.map(temporaryFolder, (files) =>
      Layer.orDie(
        Tree.client.pipe(
          Layer.provideMerge(theTestWorks),
          Layer.provideMerge(Layer.mergeAll(store, Handlers.layer({ given: handlers }), Files.layer)),
          Layer.provideMerge(settings({ files, port: 0 }))
        )
      )
    )
  )

/** What an API asks for, on the memory store: built anew for each test. */
export const memoryApi = apiOn(Memory.layer, memorySettings)

/** What an API asks for, on the tests' Redis in a namespace of its own. */
export const redisApi = apiOn(Redis.layer(), redisSettings)

export const jsonBody = (body: unknown): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: typeof body === "string" ? body : JSON.stringify(body)
})

/** An app, and short ways to ask it. */
export const anApi = Effect.fnUntraced(function* (options: AppOptions = {}) {
  const context = yield* Effect.context<ApiServices>()
  const app = createApp(Context.makeUnsafe(context.mapUnsafe), options)
  const request = (path: string, init?: RequestInit, bindings?: Bindings) =>
    Effect.promise((signal) => Promise.resolve(app.request(path, { signal, ...init }, bindings)))
  /** The answer with its body read as JSON, or `undefined` where there is none. */
  const ask = Effect.fnUntraced(function* (path: string, init?: RequestInit) {
    const response = yield* request(path, init)
    const text = yield* Effect.promise(() => response.text())
    const body = text === "" ? undefined : JSON.parse(text)
    return { status: response.status, headers: response.headers, body }
  })
  const post = (path: string, body: unknown) => ask(path, jsonBody(body))
  /** Submits a task and gives its id. */
  const submit = Effect.fnUntraced(function* (over: object = {}) {
    const { body, status } = yield* post("/v1/tasks", { name: "test", input: 1, ...over })
    if (status !== 202) throw new Error(`not submitted: ${JSON.stringify(body)}`)
    return TaskId.make(body.id)
  })
  return { request, ask, post, submit }
})

/** A promise of the API, held against the memory store. */
export const promise = <A, E>(
  sentence: string,
  body: () => Effect.Effect<A, E, ApiServices | Operations | Settings | Scope.Scope>
) => it.live(sentence, () => Effect.suspend(body).pipe(Effect.provide(memoryApi)))

/** Nothing was stored of what was refused. */
export const nothingWaits = Effect.gen(function* () {
  expect(yield* (yield* aWorker()).claim(1)).toEqual([])
})

/** A client that may go away before it has its answer. */
export const aLeavingClient = () => {
  const controller = new AbortController()
  return { signal: controller.signal, leave: () => controller.abort() }
}

/** Reads the frames of a response, at the pace of the test. */
export const framesOf = (response: Response) => {
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body!.getReader()
  const decoder = new TextDecoder()
  const frames = new Frames()
  const held: Array<Frame> = []
  const take = (count: number) =>
    Effect.promise(async () => {
      while (held.length < count) {
        const { done, value } = await reader.read()
        if (done) throw new Error(`the stream ended before ${count} frames: ${JSON.stringify(held)}`)
        held.push(...frames.push(decoder.decode(value, { stream: true })))
      }
      return held.splice(0, count)
    })
  /** Everything up to the end of the stream. */
  const rest = Effect.promise(async () => {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      held.push(...frames.push(decoder.decode(next.value, { stream: true })))
    }
    return held.splice(0)
  })
  return {
    take,
    one: Effect.map(take(1), ([frame]) => frame!),
    rest,
    cancel: Effect.promise(() => reader.cancel())
  }
}
