/**
 * A task's events as server-sent events.
 *
 * The client's reading pulls them: what it has not read is not read from the store either. A quiet stream has a
 * heartbeat, so that nobody on the way takes it for dead. When the client goes away, or this process does, everything
 * behind the stream is freed.
 */
import { Cause, type Duration, Effect, Exit, Fiber, Option, Pull, Scope, Stream } from "effect"
import { Sse } from "effect/encoding"
import type { FollowEvent } from "../../actors/follow.ts"
import type { Drain } from "./drain.ts"

/** How long a stream may be quiet before it has a heartbeat. */
export const heartbeatDefault: Duration.Input = "5 seconds"

const encoder = new TextEncoder()

/** A comment, which clients skip. */
const heartbeatFrame = encoder.encode(": alive\n\n")

/** Followers of a task share its events, and so their frames. */
const frames = new WeakMap<FollowEvent, Uint8Array>()

/** Line breaks to some clients, though not by the specification; JSON itself writes all others as escapes. */
const otherBreaks = /[\u0085\u2028\u2029]/g

const escape = (letter: string) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`

/** An event as it goes over the wire: its data is one line, so no text of a task can break out of its frame. */
export const frameOf = (event: FollowEvent): Uint8Array => {
  const there = frames.get(event)
  if (there !== undefined) return there
  const { type, ...rest } = event
  const { id, ...data } = "id" in rest ? rest : { ...rest, id: undefined }
  const line = JSON.stringify(data).replace(otherBreaks, escape)
  const frame = encoder.encode(Sse.encoder.write({ _tag: "Event", event: type, id, data: line }))
  frames.set(event, frame)
  return frame
}

const join = (events: ReadonlyArray<FollowEvent>): Uint8Array =>
  events.length === 1 ? frameOf(events[0]!) : Buffer.concat(events.map(frameOf))

export interface EventStreamOptions {
  readonly heartbeat: Duration.Input
  readonly drain: Drain
  /** Fires when the client has gone. */
  readonly signal: AbortSignal
}

/**
 * Opens the body of a response. The first events are waited for, so that what is wrong with the stream is known before
 * anything is sent.
 */
export const eventStream = Effect.fnUntraced(function*<E>(
  events: Stream.Stream<FollowEvent, E>,
  { drain, heartbeat, signal }: EventStreamOptions
): Effect.fn.Return<ReadableStream<Uint8Array>, E> {
  const run = Effect.runPromiseExitWith(yield* Effect.context<never>())
  const scope = yield* Scope.make()
  const close = Scope.close(scope, Exit.void)
  const pull = Pull.catchDone(yield* Scope.provide(Stream.toPull(events), scope), () => Effect.succeed(undefined))

  let first = yield* Effect.onError(pull, () => close)
  let waiting: Fiber.Fiber<ReadonlyArray<FollowEvent> | undefined, E> | undefined

  /** What to send next; `undefined` when that was all. The pull outlives the heartbeats, so no event is lost to one. */
  const next = Effect.gen(function*() {
    waiting ??= yield* Effect.forkIn(pull, scope)
    const news = yield* Effect.raceFirst(Fiber.join(waiting), Effect.as(drain.begins, undefined)).pipe(
      Effect.timeoutOption(heartbeat)
    )
    if (Option.isNone(news)) return heartbeatFrame
    waiting = undefined
    return news.value === undefined ? undefined : join(news.value)
  })

  let over = false
  const end = () => {
    over = true
    return run(close)
  }
  signal.addEventListener("abort", () => void end(), { once: true })
  if (signal.aborted) yield* close

  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (first !== undefined) {
        controller.enqueue(join(first))
        first = undefined
        return
      }
      const exit = await run(next)
      if (Exit.isSuccess(exit) && exit.value !== undefined) return controller.enqueue(exit.value)
      // The client goes on after the last event it has, and is then told by a status what is wrong.
      if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) await run(Effect.logWarning("a stream broke off", exit.cause))
      if (over) return
      controller.close()
      await end()
    },
    cancel: async () => void await end()
  }, { highWaterMark: 0 })
})
