/**
 * Runs a command line to its end: what it says is told while it is said, and nothing of it outlives the scope.
 *
 * It leads a process group of its own, which is killed as a whole when the scope closes, however that comes: its end, its
 * limits, a timeout, a cancel, a lost lease. In a namespace of processes the first one in there is killed, and waited for: the
 * kernel ends it when all others in there have ended, those that have left the group as well.
 */
import { Duration, Effect, Exit, Fiber } from "effect"
import { readFileSync } from "node:fs"

/** How much of one stream is kept for the output, in characters: the end of it. */
export const saidMax = 256 * 1024

/** How long what was said before the end may take to arrive after it. */
const lingering = Duration.seconds(1)

/** How long the processes of a namespace may take to end that are killed. */
const dying = Duration.seconds(5)

export type Source = "stdout" | "stderr"

export interface Said {
  readonly text: string
  /** Whether it said more than was kept. */
  readonly truncated: boolean
}

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly said: Readonly<Record<Source, Said>>
  /** It said more than it may, and was killed for that. */
  readonly isTooLong: boolean
}

export interface Running<E, R> {
  readonly command: ReadonlyArray<string>
  /** Whether what it starts first leads a namespace of processes. */
  readonly hasNamespace: boolean
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  readonly stdin: Uint8Array | undefined
  readonly outputBytes: number
  readonly tell: (source: Source, text: string) => Effect.Effect<void, E, R>
}

/** The whole group, and whatever else may be left of it. */
const killGroup = (pid: number) => {
  try {
    process.kill(-pid, "SIGKILL")
  } catch {
    // There is nothing left of it.
  }
}

/** The first process of its namespace, which is its only child; nothing while there is none. */
const leaderOf = (pid: number): number | undefined => {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    return children === "" ? undefined : Number.parseInt(children, 10)
  } catch {
    // It has ended.
    return undefined
  }
}

const kill = (pid: number) => {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // It has ended.
  }
}

export const runToEnd = <E, R>(running: Running<E, R>) =>
  Effect.gen(function* () {
    const { command, env, folder, hasNamespace, outputBytes, stdin, tell } = running
    const end = (child: Bun.Subprocess) => {
      const leader = hasNamespace ? leaderOf(child.pid) : undefined
      if (leader === undefined) killGroup(child.pid)
      else kill(leader)
    }
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        Bun.spawn([...command], {
          cwd: folder,
          env: { ...env },
          stdin: stdin ?? "ignore",
          stdout: "pipe",
          stderr: "pipe",
          detached: true
        })
      ),
      // Waited for, so that its folder is nobody's when it goes.
      (child) =>
        Effect.gen(function* () {
          const exited = Effect.promise(() => child.exited)
          end(child)
          yield* Effect.timeoutOrElse(exited, { duration: dying, orElse: () => Effect.void })
          killGroup(child.pid)
          yield* exited
        })
    )
    let bytes = 0
    let isTooLong = false
    const listen = Effect.fnUntraced(function* (source: Source, stream: ReadableStream<Uint8Array>) {
      const decoder = new TextDecoder()
      const reader = stream.getReader()
      let text = ""
      let truncated = false
      const hear = Effect.fnUntraced(function* (piece: string) {
        if (piece === "") return
        text += piece
        if (text.length > saidMax) {
          text = text.slice(-saidMax)
          truncated = true
        }
        yield* tell(source, piece)
      })
      for (;;) {
        const read = yield* Effect.promise(() =>
          reader.read().catch(() => ({ done: true, value: undefined }))
        )
        if (read.value !== undefined) {
          const room = Math.max(0, outputBytes - bytes)
          bytes += read.value.byteLength
          yield* hear(decoder.decode(read.value.subarray(0, room), { stream: true }))
          if (bytes > outputBytes) {
            isTooLong = true
            end(child)
          }
        }
        if (read.done || isTooLong) break
      }
      yield* hear(decoder.decode())
      return { text, truncated } satisfies Said
    })
    const listening = yield* Effect.forkChild(
      Effect.all(
        { stdout: listen("stdout", child.stdout), stderr: listen("stderr", child.stderr) },
        { concurrency: 2 }
      )
    )
    yield* Effect.raceFirst(
      Effect.promise(() => child.exited),
      // What cannot be told any more ends the run, and with it the command.
      Effect.flatMap(Effect.exit(Fiber.join(listening)), (exit) =>
        Exit.isFailure(exit) ? exit : Effect.never
      )
    )
    // What it has left behind may hold its streams open.
    killGroup(child.pid)
    const said = yield* Effect.timeoutOrElse(Fiber.join(listening), {
      duration: lingering,
      orElse: () => Effect.succeed(nothing)
    })
    const ended: Ended = {
      code: child.exitCode,
      signal: child.signalCode === null ? null : String(child.signalCode),
      said,
      isTooLong
    }
    return ended
  })

const nothing: Ended["said"] = {
  stdout: { text: "", truncated: true },
  stderr: { text: "", truncated: true }
}
