/** Handlers that start processes which last. */
import { appendFileSync } from "node:fs"
import { defineTask, type TaskContext } from "../../../runtime/handler.ts"

/** Starts another process, notes it, and lasts itself; a further run ends at once. */
const startsAnother = async (input: unknown, { attempt, signal }: TaskContext) => {
  if (attempt > 1) return { attempt }
  const { pid } = Bun.spawn(["sleep", "600"])
  const { file, n } = input as { readonly file: string; readonly n: number }
  const line = { n, attempt, what: String(pid), pid: process.pid, at: Date.now() }
  appendFileSync(file, `${JSON.stringify(line)}\n`)
  while (!signal.aborted) await Bun.sleep(50)
  return { attempt }
}

export const isolatedParent = defineTask({
  name: "crash.isolated-parent",
  isolation: "process",
  run: startsAnother
})
export const plainParent = defineTask({ name: "crash.plain-parent", run: startsAnother })
