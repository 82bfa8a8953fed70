/** Where an answer is taken from: a place in a document, and what stands there. */
import { Schema } from "effect"
import { DocumentId } from "../text/documents.ts"

export const Citation = Schema.Struct({
  document: DocumentId,
  title: Schema.String,
  /** From 1. */
  page: Schema.Int,
  /** The chunk's index in the document, from 0. */
  chunk: Schema.Int,
  quote: Schema.String
})
export type Citation = typeof Citation.Type
