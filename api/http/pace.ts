/**
 * Bounds how slowly a request's body may come and a response may be taken: whoever holds a connection pays for it by using it.
 *
 * A body that is read as a whole has a time, which grows with what it may have. What streams has to keep a pace on
 * average, once it has had some time to begin with. The server beneath knows neither, and is told not to cut meanwhile.
 */
import { Clock, Context, Effect, type Fiber } from "effect"
import { BodyTooSlow } from "./refusals.ts"

export interface PaceShape {
  /** What everybody has, in milliseconds. */
  readonly patienceMs: number
  /** What must come, or go, on average after that. */
  readonly bytesPerSecond: number
}

/** Far below what a phone on a bad line does, and so far above what holds connections for nothing. */
export const Pace = Context.Reference<PaceShape>("troupe/Pace", {
  defaultValue: () => ({ patienceMs: 30_000, bytesPerSecond: 1_024 })
})

/** What the server beneath does of itself: it cuts a connection on which too little moves. */
export interface SilenceShape {
  /** From here on it does not: somebody here bounds what is done. */
  readonly allow: () => void
  readonly forbid: () => void
}

export const Silence = Context.Reference<SilenceShape>("troupe/Silence", {
  defaultValue: () => ({ allow: () => {}, forbid: () => {} })
})

/** Lets a request's connection be silent while something is done that has a bound of its own. */
export const inSilence = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Silence, ({ allow, forbid }) =>
    Effect.acquireUseRelease(
      Effect.sync(allow),
      () => effect,
      () => Effect.sync(forbid)
    )
  )

/** What of a whole body must come in a second: such bodies are short. */
const wholeFactor = 64

/** Fails unless a body of at most `bytesMax` has come in its time. */
export const inTime = <A, E, R>(reading: Effect.Effect<A, E, R>, bytesMax: number) =>
  Effect.flatMap(Pace, ({ bytesPerSecond, patienceMs }) => {
    const waitedMs = Math.ceil(patienceMs + (bytesMax * 1_000) / (bytesPerSecond * wholeFactor))
    return inSilence(
      Effect.timeoutOrElse(reading, {
        duration: waitedMs,
        orElse: () => Effect.fail(new BodyTooSlow({ waitedMs }))
      })
    )
  })

/** Whether so many bytes are too few, after so long. */
export const isTooSlow = (
  { bytesPerSecond, patienceMs }: PaceShape,
  elapsedMs: number,
  bytes: number
): boolean => elapsedMs > patienceMs && bytes < (bytesPerSecond * (elapsedMs - patienceMs)) / 1_000

/** How often what streams is looked at, in milliseconds. */
const lookMs = 1_000

/** Ends once what has been moved so far is too little. */
const lagging = Effect.fnUntraced(function* (moved: () => number) {
  const pace = yield* Pace
  const start = yield* Clock.currentTimeMillis
  while (true) {
    yield* Effect.sleep(Math.min(lookMs, pace.patienceMs))
    const elapsedMs = (yield* Clock.currentTimeMillis) - start
    if (isTooSlow(pace, elapsedMs, moved())) return elapsedMs
  }
})

interface Watcher {
  /** The first piece is asked for. */
  readonly begin?: () => void
  /** So many bytes were taken. */
  readonly count: (bytes: number) => void
  /** There are no more, or nobody takes them. */
  readonly over?: () => void
}

/** The same body, watched. */
const counting = (body: ReadableStream<Uint8Array>, { begin, count, over }: Watcher) => {
  const reader = body.getReader() as ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>
  let begun = false
  let controller: ReadableStreamDefaultController<Uint8Array>
  const counted = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      start: (given) => void (controller = given),
      pull: async () => {
        if (!begun) begin?.()
        begun = true
        const { done, value } = await reader.read()
        if (done) {
          over?.()
          return controller.close()
        }
        count(value.byteLength)
        controller.enqueue(value)
      },
      cancel: (reason) => {
        over?.()
        return reader.cancel(reason)
      }
    },
    { highWaterMark: 0 }
  )
  const cut = (error: Error) => {
    controller.error(error)
    reader.cancel(error).catch(() => {})
  }
  return { counted, cut }
}

/** Takes a body that streams in, as long as it keeps its pace. */
export const takenAtPace = <A, E, R>(
  body: ReadableStream<Uint8Array>,
  take: (body: ReadableStream<Uint8Array>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | BodyTooSlow, R> =>
  Effect.suspend(() => {
    let bytes = 0
    const { counted } = counting(body, { count: (more) => void (bytes += more) })
    const tooSlow = Effect.flatMap(
      lagging(() => bytes),
      (waitedMs) => Effect.fail(new BodyTooSlow({ waitedMs }))
    )
    return inSilence(Effect.raceFirst(take(counted), tooSlow))
  })

/** The body of a response that is cut off when its reader does not keep the pace. */
export const givenAtPace = Effect.fnUntraced(function* (
  body: ReadableStream<Uint8Array>
): Effect.fn.Return<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const { allow, forbid } = yield* Silence
  let bytes = 0
  let watch: Fiber.Fiber<void> | undefined
  const { counted, cut } = counting(body, {
    // Whoever is slow before that is not the reader.
    begin: () => {
      allow()
      const cutOff = (ms: number) => cut(new Error(`the response was not taken in ${ms} ms`))
      watch = run(
        Effect.map(
          lagging(() => bytes),
          cutOff
        )
      )
    },
    count: (more) => void (bytes += more),
    over: () => {
      watch?.interruptUnsafe()
      forbid()
    }
  })
  return counted
})

/** How much of a text is sent in one piece. */
const pieceBytes = 64 * 1024

/** A text's bytes, as a stream when they are many. */
export const textAtPace = (text: string): Effect.Effect<string | ReadableStream<Uint8Array<ArrayBuffer>>> => {
  if (text.length <= pieceBytes) return Effect.succeed(text)
  return Effect.suspend(() => {
    const bytes = new TextEncoder().encode(text)
    let at = 0
    return givenAtPace(
      new ReadableStream<Uint8Array>(
        {
          pull: (controller) => {
            controller.enqueue(bytes.subarray(at, (at += pieceBytes)))
            if (at >= bytes.byteLength) controller.close()
          }
        },
        { highWaterMark: 0 }
      )
    )
  })
}
