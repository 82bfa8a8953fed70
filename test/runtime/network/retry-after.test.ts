import { expect, test } from "bun:test"
import { retryAfterMs } from "../../../runtime/network/retry-after.ts"

const now = Date.UTC(2026, 10, 22, 12)
const dayMs = 86_400_000

test.each([
  ["whole seconds", "7", 7_000],
  ["no seconds", "0", 0],
  ["a date", "Sun, 22 Nov 2026 12:00:30 GMT", 30_000],
  ["a date of the first form of old", "Sunday, 22-Nov-26 12:00:30 GMT", 30_000],
  ["a date of the second form of old", "Sun Nov 22 12:00:30 2026", 30_000],
  ["a date that is past", "Sun, 06 Nov 1994 08:49:37 GMT", 0],
  ["more than is waited", "9".repeat(400), dayMs]
])("a server that says %s is asked again then", (_, header, ms) => {
  expect(retryAfterMs(header, now, dayMs)).toBe(ms)
})

test.each([
  ["no header", null],
  ["nothing", ""],
  ["part of a second", "2.5"],
  ["less than no seconds", "-5"],
  ["seconds and more", "7, 8"],
  ["a number with an exponent", "1e3"],
  ["a word", "soon"],
  ["a date that HTTP writes otherwise", "2026-11-22T12:00:30Z"],
  ["a day that there is not", "Sun, 99 Nov 2026 12:00:30 GMT"]
])("a server that says %s has not said when", (_, header) => {
  expect(retryAfterMs(header, now, dayMs)).toBeUndefined()
})
