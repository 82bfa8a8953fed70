/** What the output keeps of an answer: its status and headers, and its body as a value, or as a file where it is large. */
import { Effect, Schema, Stream } from "effect"
import {
  FileInfo,
  type Files,
  FilesError,
  type FileTooLarge,
  type UploadBroken
} from "../../runtime/files.ts"
import { BodyTooLarge, FetchFailed } from "../network/exchange.ts"
import { refuse } from "../refusal/refuse.ts"

export const Reply = Schema.Struct({
  status: Schema.Int,
  /** Where the last redirect led. */
  url: Schema.String,
  /** What was asked before, in order. */
  redirects: Schema.Array(Schema.String),
  /** In lower case; cookies are left out. */
  headers: Schema.Record(Schema.String, Schema.String),
  /** Of the body, decompressed. */
  bytes: Schema.Int,
  /** The body is in at most one of the four. */
  json: Schema.optionalKey(Schema.Unknown),
  text: Schema.optionalKey(Schema.String),
  base64: Schema.optionalKey(Schema.String),
  file: Schema.optionalKey(FileInfo)
})

export type Kind = "json" | "text" | "base64" | "file"

const headersMax = 64
const headerCharactersMax = 4_096

/** The headers as they are kept. Cookies are left out: who has one is logged in. */
export const headersOf = (headers: Headers, clean: (text: string) => string): Record<string, string> =>
  Object.fromEntries(
    [...headers]
      .filter(([name]) => name !== "set-cookie")
      .slice(0, headersMax)
      .map(([name, value]) => [clean(name), clean(value).slice(0, headerCharactersMax)])
  )

/** What a media type is read as when the task does not say. */
export const kindOf = (type: string): Exclude<Kind, "file"> => {
  const media = type.split(";", 1)[0]!.trim().toLowerCase()
  if (/^application\/json$|\+json$/.test(media)) return "json"
  return /^text\/|[/+]xml$|^application\/(javascript|x-www-form-urlencoded|x-ndjson)$/.test(media)
    ? "text"
    : "base64"
}

const charsetOf = (type: string): string => /;\s*charset="?([\w.:-]+)"?/i.exec(type)?.[1] ?? "utf-8"

const decode = (bytes: Uint8Array, type: string): string => {
  let decoder = new TextDecoder()
  try {
    decoder = new TextDecoder(charsetOf(type))
  } catch {
    // A charset that nobody knows: what can be read of it as UTF-8 is better than nothing.
  }
  return decoder.decode(bytes)
}

export interface Reading {
  readonly as: Kind | "auto"
  readonly type: string
  readonly inlineMax: number
  readonly bytesMax: number
}

/** Reads a body: all of it in memory while it is small, else on its way into a file. */
export const readReply = Effect.fnUntraced(function* (
  body: Stream.Stream<Uint8Array, FetchFailed | BodyTooLarge>,
  files: Files["Service"],
  { as, bytesMax, inlineMax, type }: Reading
) {
  const reader = yield* Effect.acquireRelease(
    Effect.sync(() => Stream.toReadableStream(body).getReader()),
    (reader) => Effect.ignoreCause(Effect.promise(() => reader.cancel()))
  )
  const next = Effect.tryPromise({ try: () => reader.read(), catch: asRead })
  const pieces: Array<Uint8Array> = []
  let bytes = 0
  let isDone = false
  while (!isDone && as !== "file" && bytes <= inlineMax) {
    const { done, value } = yield* next
    isDone = done
    if (value === undefined) continue
    pieces.push(value)
    bytes += value.byteLength
  }
  if (isDone && bytes <= inlineMax) return yield* inline(Buffer.concat(pieces), as, type)
  const file = yield* files.upload(rest(pieces, reader), { type, bytesMax }).pipe(Effect.mapError(asUploaded))
  return { bytes: file.bytes, file }
})

const inline = (bytes: Buffer, as: Kind | "auto", type: string) => {
  const kind = as === "auto" ? kindOf(type) : as
  if (kind === "base64") {
    return Effect.succeed({
      bytes: bytes.length,
      ...(bytes.length === 0 ? {} : { base64: bytes.toBase64() })
    })
  }
  const text = decode(bytes, type)
  if (kind !== "json") return Effect.succeed({ bytes: bytes.length, text })
  try {
    return Effect.succeed({ bytes: bytes.length, json: JSON.parse(text) as unknown })
  } catch (cause) {
    // What only calls itself JSON, as an empty answer often does, is still a text.
    return as === "auto"
      ? Effect.succeed({ bytes: bytes.length, text })
      : refuse("BodyNotJson", "the answer was to be JSON, and is not", cause)
  }
}

/** What was read already, and what comes. */
const rest = (
  pieces: ReadonlyArray<Uint8Array>,
  reader: {
    readonly read: () => Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
  }
): ReadableStream<Uint8Array> => {
  const read = [...pieces]
  return new ReadableStream({
    pull: async (controller) => {
      const { done, value } = read.length > 0 ? { done: false, value: read.shift() } : await reader.read()
      if (value !== undefined) controller.enqueue(value)
      if (done) controller.close()
    }
  })
}

const asRead = (cause: unknown): FetchFailed | BodyTooLarge =>
  cause instanceof BodyTooLarge || cause instanceof FetchFailed
    ? cause
    : new FetchFailed({ url: "the answer", reason: cause instanceof Error ? cause.message : String(cause) })

const asUploaded = (error: FileTooLarge | UploadBroken | FilesError) =>
  error instanceof FilesError
    ? error
    : error._tag === "FileTooLarge"
      ? new BodyTooLarge({ url: "the answer", bytesMax: error.bytesMax })
      : asRead(error.cause)
