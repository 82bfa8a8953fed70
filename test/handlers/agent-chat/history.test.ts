import { describe, expect, test } from "bun:test"
import { keptCharactersMax, newest, told, type Turn, withTurn } from "../../../handlers/agent-chat/history.ts"

/** A turn of so many tokens, half of them the question's. */
const turn = (number: number, tokens = 10): Turn => ({
  number,
  at: number,
  question: "q".repeat(tokens * 2),
  answer: "a".repeat(tokens * 2),
  usage: { inputTokens: 1, outputTokens: 1, model: "m" }
})
const turns = (count: number) => Array.from({ length: count }, (_, at) => turn(at + 1))
const numbers = (some: ReadonlyArray<Turn>) => some.map(({ number }) => number)

describe("what a model is told of a conversation", () => {
  test("is its newest turns, as many as the budget holds", () => {
    expect(numbers(newest(turns(5), 30))).toEqual([3, 4, 5])
    expect(numbers(newest(turns(5), 29))).toEqual([4, 5])
    expect(numbers(newest(turns(5), 9))).toEqual([])
    expect(numbers(newest([], 9))).toEqual([])
  })

  test("leaves the older ones out where it trims", () => {
    const { toSummarise, turns: some } = told(turns(5), undefined, { historyTokens: 30, overflow: "trim" })
    expect([numbers(some), toSummarise]).toEqual([[3, 4, 5], []])
  })

  test("needs no summary while all fit", () => {
    const { toSummarise, turns: some } = told(turns(3), undefined, {
      historyTokens: 30,
      overflow: "summarise"
    })
    expect([numbers(some), toSummarise]).toEqual([[1, 2, 3], []])
  })

  test("is summed up so far that half of the budget is free again", () => {
    const { toSummarise, turns: some } = told(turns(4), undefined, {
      historyTokens: 30,
      overflow: "summarise"
    })
    expect([numbers(some), numbers(toSummarise)]).toEqual([[4], [1, 2, 3]])
  })

  test("is summed up before turns are dropped that no summary tells of, however much the model may be told", () => {
    const settings = { historyTokens: 200_000, overflow: "summarise" } as const
    let kept: ReadonlyArray<Turn> = []
    let summary: { readonly text: string; readonly upTo: number } | undefined
    let known = 0
    for (let number = 1; number <= 60; number++) {
      const history = told(kept, summary, settings)
      const last = history.toSummarise.at(-1)
      if (last !== undefined) summary = { text: "s", upTo: last.number }
      // What the summary tells of, and what is told as it was, are all there is.
      expect(numbers(history.turns)[0] ?? number).toBe((summary?.upTo ?? 0) + 1)
      known = Math.max(known, history.turns.length)
      kept = withTurn(kept, turn(number, 2_500))
    }
    expect(summary?.upTo).toBeGreaterThan(30)
    expect(known).toBeGreaterThan(10)
  })

  test("sums up nothing twice", () => {
    const summary = { text: "s", upTo: 3 }
    const later = told(turns(6), summary, { historyTokens: 30, overflow: "summarise" })
    expect([numbers(later.turns), later.toSummarise]).toEqual([[4, 5, 6], []])
    const full = told(turns(7), summary, { historyTokens: 30, overflow: "summarise" })
    expect([numbers(full.turns), numbers(full.toSummarise)]).toEqual([[7], [4, 5, 6]])
  })
})

describe("what is kept of a conversation", () => {
  test("is every turn while they are not too long together, and the last one in any case", () => {
    expect(numbers(withTurn(turns(2), turn(3)))).toEqual([1, 2, 3])
    const long = keptCharactersMax / 4 / 2
    const many = [1, 2, 3].map((number) => turn(number, long))
    expect(numbers(withTurn(many.slice(0, 1), turn(2, long)))).toEqual([2])
    expect(numbers(withTurn(many, turn(4, keptCharactersMax)))).toEqual([4])
  })
})
