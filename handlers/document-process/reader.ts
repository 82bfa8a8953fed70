/**
 * The process that reads documents for a worker, one at a time: what a document does to it, it does to nobody else.
 *
 *     bun reader.ts PARENT
 *
 * It is started by `reader-process.ts`, and ends with the process PARENT, whatever it is doing then.
 */
import { Cause, Effect, Exit } from "effect"
import { writeFileSync } from "node:fs"
import { Fatal } from "../../runtime/handler.ts"
import { endWithParent } from "../../runtime/parent-death.ts"
import { extractorOf } from "./extractors.ts"
import type { PageRead } from "./pdf.ts"
import type { Readable, ReaderWord, WorkerWord } from "./reader-messages.ts"

const say = (word: ReaderWord): void => void process.send!(word)

let as: Readable = "pdf"
let bytes = new Uint8Array(0)
let taken = 0
/** Whether the worker waits for an answer, and who waits for it to do so. */
let wanted = false
let onWanted: (() => void) | undefined

/** Done once the worker has asked for it. So a page is read while the worker tells of the one before, and never two. */
const answer = (word: ReaderWord) =>
  Effect.callback<void>((resume) => {
    const give = () => {
      wanted = false
      onWanted = undefined
      say(word)
      resume(Effect.void)
    }
    if (wanted) give()
    else onWanted = give
  })

const tell = (read: PageRead) => answer({ kind: "page", read })

const read = Effect.fnUntraced(function* () {
  const document = { as, bytes }
  bytes = new Uint8Array(0)
  const exit = yield* Effect.exit(extractorOf(document, tell))
  yield* answer(
    Exit.isSuccess(exit) ? { kind: "extracted", extracted: exit.value } : failure(Cause.squash(exit.cause))
  )
})

const failure = (thrown: unknown): ReaderWord =>
  thrown instanceof Fatal
    ? { kind: "refused", type: thrown.name, message: thrown.message }
    : { kind: "broken", message: thrown instanceof Error ? thrown.message : String(thrown) }

const hear = (word: WorkerWord): void => {
  switch (word.kind) {
    case "begin":
      as = word.as
      bytes = new Uint8Array(word.bytes)
      taken = 0
      return
    case "piece":
      bytes.set(word.piece, taken)
      taken += word.piece.length
      return say({ kind: "taken" })
    case "read":
      wanted = true
      return void Effect.runFork(read())
    case "next":
      wanted = true
      return onWanted?.()
  }
}

/** The kernel is to kill this one, and not its worker, where a machine or a container runs out of memory. */
const goFirst = () => {
  try {
    writeFileSync("/proc/self/oom_score_adj", "1000")
  } catch {
    // Elsewhere the bound of its memory is all there is.
  }
}

endWithParent()
// It may have ended before the kernel was asked to tell of it.
if (process.ppid !== Number(process.argv[2])) process.exit(0)
goFirst()
// A terminal's Ctrl-C, and a signal to all processes of a service, are for the worker, which lets its runs finish.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {})
// PDF.js leaves promises behind that nobody waits for; what was read is not worse for it.
process.on("unhandledRejection", () => {})
process.on("message", hear)
