/**
 * What commands print: data on stdout, everything that is said about it on stderr.
 *
 * Colours and progress are for terminals; `NO_COLOR` turns the colours off there too.
 */
import { Console, Effect, Layer, Logger, Schema } from "effect"
import { format } from "node:util"

/** Whoever read the output went away, as `head` does when it has enough; or it cannot be written, and `reason` says why. */
export class OutputClosed extends Schema.TaggedError<OutputClosed>()("OutputClosed", {
  reason: Schema.optionalKey(Schema.String)
}) {}

export const stdoutIsTerminal = process.stdout.isTTY
export const stderrIsTerminal = process.stderr.isTTY

const colours = !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb"

const paint = (terminal: boolean, code: number) => (text: string) =>
  terminal && colours ? `\u001b[${code}m${text}\u001b[0m` : text

/** For stdout. */
export const red = paint(stdoutIsTerminal, 31)
export const green = paint(stdoutIsTerminal, 32)
export const yellow = paint(stdoutIsTerminal, 33)

/** For stderr. */
export const dim = paint(stderrIsTerminal, 2)

/** Text of others in one line that cannot move a terminal's cursor. */
export const tame = (text: string) =>
  // oxlint-disable-next-line no-control-regex
  text.replaceAll(/\s+/g, " ").replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "")

const closedBy = (error: NodeJS.ErrnoException) =>
  new OutputClosed(error.code === "EPIPE" ? {} : { reason: error.message })

/** Writes data, and succeeds once it has left this process. */
export const write = (text: string): Effect.Effect<void, OutputClosed> =>
  Effect.callback((resume) => {
    process.stdout.write(text, (error) => resume(error ? Effect.fail(closedBy(error)) : Effect.void))
  })

/** Writes a line of data. */
export const print = (line: string) => write(`${line}\n`)

/** Writes a task's output: a text as it is, anything else as JSON; in one line of JSON when a program is to read it. */
export const printOutput = (output: unknown, json: boolean) =>
  print(!json && typeof output === "string" ? output : JSON.stringify(output ?? null, null, json ? 0 : 2))

const complain = (message: string, then?: () => void) => void process.stderr.write(`${message}\n`, then)

/** Says something about the data. */
export const say = (message: string) => Effect.sync(() => complain(message))

/** How long the last message may take to leave, in milliseconds: somebody may hold stderr open and not read it. */
const lastWordsMs = 1_000

/** Says what went wrong, if anything did, and ends the process. */
export const exitWith = (code: number, message: string | undefined): void => {
  const exit = () => process.exit(code)
  if (message === undefined) exit()
  setTimeout(exit, lastWordsMs)
  complain(`${paint(stderrIsTerminal, 31)("troupe:")} ${message}`, exit)
}

/** A reader that went away is told by the write that failed, not by an event that nobody hears. */
export const tolerateClosedPipes = () => {
  process.stdout.on("error", () => {})
  process.stderr.on("error", () => {})
}

/** Bun paints red what `console.error` says on a terminal, whatever it says. */
const plainConsole: Console.Console = Object.assign(Object.create(console) as Console.Console, {
  error: (...said: ReadonlyArray<unknown>) => complain(format(...said))
})

/** Logs to stderr: for people on a terminal, else one `key=value` line each. */
export const messages = Layer.mergeAll(
  Layer.succeed(Console.Console, plainConsole),
  Layer.succeed(Logger.LogToStderr, true),
  Logger.layer([
    stderrIsTerminal
      ? Logger.consolePretty({ colors: colours, mode: "tty" })
      : Logger.withConsoleError(Logger.formatLogFmt)
  ])
)
