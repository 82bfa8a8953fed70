/** Handlers that write down, outside Redis, what they did: one line a run in the file named by the input. */
import { existsSync } from "node:fs"
import { appendFile } from "node:fs/promises"
import { defineTask } from "../../../runtime/handler.ts"

interface Input {
  readonly file: string
  readonly n?: number
  /** It lasts until this file is there. */
  readonly gate?: string
}

const note = (input: unknown, attempt: number, what: string) => {
  const { file, n = 0 } = input as Input
  return appendFile(file, `${JSON.stringify({ n, attempt, what, pid: process.pid, at: Date.now() })}\n`)
}

/** Ends at once. */
export const brief = defineTask({
  name: "crash.brief",
  run: async (input, { attempt }) => {
    await note(input, attempt, "ran")
    return { n: (input as Input).n ?? 0 }
  }
})

/** The first run lasts until its process dies; the next one ends at once. */
export const lastsOnce = defineTask({
  name: "crash.lasts-once",
  run: async (input, { attempt, signal }) => {
    await note(input, attempt, "started")
    if (attempt === 1) {
      await new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error))
      })
    }
    return { attempt }
  }
})

/** Lasts for half a second, or until its gate is open, and heeds nobody. */
export const unhurried = defineTask({
  name: "crash.unhurried",
  run: async (input, { attempt }) => {
    await note(input, attempt, "started")
    const { gate } = input as Input
    if (gate === undefined) await Bun.sleep(500)
    else while (!existsSync(gate)) await Bun.sleep(20)
    await note(input, attempt, "finished")
    return { attempt }
  }
})
