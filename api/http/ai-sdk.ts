/**
 * What a task puts out as the UI message stream of the AI SDK (`?format=ai-sdk`), so that its hooks and transports read it
 * as they are.
 *
 * Texts that a handler emits become text parts; objects that are chunks of that protocol go through as they are, and any
 * other chunk is a part `data-chunk`. The protocol has no ids to go on from: who comes back reads from the first event, and
 * the message, which has the task's id, is built anew. Who says where to go on all the same gets what came after that, in
 * parts of its own.
 */
import type { FollowEvent } from "../../actors/follow/follower.ts"
import type { TaskId } from "../../runtime/task.ts"
import { frame } from "./sse.ts"

/** What the AI SDK asks of such an answer. */
export const uiHeaders = { "x-vercel-ai-ui-message-stream": "v1" }

export type UiChunk = { readonly type: string } & Readonly<Record<string, unknown>>

const encoder = new TextEncoder()
const done = encoder.encode("data: [DONE]\n\n")

/** Parts that are made of pieces: what begins one, goes on with it, and ends it. */
const pieces = ["text", "reasoning"] as const

/** Chunks that a handler may put out as they are. It says neither where the message begins nor where it ends. */
const passing =
  /^(?:(?:text|reasoning)-(?:start|delta|end)|tool-[a-z-]{1,40}|source-(?:url|document)|file|(?:start|finish)-step|message-metadata|data-[\w.-]{1,64})$/

const isUiChunk = (chunk: unknown): chunk is UiChunk =>
  typeof chunk === "object" &&
  chunk !== null &&
  "type" in chunk &&
  typeof chunk.type === "string" &&
  passing.test(chunk.type)

/** Turns the events of one task into chunks, for one who follows it. */
export const makeUiChunks = (task: TaskId) => {
  let begun = false
  /** The text part that is open, of our own making; and those that the handler has opened, by kind and id. */
  let text: string | undefined
  const open = new Set<string>()

  const endText = (): ReadonlyArray<UiChunk> => {
    if (text === undefined) return []
    const ended = { type: "text-end", id: text }
    text = undefined
    return [ended]
  }

  const endAll = (): ReadonlyArray<UiChunk> => {
    const ended = [...open].map((key): UiChunk => {
      const at = key.indexOf(" ")
      return { type: `${key.slice(0, at)}-end`, id: key.slice(at + 1) }
    })
    open.clear()
    return [...endText(), ...ended]
  }

  /** A chunk of the handler's own; a delta whose beginning was not seen begins here. */
  const pass = (chunk: UiChunk): ReadonlyArray<UiChunk> => {
    const kind = pieces.find((kind) => chunk.type.startsWith(`${kind}-`))
    if (kind === undefined) return [chunk]
    const id = String(chunk["id"])
    const key = `${kind} ${id}`
    const isKnown = open.has(key)
    if (chunk.type.endsWith("-end")) {
      open.delete(key)
      return isKnown ? [chunk] : []
    }
    open.add(key)
    return isKnown || chunk.type.endsWith("-start") ? [chunk] : [{ type: `${kind}-start`, id }, chunk]
  }

  const chunksOf = (event: FollowEvent): ReadonlyArray<UiChunk> => {
    switch (event.type) {
      case "chunk": {
        if (typeof event.chunk !== "string")
          return [
            ...endText(),
            ...(isUiChunk(event.chunk) ? pass(event.chunk) : [{ type: "data-chunk", data: event.chunk }])
          ]
        const start = text === undefined ? [{ type: "text-start", id: event.id }] : []
        text ??= event.id
        return [...start, { type: "text-delta", id: text, delta: event.chunk }]
      }
      case "attempt":
        return [...endAll(), { type: "data-attempt", data: { attempt: event.attempt, reset: true } }]
      case "gap": {
        const { attempt, from, to } = event
        return [...endAll(), { type: "data-gap", data: { attempt, from, to } }]
      }
      case "state": {
        const { attempt, state } = event
        return [{ type: "data-state", data: { state, attempt }, transient: true }]
      }
      case "progress":
      case "log":
      case "step": {
        const { id: _, type, ...data } = event
        return [{ type: `data-${type}`, data, transient: true }]
      }
      case "end": {
        const { error, state } = event
        const messageMetadata = { task, state }
        if (state === "succeeded")
          return [...endAll(), { type: "finish", finishReason: "stop", messageMetadata }]
        if (state === "cancelled") return [...endAll(), { type: "abort", reason: error?.message ?? state }]
        return [
          ...endAll(),
          { type: "error", errorText: error?.message ?? `the task ${state}` },
          { type: "finish", finishReason: "error", messageMetadata }
        ]
      }
    }
  }

  return (event: FollowEvent): ReadonlyArray<UiChunk> => {
    const start = begun ? [] : [{ type: "start", messageId: task, messageMetadata: { task } }]
    begun = true
    return [...start, ...chunksOf(event)]
  }
}

const dataFrame = (chunk: UiChunk, id?: string): Uint8Array => frame(undefined, id, chunk)

/** The same as frames. The last chunk of an event has its id, for those who read ids. */
export const makeUiFrames = (task: TaskId) => {
  const chunks = makeUiChunks(task)
  return (event: FollowEvent): Uint8Array => {
    const made = chunks(event)
    const id = "id" in event ? event.id : undefined
    const frames = made.map((chunk, at) => dataFrame(chunk, at === made.length - 1 ? id : undefined))
    if (event.type === "end") frames.push(done)
    return Buffer.concat(frames)
  }
}

/** The last word of a stream that breaks off before its task has ended: the message is not over. */
export const uiAway: Uint8Array = dataFrame({
  type: "error",
  errorText: "the server goes away; resume the stream"
})
