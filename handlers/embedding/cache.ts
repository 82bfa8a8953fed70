/**
 * Vectors of texts that were embedded before, found by what the text is.
 *
 * An object each below the files, `embeddings/<model>/<hash>`, so all processes share them and a tenant has its own. It holds
 * the vector's components as 32-bit floats. There are at most so many of a model as a setting says, and a sixteenth more for a
 * while: over it, those of some part of all hashes go, whatever their age, and are embedded again when they are wanted.
 */
import { Context, Effect, Layer, Semaphore } from "effect"
import { createHash } from "node:crypto"
import { Settings } from "../../runtime/config.ts"
import { Files, type FilesError } from "../../runtime/files.ts"
import { Tenant } from "../../runtime/tenant.ts"

/** How many objects are read or written at once. */
const atOnce = 16

/** How much of what there may be is left over when there is too much. */
const keptPart = 15 / 16

export class EmbeddingCache extends Context.Service<
  EmbeddingCache,
  {
    /** The vectors that are kept, in the order of the texts. What cannot be read is not there. */
    readonly read: (
      model: string,
      texts: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<Float32Array | undefined>>

    /** Keeps vectors. Fails when the disk does. */
    readonly write: (
      model: string,
      entries: ReadonlyArray<readonly [text: string, vector: Float32Array]>
    ) => Effect.Effect<void, FilesError>
  }
>()("troupe/handlers/EmbeddingCache") {
  static readonly layer = Layer.effect(
    EmbeddingCache,
    Effect.gen(function* () {
      const files = yield* Files
      const { embeddingsCache: max } = yield* Settings
      /** How many a tenant has of a model, about: other processes write too, so it is counted anew now and then. */
      const counts = new Map<string, { there: number; written: number }>()
      const counting = yield* Semaphore.make(1)

      const read = Effect.fn("EmbeddingCache.read")(function* (model: string, texts: ReadonlyArray<string>) {
        if (max === 0) return texts.map(() => undefined)
        return yield* Effect.forEach(
          texts,
          (text) =>
            files.readObject(nameOf(model, text)).pipe(
              Effect.map(vectorOf),
              Effect.catch(() => Effect.undefined)
            ),
          { concurrency: atOnce }
        )
      })

      const write = Effect.fn("EmbeddingCache.write")(function* (
        model: string,
        entries: ReadonlyArray<readonly [text: string, vector: Float32Array]>
      ) {
        if (max === 0 || entries.length === 0) return
        yield* Effect.forEach(
          entries,
          ([text, vector]) => files.writeObject(nameOf(model, text), bytesOf(vector)),
          { concurrency: atOnce, discard: true }
        )
        yield* counting.withPermits(1)(bound(model, entries.length))
      })

      const bound = Effect.fnUntraced(function* (model: string, written: number) {
        const key = `${yield* Tenant}/${model}`
        const count = counts.get(key) ?? { there: Number.POSITIVE_INFINITY, written: 0 }
        counts.set(key, count)
        count.there += written
        count.written += written
        const spare = Math.max(1, Math.floor(max * (1 - keptPart)))
        if (count.there <= max && count.written <= spare) return
        const names = yield* files.listObjects(folderOf(model))
        count.written = 0
        count.there = names.length
        if (names.length <= max) return
        const [from, to] = dropped(names.length, Math.floor(max * keptPart), Math.random())
        yield* files.removeObjects([...names, ...names].slice(from, to))
        count.there -= to - from
      })

      return EmbeddingCache.of({ read, write })
    })
  )
}

/** Which of `count` names in a circle go so that `kept` are left: those from a place that chance says. */
export const dropped = (count: number, kept: number, chance: number): readonly [from: number, to: number] => {
  const from = Math.floor(chance * count)
  return [from, from + Math.max(0, count - kept)]
}

const hashOf = (text: string) => createHash("sha256").update(text).digest("hex")

const folderOf = (model: string) => `embeddings/${hashOf(model).slice(0, 16)}/`

const nameOf = (model: string, text: string) => {
  const hash = hashOf(`${model}\n${text}`)
  return `${folderOf(model)}${hash.slice(0, 2)}/${hash.slice(2, 40)}`
}

const bytesOf = (vector: Float32Array) => new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)

/** Objects may lie anywhere in a buffer, and floats begin at a multiple of four. */
const vectorOf = (bytes: Uint8Array) =>
  bytes.byteLength === 0 || bytes.byteLength % 4 !== 0 ? undefined : new Float32Array(bytes.slice().buffer)
