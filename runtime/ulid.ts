/**
 * Makes the unique parts of task ids: ULIDs in the specification's monotonic mode, so that ids of one process sort in
 * the order they were made, even within a millisecond. Source: the ULID specification, github.com/ulid/spec.
 *
 * The service of `effect` reads the clock and draws through an effect per id, which costs as much as all the rest of
 * a submit; here the time is handed in.
 */
import { sha256Bytes } from "./digest.ts"

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

/** The first letters of the random part stay within a millisecond; the last ones count on from a random start. */
const fixedLength = 8
const countedMax = 32 ** 8

const pairs = Array.from(
  { length: 32 ** 2 },
  (_, at) => crockford[Math.floor(at / 32)]! + crockford[at % 32]!
)

/** An even number of letters, two at a time: ids are made on the hot path. */
const letters = (number: number, length: number): string => {
  let text = ""
  let rest = number
  for (let at = 0; at < length; at += 2) {
    text = pairs[rest % 1_024]! + text
    rest = Math.floor(rest / 1_024)
  }
  return text
}

/** 40 random bits. */
const random = (): number => {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2))
  return (high % 256) * 2 ** 32 + low
}

/** Makes a generator; `now` is in Unix milliseconds. A clock that goes back does not take the ids with it. */
export const makeUlid = (): ((now: number) => string) => {
  let time = -1
  let head = ""
  let count = 0
  return (now) => {
    if (now > time || count + 1 >= countedMax) {
      time = Math.max(now, time + 1)
      // The highest bit says of which tenants it may be (`runtime/tenant.ts`).
      head = letters(time, 10) + letters(random() % 2 ** 39, fixedLength)
      // The upper half is left to count through.
      count = Math.floor(random() / 2)
    } else count += 1
    return head + letters(count, 16 - fixedLength)
  }
}

/** The ULID of a time (Unix milliseconds) and a text: the same whoever makes it, and however often. */
export const ulidFor = (time: number, text: string): string => {
  const hash = sha256Bytes(text)
  return letters(time, 10) + letters(hash.readUIntBE(0, 5), 8) + letters(hash.readUIntBE(5, 5), 8)
}
