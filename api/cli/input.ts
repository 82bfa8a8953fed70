/**
 * Reads a task's input from where the command line says: JSON in a flag, in a file or on stdin. It reads no more
 * than could be accepted.
 */
import { Effect, FileSystem, Option, type PlatformError, Result, Stdio, Stream } from "effect"
import { Argument } from "effect/cli"
import { inputMax, SubmitRefused } from "../../actors/dispatch/dispatcher.ts"
import { parseJson } from "../../runtime/input.ts"
import { UsageError } from "./exit.ts"
import { text } from "./flags.ts"

/** Where a command line may say an input: exactly what `readInput` reads. */
export const inputFlags = {
  stdin: Argument.Literals("stdin", ["-"]).pipe(
    Argument.withDescription("-, to read the input from stdin"),
    Argument.optional
  ),
  input: text("input", "JSON", "The input"),
  inputFile: text("input-file", "FILE", "Read the input from a file")
}

/** Where it may say another input, for one task that goes back to work. */
export const anotherInput = {
  input: text("input", "JSON", "Another input, for one task"),
  inputFile: text("input-file", "FILE", "Read another input from a file, for one task")
}

/** The longest text that is read, in characters: white space is not counted against `inputMax`. */
const textMax = 4 * inputMax

const refuse = (message: string) => new SubmitRefused({ faults: [{ path: "/input", message }] })

const unreadable = (command: string, from: string, { message, reason }: PlatformError.PlatformError) =>
  new UsageError({
    command,
    problem: reason._tag === "NotFound" ? `there is no file ${from}` : `${from} cannot be read: ${message}`
  })

const gather = (
  command: string,
  bytes: Stream.Stream<Uint8Array, PlatformError.PlatformError>,
  from: string
) =>
  bytes.pipe(
    Stream.decodeText(),
    Stream.mapError((error) => unreadable(command, from, error)),
    Stream.runFoldEffect(
      () => "",
      (text, more) =>
        text.length + more.length > textMax
          ? Effect.fail(refuse(`more than ${textMax} characters of JSON`))
          : Effect.succeed(text + more)
    )
  )

const parse = (text: string) =>
  Effect.fromResult(
    Result.mapError(parseJson(text), ({ message, reason }) =>
      refuse(reason === "malformed" ? `not JSON: ${message}` : message)
    )
  )

/** The input, or `undefined` when the command line gives none. */
export const readInput = Effect.fnUntraced(function* (
  from: {
    readonly input: Option.Option<string>
    readonly inputFile?: Option.Option<string>
    readonly stdin?: Option.Option<"-">
  },
  command: string = "troupe submit"
) {
  const files = yield* FileSystem.FileSystem
  const { stdin } = yield* Stdio.Stdio
  const { input, inputFile = Option.none(), stdin: fromStdin = Option.none() } = from
  const sources = [
    ...Option.toArray(Option.map(input, Effect.succeed)),
    ...Option.toArray(Option.map(inputFile, (path) => gather(command, files.stream(path), path))),
    ...Option.toArray(Option.map(fromStdin, () => gather(command, stdin, "stdin")))
  ]
  const [source, ...others] = sources
  if (others.length > 0)
    return yield* new UsageError({ command, problem: "give one of --input, --input-file and -" })
  return source === undefined ? undefined : yield* parse(yield* source)
})
