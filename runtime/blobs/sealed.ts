/**
 * Blobs whose bytes are sealed where there is a key ring: what is written is sealed on its way, what is read is opened. What
 * was written without a key is read as it was; what was sealed with a key that is not there is refused, not given.
 */
import { Effect, Result } from "effect"
import type { KeyRing } from "../encryption/key-ring.ts"
import { openPieces, type Opener, plainPieces, sealPieces } from "../encryption/pieces.ts"
import { type Blobs, FilesError } from "./blobs.ts"

/** How many bytes are opened without letting others in. */
const atOnce = 1024 * 1024

const opened = (ring: KeyRing | undefined, operation: string, key: string, bytes: Uint8Array) =>
  Effect.gen(function* () {
    const opener = openPieces(ring, key)
    const pieces: Array<Uint8Array> = []
    for (let at = 0; at < bytes.byteLength; at += atOnce) {
      pieces.push(...(yield* Effect.fromResult(opener.add(bytes.subarray(at, at + atOnce)))))
      yield* Effect.yieldNow
    }
    pieces.push(...(yield* Effect.fromResult(opener.end())))
    const whole = new Uint8Array(pieces.reduce((sum, { byteLength }) => sum + byteLength, 0))
    let at = 0
    for (const piece of pieces) {
      whole.set(piece, at)
      at += piece.byteLength
    }
    return whole
  }).pipe(Effect.mapError(FilesError.during(operation)))

/** Gives what an opener tells of a stream; it breaks off where it cannot be opened. */
const opening = (opener: Opener): TransformStream<Uint8Array, Uint8Array> => {
  const give = (
    told: ReturnType<Opener["end"]>,
    controller: TransformStreamDefaultController<Uint8Array>
  ) => {
    if (Result.isFailure(told)) return controller.error(told.failure)
    for (const piece of told.success) if (piece.byteLength > 0) controller.enqueue(piece)
  }
  return new TransformStream({
    transform: (bytes, controller) => give(opener.add(bytes), controller),
    flush: (controller) => give(opener.end(), controller)
  })
}

export const sealedBlobs = (blobs: Blobs, ring: KeyRing | undefined): Blobs => ({
  ...blobs,
  write: (operation, key, fill) =>
    blobs.write(operation, key, (append) =>
      Effect.gen(function* () {
        const sealer = ring === undefined ? plainPieces() : sealPieces(ring, key)
        yield* append(sealer.head)
        const filled = yield* fill((bytes) => Effect.forEach(sealer.add(bytes), append, { discard: true }))
        yield* append(sealer.end())
        return filled
      })
    ),
  read: (operation, key) =>
    Effect.flatMap(blobs.read(operation, key), (bytes) =>
      bytes === undefined ? Effect.undefined : opened(ring, operation, key, bytes)
    ),
  stream: (operation, key) =>
    Effect.map(blobs.stream(operation, key), (bytes) => bytes?.pipeThrough(opening(openPieces(ring, key))))
})
