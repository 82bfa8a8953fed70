/**
 * Reads a document as a worker's handler does, and says `read` when it has; its reader is idle then. It closes nothing.
 *
 *     bun reading.ts FILE
 */
import { Context, Effect, Layer, Scope } from "effect"
import { readFileSync } from "node:fs"
import { Readers } from "../../../../handlers/document-process/readers.ts"

const bytes = new Uint8Array(readFileSync(process.argv[2]!))
const context = await Effect.runPromise(Layer.buildWithScope(Readers.layer, Scope.makeUnsafe()))
await Effect.runPromise(Context.get(context, Readers).read({ as: "pdf", bytes }, () => Effect.void))
process.stdout.write("read\n")
