import { describe, expect, test } from "bun:test"
import { Duration } from "effect"
import { reasonToRecycle } from "../../../actors/node/recycling.ts"

const mebibyte = 1024 * 1024
const young = { done: 0, memoryBytes: 80 * mebibyte, ageMs: 0 }
const never = { recycleTasks: undefined, recycleMemory: undefined, recycleAge: undefined }

describe("a worker process", () => {
  test("is never recycled where nothing says when", () => {
    expect(reasonToRecycle(never, { done: 1e9, memoryBytes: 1e12, ageMs: 1e12 })).toBeUndefined()
  })

  test("is recycled after so many tasks", () => {
    const settings = { ...never, recycleTasks: 100 }
    expect(reasonToRecycle(settings, { ...young, done: 99 })).toBeUndefined()
    expect(reasonToRecycle(settings, { ...young, done: 100 })).toBe("it has run 100 tasks")
  })

  test("is recycled over so much memory", () => {
    const settings = { ...never, recycleMemory: 512 }
    expect(reasonToRecycle(settings, { ...young, memoryBytes: 511 * mebibyte })).toBeUndefined()
    expect(reasonToRecycle(settings, { ...young, memoryBytes: 512 * mebibyte })).toBe(
      "it takes 512 MiB of memory"
    )
  })

  test("is recycled after so much time", () => {
    const settings = { ...never, recycleAge: Duration.hours(1) }
    expect(reasonToRecycle(settings, { ...young, ageMs: 3_599_999 })).toBeUndefined()
    expect(reasonToRecycle(settings, { ...young, ageMs: 3_600_000 })).toBe("it is 1h old")
  })
})
