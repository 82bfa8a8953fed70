/**
 * The program `troupe`, as people and scripts use it: its output and its exit codes, on the tests' Redis.
 *
 * Most starts are of an executable that is built once and starts eight times as fast; some are of the program as it
 * is installed.
 */
import { Effect, Semaphore } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { atTheEnd } from "./end.ts"
import { redisUrl } from "./redis.ts"

/** Where it runs. */
export const folder = mkdtempSync(path.join(tmpdir(), "troupe-cli-"))
export const executable = path.join(folder, "troupe")

const tests = path.resolve(import.meta.dir, "../api")

const build = Bun.spawnSync([
  ...[process.execPath, "build", "--compile", "--bytecode", "--minify", "--format=esm"],
  ...[path.join(tests, "programs/troupe.ts"), "--outfile", executable]
])
if (!build.success) throw new Error(build.stderr.toString())

atTheEnd(async () => rmSync(folder, { recursive: true, force: true }))

export interface Run {
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Signals to send, one after the other, once it has printed something. */
  readonly signals?: ReadonlyArray<NodeJS.Signals>
  /** How long after one the next is sent; by default so long that nobody takes it for the same. */
  readonly betweenMs?: number
}

/** A machine of two processors starts no more of them at once. */
const places = Semaphore.makeUnsafe(3)

const gather = async (stream: ReadableStream<Uint8Array>, started = () => {}) => {
  let text = ""
  for await (const piece of stream.pipeThrough(
    new TextDecoderStream() as TransformStream<Uint8Array, string>
  )) {
    text += piece
    started()
  }
  return text
}

const spawn = async (
  command: ReadonlyArray<string>,
  { betweenMs = 600, env = {}, signals = [], stdin = "" }: Run
) => {
  const child = Bun.spawn([...command], {
    cwd: folder,
    env: { PATH: process.env["PATH"]!, REDIS_URL: redisUrl, ...env },
    stdin: new Blob([stdin]),
    stdout: "pipe",
    stderr: "pipe"
  })
  const left = [...signals]
  const next = () => {
    const signal = left.shift()
    if (signal === undefined) return
    child.kill(signal)
    setTimeout(next, betweenMs)
  }
  const [stdout, stderr] = await Promise.all([gather(child.stdout, next), gather(child.stderr)])
  return { code: await child.exited, stdout, stderr }
}

/** What a person sees on a terminal of 100 columns, escape sequences included. */
const show = async (command: ReadonlyArray<string>, { env = {}, signals = [] }: Run) => {
  let screen = ""
  const text = new TextDecoder()
  const left = [...signals]
  const child = Bun.spawn([...command], {
    cwd: folder,
    env: { PATH: process.env["PATH"]!, TERM: "xterm-256color", REDIS_URL: redisUrl, ...env },
    terminal: {
      cols: 100,
      rows: 30,
      data: (_, bytes) => {
        screen += text.decode(bytes, { stream: true })
        const signal = left.shift()
        if (signal !== undefined) child.kill(signal)
      }
    }
  })
  const code = await child.exited
  child.terminal?.close()
  return { code, screen }
}

const start = (command: ReadonlyArray<string>, options: Run) =>
  Effect.runPromise(places.withPermits(1)(Effect.promise(() => spawn(command, options))))

/** What it takes to run the program in one namespace. */
export const programIn = (namespace: string) => {
  const within = (options: Run, env: Run["env"] = {}): Run => ({
    ...options,
    env: { TROUPE_NAMESPACE: namespace, ...env, ...options.env }
  })
  return {
    /** The program with the tests' handlers for its own. */
    troupe: (args: ReadonlyArray<string>, options: Run = {}) => start([executable, ...args], within(options)),
    /** The same on a terminal: the first signal is sent once something is shown. */
    terminal: (args: ReadonlyArray<string>, options: Run = {}) =>
      Effect.runPromise(
        places.withPermits(1)(Effect.promise(() => show([executable, ...args], within(options))))
      ),
    /** A script that starts it by its path. */
    sh: (script: string) => start(["sh", "-c", script], within({})),
    /** The program as it is installed, with the tests' handlers in a folder. */
    installed: (args: ReadonlyArray<string>, options: Run = {}) =>
      start(
        [process.execPath, path.resolve(tests, "../../api/main.ts"), ...args],
        within(options, { TROUPE_HANDLERS: path.join(tests, "handlers") })
      )
  }
}
