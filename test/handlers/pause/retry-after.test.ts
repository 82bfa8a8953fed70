import { expect, test } from "bun:test"
import { pauseOf } from "../../../handlers/pause/retry-after.ts"

const now = Date.UTC(2026, 10, 22, 12)

test.each([
  ["seconds", { "retry-after": "7" }, 7_000],
  ["milliseconds, before seconds", { "retry-after-ms": "250", "retry-after": "1" }, 250],
  ["a date", { "retry-after": "Sun, 22 Nov 2026 12:00:30 GMT" }, 30_000],
  ["a date that is past", { "retry-after": "Sun, 22 Nov 2026 11:00:00 GMT" }, 0],
  ["nothing", {}, 10_000],
  ["something else", { "retry-after": "soon" }, 10_000],
  ["a year", { "retry-after": "31536000" }, 3_600_000]
])("a service that says %s is left alone for so long", (_, headers, pause) => {
  expect(pauseOf(headers, now)).toBe(pause)
})
