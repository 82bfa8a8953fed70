import { describe, expect } from "bun:test"
import { DefaultChatTransport, readUIMessageStream, type UIMessage } from "ai"
import { Effect } from "effect"
import { Drain } from "../../../api/http/drain.ts"
import { anApi, promise } from "../../support/api.ts"
import { aWorker } from "../../support/worker.ts"

/** A task that runs, and the AI SDK's own transport, which reads what it puts out. */
const aChat = Effect.fnUntraced(function* (options?: Parameters<typeof anApi>[0]) {
  const api = yield* anApi(options)
  const id = yield* api.submit()
  const run = yield* (yield* aWorker()).claimOne
  const answers: Array<Response> = []
  const runPromise = Effect.runPromiseWith(yield* Effect.context())
  const fetching = async (url: string, init?: RequestInit) => {
    const response = await runPromise(api.request(url, init))
    answers.push(response)
    return response
  }
  /** What the transport reads of the task, after an event where one is named. */
  const transport = (after?: string) =>
    new DefaultChatTransport<UIMessage>({
      fetch: fetching as typeof fetch,
      prepareReconnectToStreamRequest: ({ id }) => ({
        api: `/v1/tasks/${id}/events?format=ai-sdk${after === undefined ? "" : `&after=${after}`}`
      })
    })
  const stream = (after?: string) => Effect.promise(() => transport(after).reconnectToStream({ chatId: id }))
  return { ...api, id, run, stream, answers }
})

type Stream = NonNullable<Awaited<ReturnType<DefaultChatTransport<UIMessage>["reconnectToStream"]>>>

/** The message as it is when the stream has ended, and the errors on the way. */
const messageOf = (stream: Stream | null) =>
  Effect.promise(async () => {
    const errors: Array<string> = []
    let message: UIMessage | undefined
    const messages = readUIMessageStream({
      stream: stream!,
      onError: (error) => void errors.push((error as Error).message)
    })
    for await (const next of messages) message = next
    return { message: message!, errors }
  })

const textOf = ({ parts }: UIMessage) =>
  parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("|")

describe("a task's events as the AI SDK's UI message stream", () => {
  promise("are read by its own transport as one message", () =>
    Effect.gen(function* () {
      const { answers, id, run, stream } = yield* aChat()
      yield* run.chunks("Hel", "lo ", "you")
      yield* run.emit("progress", { fraction: 0.5 })
      yield* run.emit("log", { level: "info", message: "half" })
      yield* run.chunks({ cost: 3 }, "more")
      yield* run.succeed("done")

      const { errors, message } = yield* messageOf(yield* stream())

      expect(answers[0]!.headers.get("x-vercel-ai-ui-message-stream")).toBe("v1")
      expect(answers[0]!.headers.get("content-type")).toBe("text/event-stream")
      expect(errors).toEqual([])
      expect(message.id).toBe(id)
      expect(message.metadata).toEqual({ task: id, state: "succeeded" })
      expect(message.parts).toEqual([
        { type: "text", text: "Hello you", state: "done" },
        { type: "data-chunk", data: { cost: 3 } },
        { type: "text", text: "more", state: "done" }
      ])
    })
  )

  promise("let through what a handler says in that protocol itself", () =>
    Effect.gen(function* () {
      const { run, stream } = yield* aChat()
      yield* run.chunks(
        { type: "start", messageId: "mine" },
        { type: "reasoning-start", id: "r" },
        { type: "reasoning-delta", id: "r", delta: "hm" },
        { type: "reasoning-end", id: "r" },
        { type: "tool-input-available", toolCallId: "c", toolName: "add", input: { a: 1 } },
        { type: "tool-output-available", toolCallId: "c", output: 2 },
        { type: "text-start", id: "t" },
        { type: "text-delta", id: "t", delta: "two" }
      )
      yield* run.succeed("done")

      const { errors, message } = yield* messageOf(yield* stream())

      expect(errors).toEqual([])
      expect(message.parts.map(({ type }) => type)).toEqual(["data-chunk", "reasoning", "tool-add", "text"])
      expect(message.parts.at(-1)).toMatchObject({ text: "two", state: "done" })
    })
  )

  promise("are read again from the first by one who comes back, while they are made", () =>
    Effect.gen(function* () {
      const { id, run, stream } = yield* aChat()
      yield* run.chunks("a", "b")
      const first = yield* stream()
      yield* Effect.promise(() => first!.cancel())
      yield* run.chunks("c")
      const again = yield* stream()
      yield* run.succeed("done")

      const { message } = yield* messageOf(again)

      expect(message.id).toBe(id)
      expect(textOf(message)).toBe("abc")
    })
  )

  promise("go on after an event where somebody asks for that", () =>
    Effect.gen(function* () {
      const { run, stream } = yield* aChat()
      yield* run.chunks(
        "a",
        "b",
        { type: "text-start", id: "t" },
        { type: "text-delta", id: "t", delta: "c" }
      )
      yield* run.chunks({ type: "text-delta", id: "t", delta: "d" })
      yield* run.succeed("done")

      expect(textOf((yield* messageOf(yield* stream("1-1"))).message)).toBe("b|cd")
      const { errors, message } = yield* messageOf(yield* stream("1-4"))
      expect(errors).toEqual([])
      expect(textOf(message)).toBe("d")
      expect(yield* stream("1-end")).toBeNull()
    })
  )

  promise("say with what a task failed", () =>
    Effect.gen(function* () {
      const { run, stream } = yield* aChat()
      yield* run.chunks("a")
      yield* run.fail({ type: "Odd", message: "no more tea" })

      const { errors, message } = yield* messageOf(yield* stream())

      expect(errors).toEqual(["no more tea"])
      expect(message.parts).toEqual([{ type: "text", text: "a", state: "done" }])
    })
  )

  promise("say that a run was void, and go on with the next one", () =>
    Effect.gen(function* () {
      const { run, stream } = yield* aChat()
      yield* run.chunks("a")
      yield* run.retry({ type: "Flaky", message: "again" }, 0)
      const second = yield* (yield* aWorker()).claimOne
      yield* second.chunks("b")
      yield* second.succeed("done")

      const { message } = yield* messageOf(yield* stream())

      expect(message.parts).toEqual([
        { type: "text", text: "a", state: "done" },
        { type: "data-attempt", data: { attempt: 2, reset: true } },
        { type: "text", text: "b", state: "done" }
      ])
    })
  )

  promise("say that the server goes away", () =>
    Effect.gen(function* () {
      const drain = new Drain()
      const { run, stream } = yield* aChat({ drain })
      yield* run.chunks("a")
      const reading = yield* stream()
      const [read] = yield* Effect.all(
        [
          messageOf(reading),
          Effect.andThen(
            Effect.sleep(20),
            Effect.sync(() => drain.close())
          )
        ],
        { concurrency: "unbounded" }
      )
      expect(read.errors).toEqual(["the server goes away; resume the stream"])
    })
  )

  promise("are one of two formats", () =>
    Effect.gen(function* () {
      const { ask, id } = yield* aChat()
      expect(yield* ask(`/v1/tasks/${id}/events?format=xml`)).toMatchObject({
        status: 400,
        body: { type: "invalid-parameter" }
      })
    })
  )
})
