/**
 * The sample job, as a client over HTTP would do it: a real PDF goes through `document.process`, then `agent.query`
 * answers a question about it, streamed to the terminal while it is made.
 */
import { Effect, Schema } from "effect"
import { makeParser } from "effect/encoding/Sse"
import { relative } from "node:path"
import { fileURLToPath } from "node:url"
import type { FollowEvent } from "../actors/follow/follower.ts"
import * as Output from "./cli/output.ts"
import { makeTranscript } from "./cli/transcript.ts"

/** The sample job did not come through; `step` says where. The system itself may be well. */
export class SampleFailed extends Schema.TaggedError<SampleFailed>()("SampleFailed", {
  step: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `the sample job failed at ${this.step}: ${this.reason}`
  }
}

const guide = new URL("../docs/guide.pdf", import.meta.url)
/** Where it is for whoever reads of it: in a project that has the package, below its `node_modules`. */
export const guidePath = relative(process.cwd(), fileURLToPath(guide))
const question = "What happens to a task when the worker that runs it dies?"

const ask = <A>(step: string, call: (signal: AbortSignal) => Promise<A>) =>
  Effect.tryPromise({
    try: call,
    catch: (error) =>
      new SampleFailed({ step, reason: error instanceof Error ? error.message : String(error) })
  })

const json = async <A>(response: Response): Promise<A> => {
  if (response.status === 401) throw new Error("the API asks for a key, and the sample job has none")
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  return (await response.json()) as A
}

/** Reads an event stream to its end, and hands every event to `show`. */
const showEvents = Effect.fnUntraced(function* (url: string, wanted: (event: FollowEvent) => boolean) {
  const show = makeTranscript()
  const events: Array<FollowEvent> = []
  const parser = makeParser((event) => {
    if (event._tag === "Event")
      events.push({ type: event.event, ...(JSON.parse(event.data) as object) } as FollowEvent)
  })
  const response = yield* ask("following", (signal) => fetch(url, { signal }))
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  while (true) {
    const { done, value } = yield* ask("following", () => reader.read())
    if (value !== undefined) {
      const error = parser.feed(value)
      if (error !== undefined) return yield* new SampleFailed({ step: "following", reason: error.message })
    }
    for (const event of events.splice(0)) if (wanted(event)) yield* show(event)
    if (done) return
  }
})

/** Calls off a task that nobody would run: it would wait, and some day surprise somebody. */
const callOff = (url: string, id: string) =>
  Effect.ignore(
    ask("cancelling", (signal) => fetch(`${url}/v1/tasks/${id}/cancel`, { method: "POST", signal }))
  )

/** Submits a task, shows what it puts out, and succeeds with its result. */
const run = Effect.fnUntraced(function* <A>(
  url: string,
  name: string,
  input: unknown,
  wanted: (event: FollowEvent) => boolean = () => true
) {
  const { id, warning } = yield* ask(name, (signal) =>
    fetch(`${url}/v1/tasks`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name, input }),
      signal
    }).then(json<{ id: string; warning?: string }>)
  )
  // All workers of this node are ready by now, so there is nobody to wait for.
  if (warning !== undefined) {
    yield* callOff(url, id)
    return yield* new SampleFailed({ step: name, reason: warning.replace(/: the task waits.*$/, "") })
  }
  yield* Output.say(`\n${name}  ${id}`)
  yield* showEvents(`${url}/v1/tasks/${id}/events`, wanted)
  return yield* ask(name, (signal) =>
    fetch(`${url}/v1/tasks/${id}/result?waitMs=60000`, { signal }).then(json<A>)
  )
})

export const runSample = Effect.fn("Sample.run")(function* (
  url: string
): Effect.fn.Return<void, SampleFailed | Output.OutputClosed> {
  const file = yield* ask("uploading", (signal) =>
    fetch(`${url}/v1/files`, {
      method: "POST",
      headers: { "content-type": "application/pdf" },
      body: Bun.file(guide),
      signal
    }).then(json<{ id: string; bytes: number }>)
  )
  yield* Output.say(`The sample: ${guidePath}, ${file.bytes} bytes, goes through the handlers.`)

  interface Processed {
    readonly document: string
    readonly pages: number
    readonly chunks: number
    readonly keywords: ReadonlyArray<string>
  }
  const document = { file: file.id, title: "The Troupe guide" }
  // Its chunks are for programs; people see its progress.
  const processed = yield* run<Processed>(url, "document.process", document, ({ type }) => type !== "chunk")
  yield* Output.say(
    `${processed.pages} pages in ${processed.chunks} chunks, about: ${processed.keywords.slice(0, 8).join(", ")}`
  )

  yield* Output.say(`\nQuestion: ${question}`)
  yield* run(url, "agent.query", { question, documents: [processed.document] })
  yield* Output.say("")
})
