/**
 * Runs a command that an operator allows, in a sandbox with limits. Off unless `TROUPE_SHELL` names programs.
 *
 * It is safe to repeat as far as the command is: a run that is repeated (a worker that died) begins it again in a fresh
 * folder, unless `repeat` is false. It ends with its run, whatever it has started: its end, a limit, a cancel, a lost lease,
 * a worker that is killed.
 */
import { Clock, Context, Duration, Effect, Layer, Redacted, Schema } from "effect"
import { existsSync } from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Settings } from "../../runtime/config.ts"
import { FileInfo, Files } from "../../runtime/files.ts"
import { type AttemptOver, CurrentTask, defineTask } from "../../runtime/handler.ts"
import type { ShellRules } from "../../runtime/shell-rules.ts"
import { exactly } from "../input/exactly.ts"
import { beginTry } from "../outcome/tries.ts"
import { refuse } from "../refusal/refuse.ts"
import { collect, makeBase, makeFolder } from "./folder.ts"
import { Command, limitsOf, timeoutMaxMs } from "./input.ts"
import { probe } from "./probe.ts"
import { type Ended, runToEnd, type Source } from "./process.ts"
import { commandLine, endingOf, maskable, systemPath, type Tools, withEnvironment } from "./sandbox.ts"

/** The command ended with a code that is not among `exitCodes`. It is begun again as the retry policy says. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  command: Schema.String,
  ending: Schema.String,
  said: Schema.String
}) {
  override get message() {
    return `${this.command} ended with ${this.ending}${this.said === "" ? "" : `: ${this.said}`}`
  }
}

const output = Schema.Struct({
  /** `null` where a signal ended it. */
  exitCode: Schema.NullOr(Schema.Int),
  signal: Schema.optionalKey(Schema.String),
  /** The end of what it said, at most 262 144 characters each. */
  stdout: Schema.String,
  stderr: Schema.String,
  /** Whether it said more than is here. */
  truncated: Schema.Boolean,
  durationMs: Schema.Int,
  files: Schema.Array(Schema.Struct({ name: Schema.String, ...FileInfo.fields })),
  /** What kept it apart, beside its limits: it saw no network, no other processes, and its own folder alone. */
  isolation: Schema.Struct({ namespaces: Schema.Boolean, user: Schema.Literals(["nobody", "worker"]) })
})

/** Where commands run, and what they are confined with; made once per worker, for the first command. */
class Sandbox extends Context.Service<
  Sandbox,
  {
    /** The programs that may be started. */
    readonly allowed: ShellRules
    readonly tools: Tools
    readonly base: string
    readonly masked: ReadonlyArray<string>
  }
>()("troupe/handlers/Sandbox") {
  static readonly layer = Layer.effect(
    Sandbox,
    Effect.gen(function* () {
      const { files, redisUrl, shell } = yield* Settings
      const tools = yield* probe
      if (!tools.namespaces) {
        yield* Effect.logWarning(
          "shell.run: this machine makes no namespaces, so commands see its network, its processes and its files"
        )
      }
      const socket = /^unix:(\/.*)\//.exec(redisUrl === undefined ? "" : Redacted.value(redisUrl))?.[1]
      const masked = [files, ".troupe", ".", os.homedir(), ...(socket === undefined ? [] : [socket])]
      return {
        allowed: shell,
        tools,
        base: yield* makeBase,
        masked: masked.map((folder) => path.resolve(folder)).filter((folder) => existsSync(folder))
      }
    })
  )
}

/** `shell.run`: runs a command that an operator allows, in a sandbox. */
export const shellRun = defineTask.effect({
  name: "shell.run",
  queue: "shell",
  input: exactly(Command),
  output,
  timeout: Duration.millis(timeoutMaxMs + 60_000),
  layer: Layer.merge(Files.layer, Sandbox.layer),

  run: Effect.fn("shell.run")(function* (command) {
    const { allowed } = yield* Sandbox
    const line = yield* allowedLine(command, allowed)
    if (command.repeat === false) yield* beginTry(shown(command))
    return yield* Effect.scoped(runAt(command, line))
  })
})

const shown = ({ program, script }: Command) => program ?? `a script of ${script!.length} characters`

