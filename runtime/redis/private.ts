/**
 * A Redis of our own, for a machine that offers none: on a unix socket in a folder, with its data beside it.
 *
 * It is started in a process group of its own, so that a Ctrl-C meant for us does not end it first; it is started
 * again when it dies; and it stops, saving what it has, after everybody above it has stopped. One that an earlier
 * process of ours left running (it was killed) is taken over with all its data.
 */
import { Cause, Deferred, Effect, FileSystem, Path, Schedule, Schema } from "effect"
import { Redis, ReplyError } from "ioredis"
import { lstatSync } from "node:fs"
import { basename, dirname } from "node:path"
import { sha1 } from "../digest.ts"

/** Neither `redis-server` nor `valkey-server` is on the PATH. */
export class NoRedisServer extends Schema.TaggedError<NoRedisServer>()("NoRedisServer", {}) {
  override get message() {
    return "neither redis-server nor valkey-server is installed"
  }
}

/** The private Redis did not come up; `detail` is what it printed. */
export class PrivateRedisFailed extends Schema.TaggedError<PrivateRedisFailed>()("PrivateRedisFailed", {
  detail: Schema.String
}) {
  override get message() {
    return `the private Redis did not start: ${this.detail}`
  }
}

/** The program that serves Redis here, if one is installed. */
export const findServer = (): string | undefined =>
  Bun.which("redis-server") ?? Bun.which("valkey-server") ?? undefined

/** How long a start, with reading its data, may take; and a stop, in milliseconds. */
const startMaxMs = 30_000
const stopMaxMs = 10_000

/** How long one answer of a server that starts is waited for. */
const answerMax = "1 second"

/** The longest path that a unix socket may have everywhere, in bytes. */
const socketPathMax = 100

const socketName = "redis.sock"

/** Where sockets lie whose own folder has too long a path. Anybody may write to /tmp, so it must be ours alone. */
const ownSockets = `/tmp/troupe-${process.getuid?.() ?? 0}`

/** Where the socket of a folder's private Redis is. */
export const socketIn = (folder: string, sockets = ownSockets): string => {
  const inside = `${folder}/${socketName}`
  return Buffer.byteLength(inside) <= socketPathMax ? inside : `${sockets}/${sha1(folder).slice(0, 13)}.sock`
}

/**
 * Why what answers at a socket may be somebody else's, who would be told every payload; `undefined` where it cannot be. A
 * folder that has passed stays ours: nobody else may take it out of /tmp.
 */
const doubt = (socket: string): string | undefined => {
  if (basename(socket) === socketName) return undefined
  const folder = dirname(socket)
  const found = lstatSync(folder, { throwIfNoEntry: false })
  if (found === undefined) return `${folder} is not there`
  const isOurs =
    found.isDirectory() && found.uid === (process.getuid?.() ?? found.uid) && (found.mode & 0o077) === 0
  return isOurs ? undefined : `${folder} is not a folder of this user's that nobody else may enter`
}

/** What a Redis says there: that it is ready; that it is not (it loads its data, is busy, its disk is full); or nothing. */
const heard = (socket: string): Effect.Effect<"ready" | "unready" | "nothing"> =>
  Effect.promise(async () => {
    const client = new Redis({
      path: socket,
      lazyConnect: true,
      enableReadyCheck: false,
      retryStrategy: () => null,
      maxRetriesPerRequest: 0
    })
    client.on("error", () => {})
    try {
      await client.connect()
      return (await client.ping()) === "PONG" ? "ready" : "unready"
    } catch (error) {
      return error instanceof ReplyError ? "unready" : "nothing"
    } finally {
      client.disconnect()
    }
  })

/**
 * Whether a Redis lives there, ready or not. One that cannot do its work now must not be taken for dead: another one, started
 * beside it, would write the same files.
 */
export const answers = (socket: string): Effect.Effect<boolean> =>
  Effect.suspend(() =>
    doubt(socket) === undefined
      ? Effect.map(heard(socket), (said) => said !== "nothing")
      : Effect.succeed(false)
  )

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/**
 * Starts a Redis whose data and socket lie in `folder`, and succeeds with its URL. With `durable` (the default) it
 * keeps an append-only file, written through every second.
 */
