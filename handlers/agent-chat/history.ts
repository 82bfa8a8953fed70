/**
 * What of a conversation a model is told, and what of it is kept: decided over plain values.
 *
 * The newest turns are told, as many as the budget of tokens holds. What is older is either left out, or told as a summary
 * that the model itself has written; and it is kept for reading until the transcript grows too large.
 */
import { Schema } from "effect"
import { UsageJson } from "../model/call.ts"
import { estimateTokens } from "../model/tokens.ts"
import { Citation } from "../passages/citation.ts"

export const Turn = Schema.Struct({
  /** From 1, in the order in which they were asked. */
  number: Schema.Int,
  /** When it was answered, in Unix milliseconds. */
  at: Schema.Int,
  question: Schema.String,
  answer: Schema.String,
  citations: Schema.optionalKey(Schema.Array(Citation)),
  usage: UsageJson
})
export type Turn = typeof Turn.Type

export const Summary = Schema.Struct({
  text: Schema.String,
  /** The number of the last turn that it tells of. */
  upTo: Schema.Int
})
export type Summary = typeof Summary.Type

/** The oldest turns are dropped where all of them have more characters: a state has its bounds. */
export const keptCharactersMax = 200_000

export const tokensOf = ({ answer, question }: Pick<Turn, "answer" | "question">): number =>
  estimateTokens(question) + estimateTokens(answer)

/** The newest turns, in order, that together have at most so many tokens. */
export const newest = (turns: ReadonlyArray<Turn>, tokensMax: number): ReadonlyArray<Turn> => {
  let tokens = 0
  let from = turns.length
  while (from > 0) {
    tokens += tokensOf(turns[from - 1]!)
    if (tokens > tokensMax) break
    from -= 1
  }
  return turns.slice(from)
}

/** What is told to a model, and what is to be put into a summary first. */
export interface Told {
  readonly turns: ReadonlyArray<Turn>
  /** Empty where the turns and the summary there is will do. */
  readonly toSummarise: ReadonlyArray<Turn>
}

/**
 * Where turns are summarised, it is done for as many at once that half of the budget is free again; so most questions need
 * none.
 */
export const told = (
  turns: ReadonlyArray<Turn>,
  summary: Summary | undefined,
  { historyTokens, overflow }: { readonly historyTokens: number; readonly overflow: "trim" | "summarise" }
): Told => {
  if (overflow === "trim") return { turns: newest(turns, historyTokens), toSummarise: [] }
  const open = turns.filter(({ number }) => number > (summary?.upTo ?? 0))
  if (newest(open, historyTokens).length === open.length) return { turns: open, toSummarise: [] }
  const kept = newest(open, Math.floor(historyTokens / 2))
  return { turns: kept, toSummarise: open.slice(0, open.length - kept.length) }
}

/** The turns that are kept when another one comes: all, less the oldest where they are too long together. */
export const withTurn = (turns: ReadonlyArray<Turn>, turn: Turn): ReadonlyArray<Turn> => {
  const all = [...turns, turn]
  const length = (turn: Turn) => JSON.stringify(turn).length
  let characters = all.reduce((sum, turn) => sum + length(turn), 0)
  let from = 0
  while (characters > keptCharactersMax && from < all.length - 1) characters -= length(all[from++]!)
  return all.slice(from)
}
