/**
 * Which programs `shell.run` may start: by their names, as they are found on the worker's `PATH`, or by their paths.
 *
 * A name in the list does not allow a path that ends in it. What a listed program starts itself is not looked at: `sh`,
 * `env`, `find` and many others start what they are told.
 */
import { Result } from "effect"

export type ShellRules = ReadonlyArray<string>

const name = /^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}$/
const path = /^(\/[A-Za-z0-9_.+-]{1,255}){1,16}$/

const isProgram = (text: string) => name.test(text) || (path.test(text) && !/\/\.{1,2}(\/|$)/.test(text))

/** Programs as the setting has them, with commas between them. */
export const readShell = (value: string): Result.Result<ShellRules, string> => {
  const programs = value.split(",").map((program) => program.trim())
  const wrong = programs.find((program) => !isProgram(program))
  return wrong === undefined
    ? Result.succeed(programs)
    : Result.fail(`"${wrong}" is neither a program's name, as pdftotext, nor its path, as /opt/bin/convert`)
}
