/**
 * Takes secrets out of bytes that come back: a server may say what it was sent, and its answer is kept for others to read.
 *
 * Only the value as it was sent is found, not one that the server has written otherwise (reversed, hashed, in base64).
 */
import { Stream } from "effect"

export interface Withheld {
  readonly name: string
  readonly value: string
}

/** A shorter value would be found in any text. */
const lengthMin = 4

/** Bytes without the secrets, each replaced by `[secret NAME]`, also where one lies across two pieces. */
export const withhold =
  (secrets: ReadonlyArray<Withheld>) =>
  <E>(bytes: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E> => {
    const sought = secrets
      .map(({ name, value }) => ({ value: Buffer.from(value), token: Buffer.from(`[secret ${name}]`) }))
      .filter(({ value }) => value.length >= lengthMin)
    if (sought.length === 0) return bytes
    const kept = Math.max(...sought.map(({ value }) => value.length)) - 1
    return Stream.suspend(() => {
      let carry = Buffer.alloc(0)
      const next = (piece: Uint8Array, isLast: boolean): Uint8Array => {
        const out: Array<Buffer> = []
        let rest = Buffer.concat([carry, piece])
        // Near the end a longer one may still begin where a shorter one is found.
        const isWhole = (at: number) => isLast || at + kept < rest.length
        let found = first(rest, sought)
        for (; found !== undefined && isWhole(found.at); found = first(rest, sought)) {
          out.push(rest.subarray(0, found.at), found.token)
          rest = rest.subarray(found.at + found.length)
        }
        const ready = isLast ? rest.length : Math.min(found?.at ?? Infinity, Math.max(0, rest.length - kept))
        out.push(rest.subarray(0, ready))
        carry = Buffer.from(rest.subarray(ready))
        return Buffer.concat(out)
      }
      return Stream.concat(
        Stream.map(bytes, (piece) => next(piece, false)),
        Stream.suspend(() => Stream.make(next(new Uint8Array(), true)))
      ).pipe(Stream.filter((piece) => piece.byteLength > 0))
    })
  }

/** The same for a text. */
export const withholdText = (secrets: ReadonlyArray<Withheld>, text: string): string =>
  secrets.reduce(
    (rest, { name, value }) => (value.length < lengthMin ? rest : rest.replaceAll(value, `[secret ${name}]`)),
    text
  )

const first = (
  bytes: Buffer,
  sought: ReadonlyArray<{ readonly value: Buffer; readonly token: Buffer }>
): { readonly at: number; readonly length: number; readonly token: Buffer } | undefined => {
  let best: { at: number; length: number; token: Buffer } | undefined
  for (const { token, value } of sought) {
    const at = bytes.indexOf(value)
    if (at !== -1 && (best === undefined || at < best.at || (at === best.at && value.length > best.length))) {
      best = { at, length: value.length, token }
    }
  }
  return best
}
