/** What a task may ask for: the command, what it is given, what is kept of it, and its limits. */
import { Schema } from "effect"
import { fileBytesMax } from "../../runtime/files.ts"

const argumentsMax = 256
const argumentCharactersMax = 65_536
const variablesMax = 64
/** Of all values together. */
const variablesCharactersMax = 65_536
const filesMax = 64

export const timeoutMaxMs = 60 * 60_000

const between = (minimum: number, maximum: number) =>
  Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

const Text = Schema.String.check(
  Schema.isMaxLength(argumentCharactersMax),
  Schema.makeFilter((text) => !text.includes("\0") || "must not hold a NUL character")
)

/** Variables by which the system's loader puts other code into a program than its own, whatever the program. */
const isLoaders = (name: string) =>
  /^(LD|DYLD)_/.test(name) || ["GCONV_PATH", "GLIBC_TUNABLES"].includes(name)

const isPlainName = (name: string) =>
  name.length <= 255 && /^[A-Za-z0-9_][A-Za-z0-9_. -]*(\/[A-Za-z0-9_][A-Za-z0-9_. -]*){0,7}$/.test(name)

/** Where a file lies in the command's folder. */
const FileName = Schema.String.check(
  Schema.makeFilter(
    (name) =>
      isPlainName(name) ||
      "must be a path inside of the folder: words of A-Z a-z 0-9 _ . - and spaces, joined by /, none beginning with a dot"
  )
)

const Pattern = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9_*?{}, ./[\]-]{1,255}$/u, {
    message: "must be a pattern such as *.txt or out/**"
  }),
  Schema.makeFilter(
    (pattern) => !/(^|\/)(\.\.?(\/|$)|\/)/.test(`${pattern}/`) || "must stay inside of the folder"
  )
)

export const limits = {
  /** From its start to its end. Default a minute. */
  timeoutMs: between(100, timeoutMaxMs),
  /** Computing time of each process, in seconds. Default as much as `timeoutMs`. */
  cpuSeconds: between(1, 3_600),
  /** Private memory of each process. */
  memoryMb: between(16, 16_384),
  /** Processes and threads at once. */
  processes: between(1, 1_024),
  /** Of each file it writes. */
  fileBytes: between(1, 4 * 1024 ** 3),
  /** Of stdout and stderr together. */
  outputBytes: between(1, 64 * 1024 ** 2)
} as const

export const limitsDefault = {
  timeoutMs: 60_000,
  memoryMb: 512,
  processes: 64,
  fileBytes: fileBytesMax,
  outputBytes: 1024 ** 2
} as const

export const Command = Schema.Struct({
  /** One of `TROUPE_SHELL`, and its arguments as they are: no shell reads them. */
  program: Schema.optionalKey(Schema.NonEmptyString.check(Schema.isMaxLength(1_024))),
  args: Schema.optionalKey(Schema.Array(Text).check(Schema.isMaxLength(argumentsMax))),
  /** For a shell, in place of them; `sh` must be one of `TROUPE_SHELL`. */
  script: Schema.optionalKey(Text),
  /** Its environment has these, and otherwise only PATH, HOME, TMPDIR and LANG. */
  env: Schema.optionalKey(
    Schema.Record(Schema.String, Text).check(
      Schema.makeFilter((env) => {
        const names = Object.keys(env)
        const wrong = names.find((name) => !/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name))
        if (wrong !== undefined) return `"${wrong}" cannot name a variable`
        const loaders = names.find(isLoaders)
        if (loaders !== undefined) return `${loaders} would make the program run code that is not its own`
        if (names.length > variablesMax) return `has more than ${variablesMax} variables`
        const characters = Object.values(env).reduce((sum, { length }) => sum + length, 0)
        return characters <= variablesCharactersMax || `has more than ${variablesCharactersMax} characters`
      })
    )
  ),
  /** A text, or the id of an upload. Default: nothing. */
  stdin: Schema.optionalKey(
    Schema.Struct({
      text: Schema.optionalKey(Schema.String),
      file: Schema.optionalKey(Schema.NonEmptyString)
    }).check(
      Schema.makeFilter(
        ({ file, text }) =>
          (file === undefined) !== (text === undefined) || "give exactly one of text and file"
      )
    )
  ),
  /** Uploads that are put into its folder. */
  files: Schema.optionalKey(
    Schema.Array(Schema.Struct({ name: FileName, file: Schema.NonEmptyString })).check(
      Schema.isMaxLength(filesMax),
      Schema.makeFilter((files) => {
        const names = files.map(({ name }) => name)
        const twice = names.find((name, at) => names.indexOf(name) !== at)
        if (twice !== undefined) return `has ${twice} twice`
        const both = names.find((name) => names.some((other) => other.startsWith(`${name}/`)))
        return both === undefined || `has ${both} as a file and as a folder`
      })
    )
  ),
  /** Which files of its folder are kept, as patterns; they are looked for when it has ended with a code that is expected. */
  collect: Schema.optionalKey(Schema.Array(Pattern).check(Schema.isMaxLength(filesMax))),
  /** Codes that are no failure. Default: every one. */
  exitCodes: Schema.optionalKey(
    Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))).check(
      Schema.isMinLength(1)
    )
  ),
  /** `false`: one that may have begun is not begun again. Default `true`. */
  repeat: Schema.optionalKey(Schema.Boolean),
  ...limits
}).check(
  Schema.makeFilter(({ args, program, script }) =>
    (program === undefined) === (script === undefined)
      ? "name either program or script"
      : script === undefined || args === undefined || "a script has no args"
  )
)
export type Command = typeof Command.Type

/** All limits of a command, said or not. */
export const limitsOf = (command: Command) => {
  const { timeoutMs = limitsDefault.timeoutMs } = command
  return {
    timeoutMs,
    cpuSeconds: command.cpuSeconds ?? Math.ceil(timeoutMs / 1_000),
    memoryMb: command.memoryMb ?? limitsDefault.memoryMb,
    processes: command.processes ?? limitsDefault.processes,
    fileBytes: command.fileBytes ?? limitsDefault.fileBytes,
    outputBytes: command.outputBytes ?? limitsDefault.outputBytes
  }
}
export type Limits = ReturnType<typeof limitsOf>
