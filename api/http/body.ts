/**
 * Reads a JSON body from strangers: bounded in bytes while it streams, whatever it says of its length, bounded in
 * depth before it is parsed, and without keys that would reach an object's prototype.
 */
import { Effect, Result, Schema } from "effect"
import { faultsOfIssues } from "../../runtime/handler.ts"
import { faultsOf, parseJson } from "../../runtime/input.ts"
import { inTime } from "./pace.ts"
import { BodyMalformed, BodyRefused, BodyTooLarge, MediaTypeRefused } from "./refusals.ts"

/** The largest body of one task. */
export const bodyBytesMax = 1024 * 1024

/** The body is sent as it is, or refused: a small one could unfold into a large one. */
export const checkEncoding = (request: Request) => {
  const given = request.headers.get("content-encoding") ?? "identity"
  return given === "identity"
    ? Effect.void
    : Effect.fail(new MediaTypeRefused({ header: "content-encoding", given, wanted: "the body unencoded" }))
}

/** A form of another site is of another type: it cannot submit tasks in the name of who looks at it. */
const checkType = (request: Request) => {
  const given = request.headers.get("content-type") ?? ""
  return /^application\/([a-z0-9.-]+\+)?json *(;|$)/i.test(given)
    ? Effect.void
    : Effect.fail(new MediaTypeRefused({ header: "content-type", given, wanted: "application/json" }))
}

/** Reads to the end, or to one byte over the limit; what is left of a body that is too large is not waited for. */
const readBytes = Effect.fnUntraced(function* (request: Request, bytesMax: number) {
  const tooLarge = new BodyTooLarge({ bytesMax })
  if (Number(request.headers.get("content-length") ?? 0) > bytesMax) return yield* tooLarge
  if (request.body === null) return new Uint8Array()
  const reader = (request.body as ReadableStream<Uint8Array>).getReader()
  const pieces: Array<Uint8Array> = []
  let bytes = 0
  const read = Effect.tryPromise({
    try: () => reader.read(),
    catch: () => new BodyMalformed({ reason: "it broke off before its end" })
  })
  return yield* Effect.gen(function* () {
    while (true) {
      const { done, value } = yield* read
      if (done) return Buffer.concat(pieces, bytes)
      bytes += value.byteLength
      if (bytes > bytesMax) return yield* tooLarge
      pieces.push(value)
    }
  }).pipe(Effect.onError(() => Effect.ignoreCause(Effect.promise(() => reader.cancel()))))
})

const decode = (bytes: Uint8Array) =>
  Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    catch: () => new BodyMalformed({ reason: "it is not UTF-8" })
  })

/** The body as JSON of bounded size and depth. Its keys have not been looked at. */
export const readUncheckedJson = Effect.fnUntraced(function* (request: Request, bytesMax: number) {
  yield* checkType(request)
  yield* checkEncoding(request)
  const parsed = parseJson(yield* decode(yield* inTime(readBytes(request, bytesMax), bytesMax)))
  if (Result.isSuccess(parsed)) return parsed.success
  const { message, reason } = parsed.failure
  return yield* reason === "malformed"
    ? new BodyMalformed({ reason: message })
    : new BodyRefused({ faults: [{ path: "", message }] })
})

/** The body as JSON. */
export const readJson = Effect.fnUntraced(function* (request: Request) {
  const value = yield* readUncheckedJson(request, bodyBytesMax)
  const faults = faultsOf(value)
  return faults.length === 0 ? value : yield* new BodyRefused({ faults })
})

/** The body as JSON, or an object without fields when there is no body: where all that can be said may be left out. */
export const readJsonIfAny = (request: Request) =>
  request.body === null || request.headers.get("content-length") === "0"
    ? Effect.succeed({})
    : readJson(request)

/** Makes the check of a body's shape: the value as the schema gives it out, or every fault. */
export const fitting = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  const { validate } = Schema.toStandardSchemaV1(schema, {
    parseOptions: { errors: "all", onExcessProperty: "error" }
  })["~standard"]
  return Effect.fnUntraced(function* (value: unknown): Effect.fn.Return<S["Type"], BodyRefused> {
    const result = yield* Effect.promise(async () => validate(value))
    if (result.issues === undefined) return result.value
    return yield* new BodyRefused({ faults: faultsOfIssues(result.issues) })
  })
}
