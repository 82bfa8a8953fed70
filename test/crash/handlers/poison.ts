/** A handler that kills its process, and others that happen to run beside it. */
import { readFileSync } from "node:fs"
import { appendFile } from "node:fs/promises"
import { defineTask } from "../../../runtime/handler.ts"

interface Input {
  readonly file: string
  readonly n: number
}

/** How many innocents run beside it. */
export const innocents = 3

const note = ({ file, n }: Input, attempt: number, what: string) =>
  appendFile(file, `${JSON.stringify({ n, attempt, what, pid: process.pid, at: Date.now() })}\n`)

/** Kills its process as soon as all innocents run beside it; from the third time on, at once. */
export const poison = defineTask({
  name: "crash.poison",
  run: async (input, { attempt }) => {
    const { file } = input as Input
    await note(input as Input, attempt, "poison")
    const beside = () =>
      readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line.includes(`"attempt":${attempt},"what":"innocent"`)).length
    while (attempt < 3 && beside() < innocents) await Bun.sleep(5)
    process.kill(process.pid, "SIGKILL")
    // It is dead, as soon as it hears of it.
    await new Promise(() => {})
  }
})

/** Its first two runs last until their process dies. */
export const innocent = defineTask({
  name: "crash.innocent",
  run: async (input, { attempt, signal }) => {
    await note(input as Input, attempt, "innocent")
    if (attempt < 3) {
      await new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error))
      })
    }
    return { attempt }
  }
})
