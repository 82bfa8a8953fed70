/** A process that runs one command of `shell.run`, as a worker does, until it is killed. */
import { Effect } from "effect"
import { shellRun } from "../../../handlers/shell-run/index.ts"
import { Settings } from "../../../runtime/config.ts"
import { CurrentTask } from "../../../runtime/handler.ts"

const [files = "", mark = ""] = process.argv.slice(2)
const { body } = shellRun

if (body.kind === "effect") {
  const run = body.run({ script: `sleep ${mark}` }).pipe(
    Effect.provide(body.layer!),
    // All that a command asks of its run is to tell what it says.
    Effect.provideService(CurrentTask, { emit: () => Effect.void } as never),
    Effect.provide(Settings.layer({ files, shell: ["sh"] }, {}))
  )
  await Effect.runPromise(run as Effect.Effect<unknown, unknown>)
}
