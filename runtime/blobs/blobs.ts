/**
 * Bytes under keys, each of them there whole or not at all: a folder that all processes share, or a bucket.
 *
 * A key is words of `a-z 0-9 . _ -` joined by `/`; whoever makes one has seen to that.
 */
import { type Effect, Schema } from "effect"

/**
 * The disk or the bucket did not take or give the bytes: full, not permitted, gone. Reading may be tried again; after a
 * failed write the file is whole or absent, and writing it again is safe.
 */
export class FilesError extends Schema.TaggedError<FilesError>()("FilesError", {
  /** What was being attempted, as `Files.method`. */
  operation: Schema.String,
  cause: Schema.Defect()
}) {
  static readonly during = (operation: string) => (cause: unknown) => new FilesError({ operation, cause })

  override get message() {
    return `${this.operation}: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

/** Adds a piece to what is being written. */
export type Append = (bytes: Uint8Array) => Effect.Effect<void, FilesError>

export interface Blobs {
  /** Puts at a key what `fill` appends, in the place of what was there; if `fill` fails or is interrupted, nothing. */
  readonly write: <A, E>(
    operation: string,
    key: string,
    fill: (append: Append) => Effect.Effect<A, E>
  ) => Effect.Effect<A, E | FilesError>

  /** `undefined` when nothing is there. */
  readonly read: (operation: string, key: string) => Effect.Effect<Uint8Array | undefined, FilesError>

  /**
   * What is there, piece by piece; a slow reader holds no more than a piece in memory. `undefined` when nothing is there, or a
   * stream that breaks off at once where only reading tells. Who gets one reads it or cancels it.
   */
  readonly stream: (
    operation: string,
    key: string
  ) => Effect.Effect<ReadableStream<Uint8Array> | undefined, FilesError>

  /** Removes one after the other; one that is not there is passed over. */
  readonly remove: (operation: string, keys: ReadonlyArray<string>) => Effect.Effect<void, FilesError>

  /** The keys that begin with `prefix`, in order. */
  readonly list: (operation: string, prefix: string) => Effect.Effect<ReadonlyArray<string>, FilesError>
}
