/**
 * Events as server-sent events: those of one task, or of all.
 *
 * The client's reading pulls them: what it has not read is not read from the store either. A quiet stream has a
 * heartbeat, so that nobody on the way takes it for dead. A client that reads nothing for long is cut off, and comes back
 * with its last id. When the client goes away, or this process does, everything behind the stream is freed.
 */
import {
  type Array as Arr,
  Cause,
  type Context,
  Duration,
  Effect,
  Exit,
  type Fiber,
  Pull,
  Scope,
  type Stream
} from "effect"
import { Sse } from "effect/encoding"
import type { Caller } from "../../actors/access/caller.ts"
import type { Gate } from "../../actors/access/gate.ts"
import type { FollowEvent } from "../../actors/follow/follower.ts"
import * as Source from "../../actors/follow/source.ts"
import { level } from "../../runtime/telemetry/instruments.ts"
import type { Drain } from "./drain.ts"
import { LettingIn } from "./letting-in.ts"
import { Silence } from "./pace.ts"

/** How long a stream may be quiet before it has a heartbeat. */
export const heartbeatDefault: Duration.Input = "5 seconds"

/** How long a client may leave what was sent to it unread before it is cut off. */
export const slowDefault: Duration.Input = "1 minute"

/** Nobody on the way may keep the stream, or hold it back. */
export const headers = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no"
}

const encoder = new TextEncoder()

/** A comment, which clients skip. */
const heartbeatFrame = encoder.encode(": alive\n\n")

/** The last frame of a stream that ends before its task: it has no id, so clients come back with the last one. */
const awayFrameOf = (reason: string) =>
  encoder.encode(
    Sse.encoder.write({ _tag: "Event", event: "away", id: undefined, data: JSON.stringify({ reason }) })
  )
const awayFrame = awayFrameOf("this process is going away; come back with the last id")
const notLetInFrame = awayFrameOf("what you were let in by counts no more")

/** Line breaks to some clients, though not by the specification; JSON itself writes all others as escapes. */
const otherBreaks = /[\u0085\u2028\u2029]/g

