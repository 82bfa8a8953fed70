/**
 * A task's events as server-sent events.
 *
 * The client's reading pulls them: what it has not read is not read from the store either. A quiet stream has a
 * heartbeat, so that nobody on the way takes it for dead. When the client goes away, or this process does, everything
 * behind the stream is freed.
 */
import {
  type Array as Arr,
  Cause,
  type Context,
  Duration,
  Effect,
  Exit,
  Fiber,
  Pull,
  Scope,
  Stream
} from "effect"
import { Sse } from "effect/encoding"
import type { FollowEvent } from "../../actors/follow/follow.ts"
import type { Drain } from "./drain.ts"

/** How long a stream may be quiet before it has a heartbeat. */
export const heartbeatDefault: Duration.Input = "5 seconds"

const encoder = new TextEncoder()

/** A comment, which clients skip. */
const heartbeatFrame = encoder.encode(": alive\n\n")

/** The last frame of a stream that ends before its task: it has no id, so clients come back with the last one. */
const awayFrame = encoder.encode(
  Sse.encoder.write({
    _tag: "Event",
    event: "away",
    id: undefined,
    data: JSON.stringify({ reason: "this process is going away; come back with the last id" })
  })
)

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

/** A stream that is open. */
interface Open {
  /** Sends a heartbeat when the client waits, and nothing was sent since the last call. */
  readonly beat: () => void
  readonly end: () => void
  /** Ends it before its task has ended. */
  readonly leave: () => void
}

/** What comes next of a stream; `undefined` when that was all. */
type Next<E> = Effect.Effect<Arr.NonEmptyReadonlyArray<FollowEvent> | undefined, E>

/** The open streams of one app: they share a clock for their heartbeats, and end together. */
export class EventStreams {
  readonly #context: Context.Context<never>
  readonly #heartbeat: Duration.Duration
  readonly #drain: Drain
  readonly #open = new Set<Open>()
  #keeper: Fiber.Fiber<void> | undefined

  constructor(
    context: Context.Context<never>,
    options: { readonly heartbeat: Duration.Input; readonly drain: Drain }
  ) {
    this.#context = context
    this.#heartbeat = Duration.fromInputUnsafe(options.heartbeat)
    this.#drain = options.drain
  }

  /**
   * Opens the body of a response, until `signal` says that its client has gone. The first events are waited for, so
   * that what is wrong with the stream is known before anything is sent.
   */
  open<E>(
    events: Stream.Stream<FollowEvent, E>,
    signal: AbortSignal
  ): Effect.Effect<ReadableStream<Uint8Array>, E> {
    return Effect.gen({ self: this }, function* () {
      const scope = yield* Scope.make()
      const pull = yield* Scope.provide(Stream.toPull(events), scope)
      const next: Next<E> = Pull.catchDone(pull, () => Effect.undefined)
      const first = yield* Effect.onError(next, () => Scope.close(scope, Exit.void))
      return this.#body(first, next, scope, signal)
    })
  }

  #body<E>(
    first: ReadonlyArray<FollowEvent> | undefined,
    next: Next<E>,
    scope: Scope.Closeable,
    signal: AbortSignal
  ): ReadableStream<Uint8Array> {
    const run = Effect.runForkWith(this.#context)
    let unsent = first
    let waiting: Fiber.Fiber<unknown, E> | undefined
    let quiet = false
    let over = false

    const free = () => {
      over = true
      this.#remove(stream)
      signal.removeEventListener("abort", free)
      // Nobody waits for it: the client has gone, or has everything.
      run(
        Effect.andThen(
          waiting === undefined ? Effect.void : Fiber.interrupt(waiting),
          Scope.close(scope, Exit.void)
        )
      )
    }
    let controller: ReadableStreamDefaultController<Uint8Array>
    const stream: Open = {
      beat: () => {
        // Without a queue, anything but 0 says that what was sent has not been read yet.
        if (quiet && waiting !== undefined && controller.desiredSize === 0) controller.enqueue(heartbeatFrame)
        quiet = !quiet
      },
      end: () => {
        controller.close()
        free()
      },
      leave: () => {
        controller.enqueue(awayFrame)
        stream.end()
      }
    }
    const take = (exit: Exit.Exit<ReadonlyArray<FollowEvent> | undefined, E>) => {
      if (over) return
      waiting = undefined
      quiet = false
      if (Exit.isSuccess(exit) && exit.value !== undefined) return controller.enqueue(join(exit.value))
      // The client goes on after the last event it has, and is then told by a status what is wrong.
      if (Exit.isFailure(exit)) run(Effect.logWarning("a stream broke off", exit.cause))
      stream.end()
    }

    const body = new ReadableStream<Uint8Array>(
      {
        start: (given) => void (controller = given),
        pull: () => {
          if (unsent !== undefined) {
            controller.enqueue(join(unsent))
            unsent = undefined
            return
          }
          return new Promise<void>((resolve) => {
            const fiber = run(next)
            waiting = fiber
            fiber.addObserver((exit) => {
              take(exit)
              resolve()
            })
          })
        },
        cancel: free
      },
      { highWaterMark: 0 }
    )
    signal.addEventListener("abort", free)
    if (signal.aborted) free()
    else this.#add(stream)
    return body
  }

  #add(stream: Open): void {
    this.#open.add(stream)
    this.#keeper ??= Effect.runForkWith(this.#context)(this.#keep)
  }

  #remove(stream: Open): void {
    this.#open.delete(stream)
    if (this.#open.size > 0) return
    this.#keeper?.interruptUnsafe()
    this.#keeper = undefined
  }

  /** Two looks at a stream for each heartbeat: what was quiet at both is quiet for long enough. */
  readonly #keep = Effect.suspend(() => {
    const beats = Effect.sync(() => {
      for (const { beat } of this.#open) beat()
    })
    return Effect.forever(
      Effect.andThen(Effect.sleep(Duration.divideUnsafe(this.#heartbeat, 2)), beats)
    ).pipe(
      Effect.raceFirst(this.#drain.closes),
      Effect.andThen(
        Effect.sync(() => {
          for (const { leave } of this.#open) leave()
        })
      ),
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.void
          : Effect.logError("streams have no heartbeat any more", cause)
      )
    )
  })
}
