/**
 * One connection to Redis that heals itself and never leaves a command pending.
 *
 * A client that closed, or did not answer in time, is thrown away and a fresh one is built; nothing is ever sent
 * again by the client itself. So a failed call means that its outcome is unknown, and whoever made it says it again
 * if that is harmless. While no client is connected a call waits for one, within its own time limit.
 */
import { Cause, Clock, Effect, Latch, Schedule, Schema, type Scope } from "effect"
import { Redis } from "ioredis"
import { RedisUnusable, type ServerAddress } from "./address.ts"
import { checkServer } from "./server.ts"
import { Complaints, overAfterMs } from "../telemetry/complaints.ts"
import { counter } from "../telemetry/instruments.ts"

/** Redis did not answer in time, or refused the command; `cause` says which. */
export class RedisError extends Schema.TaggedError<RedisError>()("RedisError", { cause: Schema.Defect() }) {
  override get message() {
    return this.cause instanceof Error ? this.cause.message : String(this.cause)
  }
}

/** How long a call may take, waiting for a connection included, in milliseconds. */
export const callMaxMs = 5_000

/** How late a call may be told that it got no answer. */
const timeLimitPrecision = "100 millis"

/** How long building a connection may take, in milliseconds. */
const connectMaxMs = 3_000

/** How long the first connection is tried before the process gives up, in milliseconds. */
const firstConnectMaxMs = 4_000

/** 50 ms doubling to 2 s, for as long as it takes. */
const reconnectDelays = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("2 seconds")]).pipe(
  Schedule.jittered
)

/** When Redis is tried again that was not there at first. */
export const firstConnects = reconnectDelays.pipe(Schedule.upTo({ duration: firstConnectMaxMs }))

export interface Link {
  /** Sends one command. `maxMs` is its time limit, default `callMaxMs`; a blocking command adds its own. */
  readonly call: <A>(send: (client: Redis) => Promise<A>, maxMs?: number) => Effect.Effect<A, RedisError>
  /** The same, but where no connection is there it fails at once: see `wasNotSent`. */
  readonly attempt: Link["call"]
  /** How many clients were built so far: more than one means that it reconnected. */
  readonly built: () => number
  /** Whether a call would be sent at once. */
  readonly isConnected: () => boolean
  /** Succeeds once it is, at once if it is already. */
  readonly connected: Effect.Effect<void>
  /** Gives up a connection that goes elsewhere, for one to where the address says then. */
  readonly moveTo: (server: ServerAddress) => void
}

export interface LinkOptions {
  /** Shown by `CLIENT LIST`. */
  readonly name: string
  /** Where to; or what tells it, which is asked before each connection. */
  readonly address: ServerAddress | Effect.Effect<ServerAddress, RedisUnusable>
  /** Whether the first connection is not waited for: whoever calls waits, as after one that was lost. */
  readonly later?: boolean
  /** Runs on every fresh client before it is used; `first` says whether it is the first one. */
  readonly onConnect?: (client: Redis, first: boolean) => Promise<unknown>
}

const connect = (
  options: LinkOptions,
  address: ServerAddress,
  first: boolean
): Effect.Effect<Redis, RedisUnusable> =>
  Effect.suspend(() => {
    const client = new Redis({
      ...address,
      connectionName: options.name,
      lazyConnect: true,
      connectTimeout: connectMaxMs,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null
    })
    // A listener keeps ioredis from printing; what went wrong is told by the rejected commands.
    let reason: unknown
    client.on("error", (error) => (reason = error))
    const build = async () => {
      await client.connect()
      await checkServer(client, address)
      await options.onConnect?.(client, first)
      return client
    }
    return Effect.tryPromise({
      try: build,
      catch: (error) => RedisUnusable.of(error, address, reason)
    }).pipe(
      Effect.timeoutOrElse({
        duration: connectMaxMs,
        orElse: () => Effect.fail(RedisUnusable.of(new Error("no answer"), address))
      }),
      Effect.onExit((exit) =>
        exit._tag === "Failure" ? Effect.sync(() => client.disconnect()) : Effect.void
      )
    )
  })

/**
 * Opens a link, and closes it with the scope. Fails when the first connection cannot be made within some seconds,
 * at once when Redis can be reached but not used.
 */
