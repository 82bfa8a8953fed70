/**
 * What shells complete, for `--completions`: as effect writes it for each of them.
 *
 * Its script for zsh says of an argument that can be anything what it is. zsh then shows that beside whatever is typed, and
 * completes a flag at the second press of the key only. So it is said where no flag is typed.
 */
import { Console, Effect, Option } from "effect"
import { Completions, GlobalFlag } from "effect/cli"

/** An argument that can be anything, as a line of the script: what it is, and nothing to choose from. */
const anything = /^( *'\*?:((?:[^'\\\n]|'\\''|\\:)*):)'$/gm

const tellingWhereNoFlagIs = (script: string): string =>
  script.replace(anything, (_, spec: string, what: string) => {
    const said = what.replaceAll("\\:", ":").replaceAll(/["$`]/g, "")
    return `${spec}{[[ $PREFIX == -* ]] || _message "${said}"}'`
  })

const { flag } = GlobalFlag.Completions

export const completions: typeof GlobalFlag.Completions = GlobalFlag.Action({
  flag,
  run: (shell, { command }) => {
    if (Option.isNone(shell)) return Effect.void
    const script = Completions.generate(command.name, shell.value, Completions.fromCommand(command))
    return Console.log(shell.value === "zsh" ? tellingWhereNoFlagIs(script) : script)
  }
})