export const startPrivate = Effect.fn("PrivateRedis.start")(
  function* (options: {
    readonly folder: string
    readonly durable?: boolean
    /** Where its socket lies if the path of `folder` is too long. */
    readonly sockets?: string
  }) {
    const files = yield* FileSystem.FileSystem
    const folder = (yield* Path.Path).resolve(options.folder)
    const socket = socketIn(folder, options.sockets)
    const url = `unix:${socket}`
    const pidFile = `${folder}/redis.pid`
    const ownerFile = `${folder}/redis.owner`
    const numberIn = (file: string) =>
      files.readFileString(file).pipe(
        Effect.map(Number),
        Effect.orElseSucceed(() => 0)
      )

    yield* files.makeDirectory(folder, { recursive: true })
    yield* files.makeDirectory(dirname(socket), { recursive: true, mode: 0o700 })
    const why = doubt(socket)
    if (why !== undefined) {
      const detail = `${why}, and the path of ${folder} is too long for a socket; use a shorter one, or REDIS_URL`
      return yield* new PrivateRedisFailed({ detail })
    }
    if (yield* answers(socket)) {
      const owner = yield* numberIn(ownerFile)
      if (owner !== process.pid && owner !== 0 && alive(owner)) {
        const detail = `process ${owner} already runs one in ${folder}; name a Redis with REDIS_URL to run another system`
        return yield* new PrivateRedisFailed({ detail })
      }
    }
    const server = findServer()
    if (server === undefined) return yield* new NoRedisServer()

    const stopped = yield* Deferred.make<void>()
    const spawn = Effect.sync(() =>
      Bun.spawn(
        [
          ...[server, "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700", "--dir", folder],
          ...["--daemonize", "no", "--pidfile", pidFile, "--save", "", "--maxmemory-policy", "noeviction"],
          ...["--appendonly", options.durable === false ? "no" : "yes", "--appendfsync", "everysec"],
          ...["--logfile", `${folder}/redis.log`]
        ],
        { stdin: "ignore", stdout: "ignore", stderr: "ignore", detached: true }
      )
    )
    const ready = heard(socket).pipe(
      Effect.map((said) => said === "ready"),
      // A server that is killed meanwhile may leave the question open.
      Effect.timeoutOrElse({ duration: answerMax, orElse: () => Effect.succeed(false) }),
      Effect.repeat({ until: (up) => up, schedule: Schedule.spaced("20 millis") }),
      Effect.timeoutOrElse({
        duration: startMaxMs,
        orElse: () =>
          files.readFileString(`${folder}/redis.log`).pipe(
            Effect.map((log) => log.trim().split("\n").slice(-3).join(" · ")),
            Effect.orElseSucceed(() => "it wrote no log"),
            Effect.flatMap((detail) => Effect.fail(new PrivateRedisFailed({ detail })))
          )
      })
    )
    const stop = Effect.fnUntraced(function* () {
      yield* Deferred.succeed(stopped, undefined)
      const pid = yield* numberIn(pidFile)
      if (pid === 0 || !alive(pid)) return
      process.kill(pid, "SIGTERM")
      yield* Effect.sync(() => alive(pid)).pipe(
        Effect.repeat({ while: (still) => still, schedule: Schedule.spaced("20 millis") }),
        Effect.timeoutOrElse({
          duration: stopMaxMs,
          orElse: () => Effect.sync(() => process.kill(pid, "SIGKILL"))
        })
      )
      yield* Effect.ignore(files.remove(ownerFile))
    })

    yield* Effect.addFinalizer(() => stop())
    const adopted = yield* answers(socket)
    yield* files.writeFileString(ownerFile, String(process.pid))
    // One that was killed left its number behind, which may be that of any other process by now.
    if (!adopted) yield* Effect.ignore(files.remove(pidFile))
    const first = adopted ? undefined : yield* spawn
    if (first !== undefined) {
      yield* Effect.raceFirst(
        ready,
        Effect.flatMap(
          Effect.promise(() => first.exited),
          (code) =>
            Effect.flatMap(
              files.readFileString(`${folder}/redis.log`).pipe(Effect.orElseSucceed(() => "")),
              (log) =>
                Effect.fail(
                  new PrivateRedisFailed({
                    detail: `exit ${code}: ${log.trim().split("\n").slice(-3).join(" · ")}`
                  })
                )
            )
        )
      )
    }
    const watch = Effect.gen(function* () {
      let child = first
      while (true) {
        // One that was taken over is no child of ours: its socket tells when it is gone.
        yield* child === undefined
          ? answers(socket).pipe(Effect.repeat({ while: (up) => up, schedule: Schedule.spaced("1 second") }))
          : Effect.promise(() => child!.exited)
        if (yield* Deferred.isDone(stopped)) return
        yield* Effect.logWarning("the private Redis died and is started again")
        yield* Effect.sleep("200 millis")
        const next = yield* spawn
        child = next
        // It may die before it answers.
        yield* Effect.raceFirst(
          Effect.ignore(ready),
          Effect.promise(() => next.exited)
        )
      }
    })
    yield* watch.pipe(
      Effect.tapCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.void
          : Effect.logError("the private Redis is no longer watched", cause)
      ),
      Effect.forkScoped
    )
    return { url }
  },
  // What the system says of it, as in `ENOSPC: no space left on device`, is clearer than what was asked of it.
  Effect.catchTag("PlatformError", ({ cause, message }) =>
    Effect.fail(new PrivateRedisFailed({ detail: cause instanceof Error ? cause.message : message }))
  )
)
