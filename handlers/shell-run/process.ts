/**
 * Runs a command line to its end: what it says is told while it is said, and nothing of it outlives the scope.
 *
 * It leads a process group of its own, which is killed as a whole when the scope closes, however that comes: its end, its
 * limits, a timeout, a cancel, a lost lease.
 */
import { Duration, Effect, Exit, Fiber } from "effect"

/** How much of one stream is kept for the output, in characters: the end of it. */
export const saidMax = 256 * 1024

/** How long what was said before the end may take to arrive after it. */
const lingering = Duration.seconds(1)

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

export const runToEnd = <E, R>({ command, env, folder, outputBytes, stdin, tell }: Running<E, R>) =>
  Effect.gen(function* () {
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
        Effect.andThen(
          Effect.sync(() => killGroup(child.pid)),
          Effect.promise(() => child.exited)
        )
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
            killGroup(child.pid)
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