/** The command line without its sandbox. `Fatal` is of type `ShellDisabled`, `ProgramNotAllowed` or `ProgramMissing`. */
const allowedLine = Effect.fnUntraced(function* (
  { args = [], program = "sh", script }: Command,
  allowed: ShellRules
) {
  if (allowed.length === 0) {
    return yield* refuse(
      "ShellDisabled",
      "no command may be run here; an operator names the programs that may in TROUPE_SHELL"
    )
  }
  if (!allowed.includes(program)) {
    const what = script === undefined ? program : "sh, which a script needs,"
    return yield* refuse("ProgramNotAllowed", `${what} is not among the programs of TROUPE_SHELL`)
  }
  const found = program.startsWith("/") ? program : Bun.which(program)
  if (found === null || !(yield* Effect.promise(() => Bun.file(found).exists()))) {
    return yield* refuse("ProgramMissing", `${program} is not installed where the worker runs`)
  }
  return script === undefined ? [found, ...args] : [found, "-c", script]
})

const runAt = Effect.fnUntraced(function* (command: Command, line: ReadonlyArray<string>) {
  const files = yield* Files
  const { base, masked, tools } = yield* Sandbox
  const limits = limitsOf(command)
  const folder = yield* makeFolder(base, command.files ?? [], files, tools.asNobody)
  const stdin = yield* stdinOf(command, files)
  const place = { base, folder, masked: maskable(masked, [line[0]!, base]) }
  const variables = { PATH: systemPath, HOME: folder, TMPDIR: folder, LANG: "C.UTF-8", ...command.env }
  const asked = withEnvironment(tools.sh, line, variables)
  const startedAt = yield* Clock.currentTimeMillis
  const ended = yield* runToEnd({
    command: commandLine(tools, asked.command, place, limits),
    hasNamespace: tools.namespaces,
    folder,
    env: asked.env,
    stdin,
    outputBytes: limits.outputBytes,
    tell
  }).pipe(
    Effect.timeoutOrElse({
      duration: limits.timeoutMs,
      orElse: () =>
        refuse("TimeLimit", `${shown(command)} had not ended after ${limits.timeoutMs} ms, and was killed`)
    })
  )
  const ending = yield* settle(command, ended, tools)
  const { stderr, stdout } = ended.said
  return {
    ...ending,
    stdout: stdout.text,
    stderr: stderr.text,
    truncated: stdout.truncated || stderr.truncated,
    durationMs: (yield* Clock.currentTimeMillis) - startedAt,
    files: yield* collect(folder, command.collect ?? [], files),
    isolation: {
      namespaces: tools.namespaces,
      user: tools.asNobody ? ("nobody" as const) : ("worker" as const)
    }
  }
})

const stdinOf = Effect.fnUntraced(function* ({ stdin }: Command, files: Files["Service"]) {
  if (stdin === undefined) return undefined
  if (stdin.file === undefined) return new TextEncoder().encode(stdin.text)
  return yield* Effect.catchTag(files.read(stdin.file), "FileNotFound", ({ message }) =>
    refuse("FileNotFound", message)
  )
})

/** Its end, unless that is a failure of the task. */
const settle = Effect.fnUntraced(function* (command: Command, ended: Ended, tools: Tools) {
  if (ended.isTooLong) {
    const { outputBytes } = limitsOf(command)
    return yield* refuse(
      "OutputTooLarge",
      `${shown(command)} put out more than ${outputBytes} bytes, and was killed`
    )
  }
  const ending = endingOf(ended, tools.namespaces)
  const { exitCodes } = command
  if (exitCodes === undefined || (ending.exitCode !== null && exitCodes.includes(ending.exitCode)))
    return ending
  return yield* new CommandFailed({
    command: shown(command),
    ending: ending.signal ?? String(ending.exitCode),
    said: ended.said.stderr.text.trim().slice(-500)
  })
})

/** What is put out goes to who follows the task; the command waits while that is being stored. */
const tell = (source: Source, text: string): Effect.Effect<void, AttemptOver, CurrentTask> =>
  Effect.catchTag(
    CurrentTask.use((task) => task.emit({ [source]: text })),
    "EventRefused",
    () => Effect.void
  )
