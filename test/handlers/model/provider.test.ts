import { describe, expect } from "bun:test"
import { ConfigProvider, Effect, Layer, Stream } from "effect"
import { Provider, type Said } from "../../../handlers/model/provider.ts"
import { it } from "../../support/effect.ts"
import { settings } from "../../support/folder.ts"
import { localServer } from "../../support/network.ts"

/** The model that an environment gives. */
const modelIn = (environment: Record<string, string>) =>
  Provider.use(({ model }) => Effect.succeed(model)).pipe(
    Effect.provide(
      Provider.layer.pipe(
        Layer.provide(settings({})),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: environment })))
      )
    )
  )

describe("the model that questions go to", () => {
  const cases: ReadonlyArray<
    readonly [what: string, environment: Record<string, string>, name: string | undefined]
  > = [
    ["is none when nothing is set", {}, undefined],
    ["is none when variables are set to nothing", { OPENAI_API_KEY: "", ANTHROPIC_API_KEY: "" }, undefined],
    ["is none when only a model is named", { OPENAI_MODEL: "m" }, undefined],
    ["is OpenAI's with its key", { OPENAI_API_KEY: "k", OPENAI_MODEL: "m" }, "m"],
    [
      "is that of a server of one's own",
      { OPENAI_BASE_URL: "http://127.0.0.1:1/v1", OPENAI_MODEL: "llama" },
      "llama"
    ],
    ["is Anthropic's with its key", { ANTHROPIC_API_KEY: "k", ANTHROPIC_MODEL: "m" }, "m"],
    [
      "is OpenAI's when both keys are set",
      { OPENAI_API_KEY: "k", ANTHROPIC_API_KEY: "k", OPENAI_MODEL: "o" },
      "o"
    ]
  ]
  for (const [what, environment, name] of cases) {
    it.live(what, () => Effect.map(modelIn(environment), (model) => expect(model?.name).toBe(name)))
  }

  it.live("has a name even when nobody gave one", () =>
    Effect.gen(function* () {
      expect((yield* modelIn({ OPENAI_API_KEY: "k" }))?.name).toMatch(/^gpt-/)
      expect((yield* modelIn({ ANTHROPIC_API_KEY: "k" }))?.name).toMatch(/^claude-/)
    })
  )
})

describe("Anthropic's model", () => {
  it.live("is asked in Anthropic's own protocol", () =>
    Effect.gen(function* () {
      const events = [
        {
          type: "message_start",
          message: {
            id: "1",
            type: "message",
            role: "assistant",
            model: "m",
            content: [],
            usage: { input_tokens: 9, output_tokens: 1 }
          }
        },
        { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
        { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Fifteen " } },
        { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "seconds." } },
        { type: "content_block_stop", index: 0 },
        { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 4 } },
        { type: "message_stop" }
      ]
      const keys: Array<string | null> = []
      const { port, seen } = yield* localServer((request) => {
        keys.push(request.headers.get("x-api-key"))
        const body = events
          .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
          .join("")
        return new Response(body, { headers: { "content-type": "text/event-stream" } })
      })
      const model = yield* modelIn({
        ANTHROPIC_API_KEY: "sk-ant",
        ANTHROPIC_BASE_URL: `http://127.0.0.1:${port}/v1`
      })

      const said = yield* Stream.runCollect(
        model!.ask({
          instructions: "Be short.",
          messages: [{ role: "user", content: "How long?" }],
          outputTokens: 100
        })
      )

      expect(said).toEqual<Array<Said>>([
        { kind: "text", text: "Fifteen " },
        { kind: "text", text: "seconds." },
        { kind: "end", usage: { inputTokens: 9, outputTokens: 4 }, reason: "stop" }
      ])
      expect(keys).toEqual(["sk-ant"])
      expect(seen[0]).toEndWith("/v1/messages")
    })
  )
})
