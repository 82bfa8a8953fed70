import { expect, test } from "bun:test"
import { pauseOf } from "../../../handlers/pause/retry-after.ts"

const now = Date.UTC(2026, 10, 22, 12)

test.each([
  ["seconds", { "retry-after": "7" }, 7_000],
  ["milliseconds, before seconds", { "retry-after-ms": "1250.5", "retry-after": "2" }, 1_251],
  ["a date", { "retry-after": "Sun, 22 Nov 2026 12:00:30 GMT" }, 30_000],
  ["nothing", {}, 10_000],
  ["something else", { "retry-after": "soon" }, 10_000],
  ["less than no seconds", { "retry-after": "-1" }, 10_000],
  ["less than no milliseconds, but seconds", { "retry-after-ms": "-5", "retry-after": "7" }, 7_000],
  ["a year", { "retry-after": "31536000" }, 3_600_000]
])("a service that says %s is left alone for so long", (_, headers, pause) => {
  expect(pauseOf(headers, now)).toBe(pause)
})

test.each([
  ["no seconds", { "retry-after": "0" }],
  ["no milliseconds", { "retry-after-ms": "0" }],
  ["a few milliseconds", { "retry-after-ms": "20" }],
  ["a date that is past", { "retry-after": "Sun, 22 Nov 2026 11:00:00 GMT" }]
])("a service that says %s is left alone for a second all the same", (_, headers) => {
  expect(pauseOf(headers, now)).toBe(1_000)
})
