import { describe, expect, test } from "bun:test"
import { Context, Duration, Effect, Layer } from "effect"
import { Shutdown } from "../../../actors/shutdown.ts"
import * as Server from "../../../api/http/server.ts"
// @ts-expect-error A page's script has no types.
import { openChat, taskOf } from "../../../docs/examples/chat/chat.js"
import { Settings } from "../../../runtime/config.ts"
import { memoryApi } from "../../support/api.ts"
import { it } from "../../support/effect.ts"
import { aWorker } from "../../support/worker.ts"

interface Chat {
  readonly submit: (
    task: object,
    onEvent: (frame: { event: string; data: unknown }) => void
  ) => Promise<unknown>
  readonly close: () => void
}

describe("the chat page of the examples", () => {
  it.live("submits, and shows what is put out up to the end", () =>
    Effect.gen(function* () {
      const settings = { ...(yield* Settings), grace: Duration.zero }
      const context = yield* Layer.build(
        Layer.provideMerge(Server.layerWith({}), Shutdown.layer).pipe(
          Layer.provide(Layer.succeed(Settings, settings))
        )
      )
      const { url } = Context.get(context, Server.HttpServer)
      const connected = Promise.withResolvers<void>()
      const chat = (openChat as (url: string, options: object) => Chat)(
        `${url.replace("http", "ws")}/v1/ws`,
        {
          onState: (state: string) => {
            if (state === "connected") connected.resolve()
          }
        }
      )
      yield* Effect.promise(() => connected.promise)
      const heard: Array<string> = []
      const ended = Promise.withResolvers<void>()
      yield* Effect.promise(() =>
        chat.submit({ name: "test", input: { question: "tea?" } }, ({ data, event }) => {
          if (event === "chunk") heard.push((data as { readonly chunk: string }).chunk)
          if (event === "end") ended.resolve()
        })
      )
      const run = yield* (yield* aWorker()).claimOne
      yield* run.chunks("Tea ", "it is")
      yield* run.succeed("done")
      yield* Effect.promise(() => ended.promise)
      chat.close()

      expect(heard).toEqual(["Tea ", "it is"])
    }).pipe(Effect.provide(memoryApi))
  )

  test("asks a handler, or an agent that keeps in mind what was said", () => {
    const asked = taskOf as (query: URLSearchParams, question: string) => object
    expect(asked(new URLSearchParams(), "tea?")).toEqual({ name: "agent.query", input: { question: "tea?" } })
    expect(asked(new URLSearchParams("agent=agent.chat&key=ada"), "tea?")).toEqual({
      name: "agent.chat",
      key: "ada",
      input: { message: "ask", input: { question: "tea?" } }
    })
  })

  test("takes nothing from elsewhere", async () => {
    for (const file of ["index.html", "chat.js"]) {
      expect(await Bun.file(`docs/examples/chat/${file}`).text()).not.toMatch(/https?:\/\//)
    }
  })
})
