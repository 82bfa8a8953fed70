import { describe, expect, test } from "bun:test"
import { Result, Schema } from "effect"
import { readdirSync } from "node:fs"
import * as path from "node:path"
import { exactly } from "../../../handlers/input/exactly.ts"
import { check, type Checked } from "../../../runtime/check.ts"
import { isTaskDefinition, type TaskDefinition } from "../../../runtime/handler.ts"

const faultsIn = (readInput: (input: unknown) => Checked, input: unknown) => {
  const checked = readInput(input)
  return checked instanceof Promise || Result.isSuccess(checked) ? [] : checked.failure.faults
}

describe("an input of known fields", () => {
  const readInput = check(
    exactly(Schema.Struct({ "a/b": Schema.optionalKey(Schema.Struct({ retries: Schema.Int })) })),
    Schema.toStandardSchemaV1
  )

  test("is taken in where it fits", () => {
    expect(faultsIn(readInput, {})).toEqual([])
    expect(faultsIn(readInput, { "a/b": { retries: 1 } })).toEqual([])
  })

  test("is refused with each field that it does not have, and what was meant", () => {
    expect(faultsIn(readInput, { zzz: 1, "a/b": { retries: 1, "~": 2 } })).toEqual([
      { path: "/zzz", message: "there is no such field" },
      { path: "/a~1b/~0", message: "there is no such field" }
    ])
    expect(faultsIn(readInput, { "a:b": 1 })).toEqual([
      { path: "/a:b", message: "there is no such field; did you mean a/b?" }
    ])
  })
})

const folder = path.join(import.meta.dir, "../../../handlers")
/** Those that only other handlers submit may be told more by a newer version of them. */
const internal = ["agent.batch-part", "documents.part"]
const modules: ReadonlyArray<Readonly<Record<string, unknown>>> = await Promise.all(
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => path.join(folder, name, "index.ts"))
    .filter((file) => Bun.file(file).size > 0)
    .map((file) => import(file))
)
const handlers = modules
  .flatMap((module) => Object.values(module))
  .filter(isTaskDefinition)
  .filter(({ name }) => !internal.includes(name))

/** What a handler reads inputs by: one for each message of an agent that takes something. */
const readersOf = ({ body, name, readInput }: TaskDefinition) =>
  body.kind === "agent"
    ? [...body.messages]
        .filter(([message]) => message !== "reset")
        .map(([message, { readInput }]) => [`${name} (${message})`, readInput] as const)
    : [[name, readInput] as const]

describe("a field that a built-in handler does not have", () => {
  for (const [name, readInput] of handlers.flatMap(readersOf)) {
    test(`is refused by ${name}`, () => {
      expect(faultsIn(readInput, { bogus: 1 })).toContainEqual({
        path: "/bogus",
        message: expect.stringContaining("there is no such field")
      })
    })
  }
})
