/**
 * Reads documents in processes of their own, a reader each: a file may be made to be read for hours, or to take all memory, and
 * that is not to hurt others.
 *
 * A reader reads one document at a time and is used again; one that is idle is kept for a while. One whose document was not read
 * to its end, whatever the reason, is killed. What is read of a document does not depend on where that happens.
 */
import { Context, Effect, Exit, Layer, Semaphore } from "effect"
import { existsSync } from "node:fs"
import type { Fatal } from "../../runtime/handler.ts"
import { refuse } from "../refusal/refuse.ts"
import { extractorOf, type Unread } from "./extractors.ts"
import type { Extracted } from "./pages.ts"
import type { PageRead } from "./pdf.ts"
import {
  ReaderBounds,
  ReaderFailed,
  type ReaderProcess,
  readerProgram,
  startReader
} from "./reader-process.ts"

export class Readers extends Context.Service<
  Readers,
  {
    /**
     * What the document holds; `onPage` runs after each page of a PDF, and at most one page is read ahead. `Fatal` is of the type
     * that says why it cannot be read, `DocumentTooComplex` when it takes too much time or memory. Where many are read already,
     * it waits for its turn.
     */
    readonly read: <E, R>(
      document: Unread,
      onPage: (read: PageRead) => Effect.Effect<void, E, R>
    ) => Effect.Effect<Extracted, Fatal | ReaderFailed | E, R>
  }
>()("troupe/handlers/Readers") {
  /** Readers end with its scope. */
  static readonly layer = Layer.effect(
    Readers,
    Effect.gen(function* () {
      // A program that was made into one file has no other that could be started: it reads by itself.
      if (!existsSync(readerProgram)) return Readers.of({ read: extractorOf })

      const bounds = yield* ReaderBounds
      const places = yield* Semaphore.make(bounds.readersMax)
      const all = new Set<ReaderProcess>()
      let idle: { readonly reader: ReaderProcess; readonly expiry: Timer } | undefined

      const end = (reader: ReaderProcess) => {
        all.delete(reader)
        return reader.end
      }
      yield* Effect.addFinalizer(() =>
        Effect.suspend(() => {
          clearTimeout(idle?.expiry)
          return Effect.forEach([...all], end, { concurrency: "unbounded", discard: true })
        })
      )

      const take = Effect.try({
        try: () => {
          const kept = idle
          idle = undefined
          clearTimeout(kept?.expiry)
          if (kept?.reader.isSound() === true) return kept.reader
          if (kept !== undefined) Effect.runFork(end(kept.reader))
          const reader = startReader(bounds)
          all.add(reader)
          return reader
        },
        catch: (cause) =>
          new ReaderFailed({
            reason: `cannot be started: ${cause instanceof Error ? cause.message : String(cause)}`
          })
      }).pipe(Effect.tap((reader) => Effect.sync(reader.work)))

      const giveBack = (reader: ReaderProcess) =>
        Effect.suspend(() => {
          if (idle !== undefined || !reader.isSound()) return end(reader)
          reader.rest()
          const expiry = setTimeout(() => {
            idle = undefined
            Effect.runFork(end(reader))
          }, bounds.idleKeptMs)
          expiry.unref()
          idle = { reader, expiry }
          return Effect.void
        })

      return Readers.of({
        read: (document, onPage) =>
          places.withPermits(1)(
            Effect.acquireUseRelease(
              take,
              (reader) => readBy(reader, document, onPage),
              (reader, exit) => (Exit.isSuccess(exit) ? giveBack(reader) : end(reader))
            )
          )
      })
    })
  )
}

/** A document goes over in pieces of so many bytes: to hand over 64 MiB at once stops everything for 0.1 s. */
const pieceBytes = 1024 * 1024

const readBy = Effect.fnUntraced(function* <E, R>(
  reader: ReaderProcess,
  { as, bytes }: Unread,
  onPage: (read: PageRead) => Effect.Effect<void, E, R>
) {
  const beginning = as === "pdf" ? "its beginning" : "it"
  reader.say({ kind: "begin", as, bytes: bytes.length })
  for (let from = 0; from < bytes.length; from += pieceBytes) {
    // A copy, since of a part that only points into the whole the whole would go over.
    yield* reader.ask({ kind: "piece", piece: bytes.slice(from, from + pieceBytes) }, beginning)
  }
  let word = yield* reader.ask({ kind: "read" }, beginning)
  while (word.kind === "page") {
    const { page, pages } = word.read
    yield* onPage(word.read)
    word = yield* reader.ask({ kind: "next" }, `what follows page ${page} of ${pages}`)
  }
  if (word.kind === "extracted") return word.extracted
  if (word.kind === "refused") return yield* refuse(word.type, word.message)
  return yield* Effect.die(new Error(word.kind === "broken" ? word.message : `a reader said ${word.kind}`))
})
