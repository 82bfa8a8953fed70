import { describe, expect, test } from "bun:test"
import { Schema } from "effect"
import * as v from "valibot"
import { z } from "zod"
import { defineTool, isToolDefinition } from "../../runtime/tool.ts"

const run = () => 1

describe("a tool", () => {
  test("tells models the JSON schema of its input, of zod or of effect", () => {
    const expected = {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"]
    }
    const ofZod = defineTool({ name: "w", description: "d", input: z.object({ city: z.string() }), run })
    const ofEffect = defineTool({
      name: "w",
      description: "d",
      input: Schema.Struct({ city: Schema.String }),
      run
    })
    expect(ofZod.parameters).toMatchObject(expected)
    expect(ofEffect.parameters).toMatchObject(expected)
    expect(isToolDefinition(ofZod)).toBe(true)
    expect(isToolDefinition({ name: "w" })).toBe(false)
  })

  test("says it itself where its schema cannot", () => {
    const input = v.object({ city: v.string() })
    const parameters = { type: "object", properties: { city: { type: "string" } } }
    expect(defineTool({ name: "w", description: "d", input, parameters, run }).parameters).toEqual(parameters)
    expect(() => defineTool({ name: "w", description: "d", input, run })).toThrow("say it as parameters")
  })

  test("that cannot be is refused, and the field named", () => {
    const input = z.object({})
    expect(() => defineTool({ name: "a b", description: "d", input, run })).toThrow("cannot name a tool")
    expect(() => defineTool({ name: "a", description: " ", input, run })).toThrow("description")
    expect(() => defineTool({ name: "a", description: "d", input, timeout: 0, run })).toThrow("timeout")
  })
})