const escape = (letter: string) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`

/** A frame: its data is one line, so no text of a task can break out of it. */
export const frame = (event: string | undefined, id: string | undefined, data: unknown): Uint8Array => {
  const line = JSON.stringify(data).replace(otherBreaks, escape)
  return encoder.encode(Sse.encoder.write({ _tag: "Event", event: event ?? "message", id, data: line }))
}

/** Followers of a task share its events, and so their frames. */
const frames = new WeakMap<FollowEvent, Uint8Array>()

/** Most events are these. */
const chunkFrame = ({ attempt, chunk, id, seq, type }: FollowEvent & { type: "chunk" }) =>
  frame(type, id, { attempt, seq, chunk })

const otherFrame = ({ type, ...rest }: FollowEvent) => {
  const { id, ...data } = "id" in rest ? rest : { ...rest, id: undefined }
  return frame(type, id, data)
}

/** An event of a task as it goes over the wire. */
export const frameOf = (event: FollowEvent): Uint8Array => {
  const there = frames.get(event)
  if (there !== undefined) return there
  const made = event.type === "chunk" ? chunkFrame(event) : otherFrame(event)
  frames.set(event, made)
  return made
}

const join = (frames: ReadonlyArray<Uint8Array>): Uint8Array =>
  frames.length === 1 ? frames[0]! : Buffer.concat(frames)

const followers = level("troupe_followers")

/** A stream that is open. */
interface Open {
  /** Sends a heartbeat when the client waits, and nothing was sent since the last call. */
  readonly beat: () => void
  readonly end: () => void
  /** Ends it before its task has ended. */
  readonly leave: (last?: Uint8Array) => void
}

type Frames = Arr.NonEmptyReadonlyArray<Uint8Array>

export interface OpenOptions {
  /** Says that the client has gone. */
  readonly signal: AbortSignal
  /** Who follows: the stream ends when what they were let in by counts no more. */
  readonly caller?: Caller
  /** The last frame of a stream that ends early. Default: an event `away`. */
  readonly away?: Uint8Array
}

/** The open streams of one app: they share a clock for their heartbeats, and end together. */
export class EventStreams {
  readonly #context: Context.Context<Gate>
  readonly #heartbeat: Duration.Duration
  readonly #slow: Duration.Duration
  readonly #drain: Drain
  readonly #open = new Set<Open>()
  readonly #lettingIn: LettingIn
  #keeper: Fiber.Fiber<void> | undefined

  constructor(
    context: Context.Context<Gate>,
    options: { readonly heartbeat: Duration.Input; readonly drain: Drain; readonly slow?: Duration.Input }
  ) {
    this.#context = context
    this.#lettingIn = new LettingIn(context)
    this.#heartbeat = Duration.fromInputUnsafe(options.heartbeat)
    this.#slow = Duration.fromInputUnsafe(options.slow ?? slowDefault)
    this.#drain = options.drain
  }

  /** How many streams are open. */
  get size(): number {
    return this.#open.size
  }

  /**
   * Opens the body of a response. The first events are waited for, so that what is wrong with the stream is known before
   * anything is sent.
   */
  open<A, E>(
    events: Stream.Stream<A, E>,
    toFrame: (event: A) => Uint8Array,
    options: OpenOptions
  ): Effect.Effect<ReadableStream<Uint8Array>, E> {
    return this.openSource(Source.sourceOf(events), toFrame, options)
  }

  /** The same for what is taken without a fiber. */
  openSource<A, E, E2>(
    opened: Effect.Effect<Source.Source<A, E>, E2, Scope.Scope>,
    toFrame: (event: A) => Uint8Array,
    options: OpenOptions
  ): Effect.Effect<ReadableStream<Uint8Array>, E | E2> {
    return Effect.gen({ self: this }, function* () {
      const scope = yield* Scope.make()
      // Its heartbeats and its slow clients are looked after here. Once it is over its connection is one like others again: one
      // that is kept, and says nothing more, is cut.
      const { allow, forbid } = yield* Silence
      allow()
      return yield* Effect.onError(
        Effect.gen({ self: this }, function* () {
          const source = Source.map(yield* Scope.provide(opened, scope), toFrame)
          const first = yield* Pull.catchDone(Source.pullOf(source), () => Effect.undefined)
          return this.#body(first, source, scope, { ...options, whenOver: forbid })
        }),
        () => {
          forbid()
          return Scope.close(scope, Exit.void)
        }
      )
    })
  }

  #body<E>(
    first: Frames | undefined,
    { take, wait }: Source.Source<Uint8Array, E>,
    scope: Scope.Closeable,
    { away = awayFrame, caller, signal, whenOver }: OpenOptions & { readonly whenOver: () => void }
  ): ReadableStream<Uint8Array> {
    const run = Effect.runForkWith(this.#context)
    const slowBeats = Math.ceil(
      (2 * Duration.toMillis(this.#slow)) / Math.max(1, Duration.toMillis(this.#heartbeat))
    )
    /** How many beats in a row found that what was sent had not been read. */
    let unread = 0
    let unsent = first
    /** Whether the client has read everything and waits, and how that is called off. */
    let waiting: (() => void) | undefined
    let quiet = false
    let over = false
    let unwatch = () => {}

    const free = () => {
      if (over) return
      over = true
      // At once: the next request of the connection has a time of its own.
      whenOver()
      this.#remove(stream)
      unwatch()
      signal.removeEventListener("abort", free)
      waiting?.()
      // Nobody waits for it: the client has gone, or has everything.
      run(Scope.close(scope, Exit.void))
    }
    let controller: ReadableStreamDefaultController<Uint8Array>
    const stream: Open = {
      beat: () => {
        // Without a queue, anything but 0 says that what was sent has not been read yet.
        const isRead = waiting !== undefined && controller.desiredSize === 0
        unread = isRead ? 0 : unread + 1
        if (unread > slowBeats) {
          controller.error(new Error("the client reads too slowly"))
          return free()
        }
        if (quiet && isRead) controller.enqueue(heartbeatFrame)
        quiet = !quiet
      },
      end: () => {
        controller.close()
        free()
      },
      leave: (last = away) => {
        controller.enqueue(last)
        stream.end()
      }
    }
    /** Sends what there is; says no when that is nothing so far. */
    const send = (): boolean => {
      const taken = take()
      if (taken === "nothing") return false
      quiet = false
      if (Array.isArray(taken)) controller.enqueue(join(taken))
      else {
        // The client goes on after the last event it has, and is then told by a status what is wrong.
        if (taken !== "over") run(Effect.logWarning("a stream broke off", taken))
        stream.end()
      }
      return true
    }

    const body = new ReadableStream<Uint8Array>(
      {
        start: (given) => void (controller = given),
        pull: () => {
          unread = 0
          if (unsent !== undefined) {
            controller.enqueue(join(unsent))
            unsent = undefined
            return
          }
          if (send()) return
          return new Promise<void>((resolve) => {
            const look = () => {
              waiting = undefined
              if (over || send()) resolve()
              else waiting = wait(look)
            }
            waiting = wait(look)
          })
        },
        cancel: free
      },
      { highWaterMark: 0 }
    )
    signal.addEventListener("abort", free)
    if (signal.aborted) free()
    else {
      this.#add(stream)
      const last = away === awayFrame ? notLetInFrame : away
      if (caller !== undefined) unwatch = this.#lettingIn.watch(caller, () => stream.leave(last))
    }
    return body
  }

  #add(stream: Open): void {
    this.#open.add(stream)
    followers(1)
    this.#keeper ??= Effect.runForkWith(this.#context)(this.#keep)
  }

  #remove(stream: Open): void {
    if (this.#open.delete(stream)) followers(-1)
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
