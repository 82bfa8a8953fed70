/**
 * Answers that models gave, so that the same request is not paid for twice.
 *
 * A request is the same when the model, what it is told and what it may look at are the same, to the letter. An answer is
 * kept for the time that its request says, below `answers/` of its tenant's files. What is over is swept when something
 * else is kept beside it.
 */
import { Clock, Context, Effect, Layer, Option, Schema } from "effect"
import { createHash } from "node:crypto"
import { Files, type FilesError } from "../../runtime/files.ts"

export class Answers extends Context.Service<
  Answers,
  {
    /** What was kept for a request and is not over; `undefined` when there is nothing, or nothing that is JSON. */
    readonly find: (request: string) => Effect.Effect<unknown, FilesError>

    /** Keeps an answer, any JSON, for so many milliseconds. */
    readonly keep: (request: string, answer: unknown, forMs: number) => Effect.Effect<void, FilesError>
  }
>()("troupe/handlers/Answers") {
  static readonly layer = Layer.effect(
    Answers,
    Effect.gen(function* () {
      const files = yield* Files

      const find = Effect.fn("Answers.find")(function* (request: string) {
        const now = yield* Clock.currentTimeMillis
        const names = yield* files.listObjects(`${folderOf(request)}${request}.`)
        const name = names.findLast((name) => overAt(name) > now)
        if (name === undefined) return undefined
        const bytes = yield* Effect.catchTag(files.readObject(name), "FileNotFound", () => Effect.undefined)
        return bytes === undefined
          ? undefined
          : Option.getOrUndefined(readJson(new TextDecoder().decode(bytes)))
      })

      const keep = Effect.fn("Answers.keep")(function* (request: string, answer: unknown, forMs: number) {
        const now = yield* Clock.currentTimeMillis
        const beside = yield* files.listObjects(folderOf(request))
        const over = beside.filter((name) => overAt(name) <= now)
        if (over.length > 0) yield* files.removeObjects(over)
        const name = `${folderOf(request)}${request}.${String(now + forMs).padStart(timeDigits, "0")}.json`
        yield* files.writeObject(name, new TextEncoder().encode(JSON.stringify(answer)))
      })

      return Answers.of({ find, keep })
    })
  )
}

/** What tells a request from all others: the parts of it, in their order. */
export const requestOf = (...parts: ReadonlyArray<unknown>): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex")

const readJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

/** So many folders share the answers, so that a look into one is short. */
const folderOf = (request: string) => `answers/${request.slice(0, 2)}/`

/** So that names are in the order of their times. */
const timeDigits = 15

/** When what has this name is over: Unix milliseconds. */
const overAt = (name: string): number => Number(name.split(".").at(-2))
