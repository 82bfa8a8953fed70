/** What became of each file of a folder. */
import { Schema } from "effect"
import type { ChildOutcome } from "../../runtime/handler.ts"
import { beginning } from "../text/beginning.ts"

/** Types of failure that say something of the file: sending it again would not help. */
const refusals = new Set([
  "FileNotFound",
  "PathNotAllowed",
  "UnsupportedType",
  "DamagedDocument",
  "EncryptedDocument",
  "EmptyDocument",
  "DocumentTooLarge"
])

export const FileReport = Schema.Union([
  Schema.Struct({
    /** Below the folder. */
    path: Schema.String,
    state: Schema.Literal("processed"),
    document: Schema.String,
    title: Schema.String,
    pages: Schema.Int,
    chunks: Schema.Int
  }),
  Schema.Struct({
    path: Schema.String,
    /** `refused`: it can never be processed. `failed`: something else went wrong. */
    state: Schema.Literals(["refused", "failed"]),
    type: Schema.String,
    message: Schema.String
  })
])
export type FileReport = typeof FileReport.Type

const messageCharactersMax = 300

const Processed = Schema.Struct({
  document: Schema.String,
  title: Schema.String,
  pages: Schema.Int,
  chunks: Schema.Int
})
const isProcessed = Schema.is(Processed)

/** What became of a file, by how the task that had it ended. */
export const reportOf = (path: string, outcome: ChildOutcome): FileReport => {
  if (outcome.state === "succeeded") {
    if (!isProcessed(outcome.output)) {
      return { path, state: "failed", type: "Misfit", message: "document.process gave something else" }
    }
    const { chunks, document, pages, title } = outcome.output
    return { path, state: "processed", document, title, pages, chunks }
  }
  const { message, type } = outcome.error
  return {
    path,
    state: refusals.has(type) ? "refused" : "failed",
    type,
    message: message.slice(0, messageCharactersMax).toWellFormed()
  }
}

const pathCharactersMax = 1_000

/** A folder that could not be looked into, in place of the files that may be in it. */
export const unreadableFolder = (path: string, reason: string): FileReport => ({
  path: path.length <= pathCharactersMax ? path : `${beginning(path, pathCharactersMax)}…`,
  state: "refused",
  type: "FolderUnreadable",
  message: `what is in this folder cannot be listed: ${reason}`
})

/** How many files are in each state. */
export const countsOf = (results: ReadonlyArray<FileReport>) => {
  const count = (state: FileReport["state"]) => results.filter((each) => each.state === state).length
  return {
    files: results.length,
    processed: count("processed"),
    refused: count("refused"),
    failed: count("failed")
  }
}
