/** Handlers that block the event loop of their process. */
import { appendFileSync } from "node:fs"
import { defineTask } from "../../../runtime/handler.ts"

interface Input {
  readonly file: string
  readonly n: number
  readonly blockMs: number
}

const note = ({ file, n }: Input, attempt: number, what: string) =>
  appendFileSync(file, `${JSON.stringify({ n, attempt, what, pid: process.pid, at: Date.now() })}\n`)

/** Its first run blocks for a while; a further one ends at once. */
export const blocksOnce = defineTask({
  name: "crash.blocks-once",
  run: (input, { attempt }) => {
    note(input as Input, attempt, "started")
    if (attempt === 1) Bun.sleepSync((input as Input).blockMs)
    note(input as Input, attempt, "ended")
    return { attempt }
  }
})

/** Its first run never ends, in a process of its own. */
export const burnsOnce = defineTask({
  name: "crash.burns-once",
  isolation: "process",
  run: (input, { attempt }) => {
    note(input as Input, attempt, "started")
    while (attempt === 1);
    return { attempt }
  }
})

/** Blocks, while it uses what only one may use at a time. */
export const blocksLimited = defineTask({
  name: "crash.blocks-limited",
  limits: [{ key: "crash-blocking", concurrency: 1 }],
  run: (input, { attempt }) => {
    note(input as Input, attempt, "started")
    Bun.sleepSync((input as Input).blockMs)
    note(input as Input, attempt, "ended")
  }
})
