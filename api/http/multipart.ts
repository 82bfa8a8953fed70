/** Takes the one file out of a multipart form while it streams in: nothing of it is held in memory. */
import { type Context, Effect, Stream } from "effect"
import { Multipart } from "effect/http"
import { type FileInfo, type Files, UploadBroken } from "../../runtime/files.ts"
import { BodyMalformed, BodyRefused, BodyTooLarge } from "./refusals.ts"

/** How much a form may hold beside its file. */
const partsMax = 16
const fieldBytesMax = 64 * 1024
const otherBytesMax = 1024 * 1024

const refuse = (message: string) => new BodyRefused({ faults: [{ path: "", message }] })

/** Uploads the form's file. Fails, and keeps nothing, when it has none, or more than one. */
export const uploadForm = Effect.fnUntraced(function* (
  { body, headers }: Pick<Request, "body" | "headers">,
  files: Context.Service.Shape<typeof Files>,
  bytesMax: number
) {
  if (body === null) return yield* refuse("the form has no file")
  const formBytesMax = bytesMax + otherBytesMax
  let uploaded: FileInfo | undefined

  const takePart = Effect.fnUntraced(function* (part: Multipart.Part) {
    if (part._tag === "Field") return
    if (uploaded !== undefined) return yield* refuse("the form has more than one file")
    uploaded = yield* files.upload(Stream.toReadableStream(part.content), {
      type: part.contentType,
      bytesMax
    })
  })

  yield* Stream.fromReadableStream<Uint8Array, UploadBroken>({
    evaluate: () => body,
    onError: (cause) => new UploadBroken({ cause })
  }).pipe(
    Stream.pipeThroughChannel(Multipart.makeChannel<UploadBroken>(Object.fromEntries(headers))),
    Stream.provideContext(
      Multipart.limitsServices({
        maxParts: partsMax,
        maxFieldSize: fieldBytesMax,
        maxTotalSize: formBytesMax,
        fieldMimeTypes: []
      })
    ),
    Stream.runForEach(takePart),
    Effect.catchTag("MultipartError", ({ reason }) =>
      Effect.fail(
        reason._tag === "Parse" || reason._tag === "InternalError"
          ? new BodyMalformed({ reason: "it is not a multipart form" })
          : new BodyTooLarge({ bytesMax: formBytesMax })
      )
    ),
    Effect.onError(() => (uploaded === undefined ? Effect.void : Effect.ignore(files.remove(uploaded.id))))
  )
  return uploaded ?? (yield* refuse("the form has no file"))
})
