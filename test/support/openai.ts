/**
 * A server on this machine that speaks OpenAI's chat completions, as far as streams of texts and calls of tools need: it
 * answers, fails, limits and stalls as a test says.
 */
import { Effect } from "effect"
import { localServer } from "./network.ts"

/** How a stream goes on after its pieces. */
type Ending = "stop" | "stall" | "cut" | "error"

export interface Script {
  readonly pieces?: ReadonlyArray<string>
  /** What it calls after its pieces. */
  readonly calls?: ReadonlyArray<{ readonly tool: string; readonly input: unknown }>
  readonly ending?: Ending
  /** Why it says that it ends. Default: `tool_calls` after some, else `stop`. */
  readonly finish?: string
  /** In tokens. Default 50 and 7. */
  readonly usage?: { readonly input: number; readonly output: number }
  /** Answers with this status and no stream. */
  readonly status?: number
  /** What it says with that; what it was authorised by is put where `{key}` stands. */
  readonly says?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface Asked {
  readonly model: string
  readonly authorization: string | null
  readonly messages: ReadonlyArray<{ readonly role: string; readonly content: string }>
  readonly tools?: ReadonlyArray<{
    readonly function: { readonly name: string; readonly parameters: object }
  }>
  readonly tool_choice?: string
  readonly max_tokens?: number
}

/**
 * Answers each request by the script, or by the next one, the last again and again; `asked` holds what was asked and `times`
 * when, in milliseconds; `left` resolves when a client goes away early.
 */
export const openaiServer = (...scripts: readonly [Script, ...ReadonlyArray<Script>]) =>
  Effect.gen(function* () {
    const asked: Array<Asked> = []
    const times: Array<number> = []
    const left = Promise.withResolvers<void>()
    const { port } = yield* localServer(async (request) => {
      times.push(performance.now())
      const script = scripts[Math.min(asked.length, scripts.length - 1)]!
      const body = (await request.json()) as Asked
      asked.push({ ...body, authorization: request.headers.get("authorization") })
      if (script.status !== undefined) {
        return Response.json(
          { error: { message: sayingBack(script, request) } },
          { status: script.status, headers: { ...script.headers } }
        )
      }
      return new Response(streamOf(script, left.resolve), {
        headers: { "content-type": "text/event-stream" }
      })
    })
    return { asked, times, left: left.promise, url: `http://127.0.0.1:${port}/v1` }
  })

const sayingBack = ({ says, status }: Script, { headers }: Request) =>
  (says ?? `status ${status}`).replace("{key}", headers.get("authorization") ?? "")

/** A server that begins a stream with one piece, and goes on waiting until `reset` breaks the connection. */
export const resettingServer = (piece: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const sockets: Array<Bun.Socket> = []
        const event = { choices: [{ index: 0, delta: { content: piece }, finish_reason: null }] }
        const answer = [
          "HTTP/1.1 200 OK",
          "content-type: text/event-stream",
          "content-length: 9999",
          "",
          `data: ${JSON.stringify(event)}\n\n`
        ]
        const listener = Bun.listen({
          hostname: "127.0.0.1",
          port: 0,
          socket: {
            data(socket) {
              sockets.push(socket)
              socket.write(answer.join("\r\n"))
            }
          }
        })
        return { listener, reset: () => sockets.forEach((socket) => socket.terminate()) }
      }),
      ({ listener }) => Effect.sync(() => listener.stop(true))
    ),
    ({ listener, reset }) => ({ url: `http://127.0.0.1:${listener.port}/v1`, reset })
  )

const streamOf = (
  {
    calls = [],
    ending = "stop",
    finish = calls.length === 0 ? "stop" : "tool_calls",
    pieces = [],
    usage = { input: 50, output: 7 }
  }: Script,
  onLeft: () => void
) => {
  const encoder = new TextEncoder()
  const event = (data: unknown) => encoder.encode(`data: ${JSON.stringify(data)}\n\n`)
  const choice = (delta: unknown, finish: string | null) =>
    event({
      id: "1",
      object: "chat.completion.chunk",
      created: 1,
      model: "m",
      choices: [{ index: 0, delta, finish_reason: finish }]
    })
  const rest = {
    stop: [
      ...calls.map(({ input, tool }, index) =>
        choice(
          {
            tool_calls: [
              {
                index,
                id: `call-${crypto.randomUUID()}`,
                type: "function",
                function: { name: tool, arguments: JSON.stringify(input) }
              }
            ]
          },
          null
        )
      ),
      choice({}, finish),
      event({
        id: "1",
        object: "chat.completion.chunk",
        created: 1,
        model: "m",
        choices: [],
        usage: {
          prompt_tokens: usage.input,
          completion_tokens: usage.output,
          total_tokens: usage.input + usage.output
        }
      }),
      encoder.encode("data: [DONE]\n\n")
    ],
    error: [event({ error: { message: "overloaded", type: "server_error" } })],
    stall: [],
    cut: []
  }[ending]
  const waiting = [...pieces.map((content) => choice({ role: "assistant", content }, null)), ...rest]
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = waiting.shift()
      if (next !== undefined) return controller.enqueue(next)
      if (ending === "stall") return new Promise(() => {})
      return controller.close()
    },
    cancel: onLeft
  })
}
