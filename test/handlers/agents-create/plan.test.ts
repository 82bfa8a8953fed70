import { describe, expect, test } from "bun:test"
import { faultsOf, faultsText, wantedBy } from "../../../handlers/agents-create/plan.ts"

describe("a table of agents", () => {
  test("asks for an agent a row, with its other cells as the input of its first message", () => {
    expect(
      wantedBy([{ key: "ada", instructions: "Be kind.", "budget.inputTokens": 9, "budget.totalTokens": 10 }])
    ).toEqual({
      wanted: [
        {
          row: 1,
          key: "ada",
          input: { instructions: "Be kind.", budget: { inputTokens: 9, totalTokens: 10 } }
        }
      ],
      faults: []
    })
  })

  test("has faults where a key is missing, is no text, or comes twice", () => {
    const { faults, wanted } = wantedBy([{ key: "a" }, {}, { key: 7 }, { key: "a" }])
    expect(wanted.map(({ row }) => row)).toEqual([1])
    expect(faults).toMatchObject([
      { row: 2, field: "key" },
      { row: 3, field: "key" },
      { row: 4, field: "key", message: expect.stringContaining("row 1") }
    ])
  })

  test("reaches no prototype by the names of its columns", () => {
    const { wanted } = wantedBy([{ key: "a", ["__proto__.polluted"]: "yes" }])
    expect(({} as { polluted?: string }).polluted).toBeUndefined()
    expect(JSON.stringify(wanted[0]!.input)).toBe('{"__proto__":{"polluted":"yes"}}')
  })

  test("tells faults of a message by the fields of its row", () => {
    expect(
      faultsOf(3, [
        { path: "/input/input/budget/inputTokens", message: "m" },
        { path: "/input/input", message: "n" },
        { path: "/key", message: "o" }
      ])
    ).toEqual([
      { row: 3, field: "budget.inputTokens", message: "m" },
      { row: 3, message: "n" },
      { row: 3, field: "key", message: "o" }
    ])
  })

  test("tells as many faults as fit, and how many more there are", () => {
    const faults = [1, 2, 3].map((row) => ({ row, field: "f", message: "m" }))
    expect(faultsText(faults, 100)).toBe("row 1, f: m; row 2, f: m; row 3, f: m")
    expect(faultsText(faults, 25)).toBe("row 1, f: m; row 2, f: m; and 1 more")
  })
})
