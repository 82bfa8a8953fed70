import { describe, expect, test } from "bun:test"
import { cutHead, headMax, headOf } from "../../runtime/lifecycle.ts"
import { lifecycleSuite } from "../suite/lifecycle.ts"
import { memoryStore, redisStore } from "../support/stores.ts"

lifecycleSuite("memory", memoryStore)
lifecycleSuite("Redis", redisStore)

describe("the head of a record", () => {
  test("ends before the input", () => {
    expect(cutHead('Qn1.0{"name":"a","tags":["x"],"input":{"secret":1}}')).toBe('{"name":"a","tags":["x"]')
  })

  test("has nothing of the output of a task whose input was not kept", () => {
    const record =
      'Sn1.0{"task":{"name":"a"},"worker":"w","finishedAt":1,"output":{"tags":["secret"],"input":1}}'
    expect(cutHead(record)).toBe('{"task":{"name":"a"}')
    expect(headOf(cutHead(record))).toEqual({ name: "a", tags: [] })
  })

  test("is what is clear of one that is sealed", () => {
    expect(headOf(cutHead('Qn1.0{"sealed":"~abc","name":"a","tenant":"t"}'))).toEqual({
      name: "a",
      tags: [],
      tenant: "t"
    })
  })

  test("is read though it is cut off", () => {
    const record = `Qn1.0{"name":"a","tags":["b"],"retry":"${"x".repeat(headMax)}","input":1}`
    expect(cutHead(record)).toHaveLength(headMax)
    expect(headOf(cutHead(record))).toEqual({ name: "a", tags: ["b"] })
  })
})
