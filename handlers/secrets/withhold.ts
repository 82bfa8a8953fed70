/**
 * Takes secrets out of what comes back: a server may say what it was sent, and its answer is kept for others to read.
 *
 * A value is found as it was sent, whatever its case, and as URLs, forms and JSON write it; not one that the server has
 * written otherwise (reversed, hashed, in base64).
 */
import { Stream } from "effect"

export interface Withheld {
  readonly name: string
  readonly value: string
}

/** A shorter value would be found in any text. */
const lengthMin = 4

/** What one UTF-16 unit of a value takes in bytes, at most: three of UTF-8, each as `%XX`. */
const unitBytesMax = 9

/** Each secret replaced by `[secret NAME]`. */
export interface Withholding {
  readonly text: (text: string) => string

  /** Also where a secret lies across two pieces. */
  readonly bytes: <E>(pieces: Stream.Stream<Uint8Array, E>) => Stream.Stream<Uint8Array, E>
}

export const withholding = (secrets: ReadonlyArray<Withheld>): Withholding => {
  const sought = secrets
    // Blanks around a header are not sent.
    .map(({ name, value }) => ({ name, value: value.trim() }))
    .filter(({ value }) => value.length >= lengthMin)
    // Of two that begin in one place the longer one is found.
    .toSorted((a, b) => b.value.length - a.value.length)
  if (sought.length === 0) return { text: (text) => text, bytes: (pieces) => pieces }
  const pattern = new RegExp(
    sought.map(({ value }) => `(${Array.from(value, (character) => written(character)).join("")})`).join("|"),
    "gi"
  )
  const token = (found: ReadonlyArray<unknown>) =>
    `[secret ${sought.find((_, at) => found[at + 1] !== undefined)!.name}]`
  /** So many bytes before the end of a piece may be the beginning of a secret. */
  const kept = sought[0]!.value.length * unitBytesMax - 1

  const bytes: Withholding["bytes"] = (pieces) =>
    Stream.suspend(() => {
      let carry = ""
      const next = (piece: Uint8Array, isLast: boolean): Uint8Array => {
        const rest = carry + asCharacters(piece)
        // Nearer to the end, a longer one may still begin where a shorter one is found.
        const whole = isLast ? rest.length : rest.length - kept
        let out = ""
        let at = 0
        for (const found of rest.matchAll(pattern)) {
          if (found.index >= whole) break
          out += rest.slice(at, found.index) + token(found)
          at = found.index + found[0].length
        }
        const ready = Math.max(at, whole)
        carry = rest.slice(ready)
        return Buffer.from(out + rest.slice(at, ready), "latin1")
      }
      return Stream.concat(
        Stream.map(pieces, (piece) => next(piece, false)),
        Stream.suspend(() => Stream.make(next(new Uint8Array(), true)))
      ).pipe(Stream.filter((piece) => piece.byteLength > 0))
    })

  const text = (text: string) =>
    Buffer.from(
      asCharacters(Buffer.from(text)).replace(pattern, (...found) => token(found)),
      "latin1"
    ).toString()

  return { text, bytes }
}

// ---------------------------------------------------------------------------------------------------------
// Parts
// ---------------------------------------------------------------------------------------------------------

/** A character a byte, so that expressions find bytes. */
const asCharacters = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1")

const hex = (number: number, digits: number) => number.toString(16).padStart(digits, "0")

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")

/** An expression for a character of a secret in bytes: in a URL, in a form, in JSON, or as it is. */
const written = (character: string): string => {
  const bytes = Buffer.from(character)
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at))
  const ways = [
    [...bytes].map((byte) => `%${hex(byte, 2)}`).join(""),
    units.map((unit) => `\\\\u${hex(unit, 4)}`).join(""),
    ...(character === " " ? ["\\+"] : []),
    (/["\\/]/.test(character) ? "\\\\?" : "") + escaped(asCharacters(bytes))
  ]
  return `(?:${ways.join("|")})`
}
