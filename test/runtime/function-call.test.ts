/** Calls of functions on the wire: what ioredis would write for the same arguments. */
import { expect, test } from "bun:test"
import fc from "fast-check"
import { Command } from "ioredis"
import { requestOf } from "../../runtime/redis/function-call.ts"

const asIoredisWrites = (args: ReadonlyArray<string | number>): string =>
  String(new Command("fcall", [...args]).toWritable({}))

test("a call is written as ioredis writes it, whatever its arguments are", () => {
  const argument = fc.oneof(fc.string({ unit: "binary" }), fc.string(), fc.maxSafeInteger())
  fc.assert(
    fc.property(fc.array(argument), (args) => {
      expect(requestOf(["fcall", ...args])).toBe(asIoredisWrites(args))
    }),
    { numRuns: 1_000 }
  )
})

test("letters of several bytes count as many", () => {
  expect(requestOf(["é", "€", "😀", "\ud800"])).toBe(
    "*4\r\n$2\r\né\r\n$3\r\n€\r\n$4\r\n😀\r\n$3\r\n\ud800\r\n"
  )
})