export const openLink = Effect.fn("Link.open")(function* (
  options: LinkOptions
): Effect.fn.Return<Link, RedisUnusable, Scope.Scope> {
  let client: Redis | undefined
  let built = 0
  let drop = () => {}
  const connected = Latch.makeUnsafe(false)
  // Whoever calls after the link was closed hears so at once.
  yield* Effect.addFinalizer(() => Effect.sync(() => connected.openUnsafe()))

  const use = (fresh: Redis) =>
    Effect.callback<void>((resume) => {
      client = fresh
      built += 1
      connected.openUnsafe()
      const gone = () => {
        if (client === fresh) {
          client = undefined
          connected.closeUnsafe()
        }
        resume(Effect.void)
      }
      drop = gone
      fresh.once("close", gone)
      fresh.once("end", gone)
      if (fresh.status !== "ready") gone()
      return Effect.sync(gone)
    }).pipe(Effect.ensuring(Effect.sync(() => fresh.disconnect())))

  const dial = (first: boolean) =>
    Effect.isEffect(options.address)
      ? Effect.flatMap(options.address, (address) => connect(options, address, first))
      : connect(options, options.address, first)
  const first =
    options.later === true
      ? undefined
      : yield* dial(true).pipe(
          Effect.retry({
            schedule: firstConnects,
            while: mayPass(options.address)
          })
        )
  // All links of a process say it together: a worker has one for the bell of each of its queues.
  const gone = (yield* Complaints).about("Redis is gone", "Redis is back")
  const reconnected = counter("troupe_redis_reconnects_total", { link: options.name })
  const keepDialing = (first: boolean) =>
    dial(first).pipe(
      Effect.tapError(({ message }) => gone.wrong(message)),
      Effect.retry(reconnectDelays)
    )
  const reconnect = gone.wrong("a connection was lost").pipe(
    Effect.andThen(keepDialing(false)),
    Effect.tap(() => Effect.sync(reconnected))
  )
  /** Whichever link is the last to have been lost finds that it is over. */
  const sayOver = Effect.sleep(overAfterMs).pipe(
    Effect.andThen(Effect.suspend(() => gone.well() ?? Effect.void)),
    Effect.andThen(Effect.never)
  )
  yield* (first === undefined ? Effect.flatMap(keepDialing(true), use) : use(first)).pipe(
    Effect.andThen(
      Effect.forever(Effect.flatMap(reconnect, (fresh) => Effect.raceFirst(use(fresh), sayOver)))
    ),
    Effect.tapCause((cause) =>
      Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError("Redis link ended", cause)
    ),
    // Built from here on, so that a client that closed at once is seen.
    Effect.forkScoped({ startImmediately: true })
  )

  /** Calls on their way, each with the time on our clock by which it must have been answered. */
  const unanswered = new Map<() => void, number>()
  const clock = yield* Clock.Clock
  const monotonicMs = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  yield* Effect.sync(() => {
    const now = monotonicMs()
    for (const [expire, deadline] of unanswered) if (deadline <= now) expire()
  }).pipe(Effect.repeat(Schedule.spaced(timeLimitPrecision)), Effect.forkScoped)

  /** Most calls find a client; their time limit is looked after for all of them together. */
  const callOnce = <A>(
    send: (client: Redis) => Promise<A>,
    maxMs: number,
    isPatient: boolean
  ): Effect.Effect<A, RedisError> =>
    Effect.suspend(() => {
      const used = client
      if (used === undefined) return isPatient ? wait(send, maxMs) : Effect.fail(notSent)
      return Effect.callback<A, RedisError>((resume) => {
        const deadline = monotonicMs() + maxMs
        const dropUsed = () => {
          if (used === client) drop()
        }
        const expire = () => {
          unanswered.delete(expire)
          // A client that did not answer once may be half open: the next call gets a fresh one.
          dropUsed()
          resume(Effect.fail(new RedisError({ cause: new Error(`no answer within ${maxMs} ms`) })))
        }
        unanswered.set(expire, deadline)
        send(used).then(
          (answer) => {
            unanswered.delete(expire)
            resume(Effect.succeed(answer))
          },
          (cause: unknown) => {
            unanswered.delete(expire)
            const error = new RedisError({ cause })
            if (wasNotSent(error) || isReplica(error)) dropUsed()
            resume(
              isPatient && wasNotSent(error)
                ? wait(send, maxMs, deadline - monotonicMs())
                : Effect.fail(error)
            )
          }
        )
        return Effect.sync(() => void unanswered.delete(expire))
      })
    })

  /** Sends as soon as there is a client, within what is left of the time limit. */
  const wait = <A>(send: (client: Redis) => Promise<A>, maxMs: number, leftMs = maxMs) => {
    let used: Redis | undefined
    const dropUsed = () => {
      if (used !== undefined && used === client) drop()
    }
    return connected.await.pipe(
      Effect.andThen(
        Effect.tryPromise({
          try: () => {
            used = client
            return used === undefined ? Promise.reject(new Error("not connected")) : send(used)
          },
          catch: (cause) => new RedisError({ cause })
        })
      ),
      Effect.tapError((error) =>
        Effect.sync(() => {
          if (wasNotSent(error) || isReplica(error)) dropUsed()
        })
      ),
      Effect.retry({ while: wasNotSent }),
      Effect.timeoutOrElse({
        duration: leftMs,
        orElse: () => {
          // A client that did not answer once may be half open: the next call gets a fresh one.
          dropUsed()
          return Effect.fail(new RedisError({ cause: new Error(`no answer within ${maxMs} ms`) }))
        }
      })
    )
  }
  const moveTo = ({ host, port }: ServerAddress) => {
    if (client !== undefined && (client.options.host !== host || client.options.port !== port)) drop()
  }
  return {
    call: (send, maxMs = callMaxMs) => callOnce(send, maxMs, true),
    attempt: (send, maxMs = callMaxMs) => callOnce(send, maxMs, false),
    built: () => built,
    isConnected: () => client !== undefined,
    connected: connected.await,
    moveTo
  }
})

/** Whether a first connection is tried again. Who tells the address names a replica while it is about to be the primary. */
const mayPass =
  (address: LinkOptions["address"]) =>
  ({ problem }: RedisUnusable) =>
    problem === "unreachable" || (problem === "replica" && Effect.isEffect(address))

/** The client has seen that its connection is gone, before it says so: the command never left, and may be said again. */
export const wasNotSent = (error: RedisError) => error.message.startsWith("Stream isn't writeable")

const notSent = new RedisError({ cause: new Error("Stream isn't writeable: there is no connection") })

/** After a fail-over the old primary goes on answering, as a replica that refuses every write. */
const isReplica = (error: RedisError) => error.message.startsWith("READONLY")
