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

/** With more, the next turn might push the oldest out. */
const openCharactersMax = (keptCharactersMax * 3) / 4

export const tokensOf = ({ answer, question }: Pick<Turn, "answer" | "question">): number =>
  estimateTokens(question) + estimateTokens(answer)

/** The newest turns, in order, that together have at most so many tokens, and so many characters as they are kept. */
export const newest = (
  turns: ReadonlyArray<Turn>,
  tokensMax: number,
  charactersMax: number = Number.POSITIVE_INFINITY
): ReadonlyArray<Turn> => {
  let tokens = 0
  let characters = 0
  let from = turns.length
  while (from > 0) {
    const turn = turns[from - 1]!
    tokens += tokensOf(turn)
    characters += charactersOf(turn)
    if (tokens > tokensMax || characters > charactersMax) break
    from -= 1
  }
  return turns.slice(from)
}

const charactersOf = (turn: Turn) => JSON.stringify(turn).length

/** What is told to a model, and what is to be put into a summary first. */
export interface Told {
  readonly turns: ReadonlyArray<Turn>
  /** Empty where the turns and the summary there is will do. */
  readonly toSummarise: ReadonlyArray<Turn>
}

/**
 * Where turns are summarised, it is done for as many at once that half of the budget is free again; so most questions need
 * none. It is also done before the transcript is so long that turns are dropped which no summary tells of.
 */
export const told = (
  turns: ReadonlyArray<Turn>,
  summary: Summary | undefined,
  { historyTokens, overflow }: { readonly historyTokens: number; readonly overflow: "trim" | "summarise" }
): Told => {
  if (overflow === "trim") return { turns: newest(turns, historyTokens), toSummarise: [] }
  const open = turns.filter(({ number }) => number > (summary?.upTo ?? 0))
  if (newest(open, historyTokens, openCharactersMax).length === open.length)
    return { turns: open, toSummarise: [] }
  const kept = newest(open, Math.floor(historyTokens / 2), Math.floor(openCharactersMax / 2))
  return { turns: kept, toSummarise: open.slice(0, open.length - kept.length) }
}

/** The turns that are kept when another one comes: all, less the oldest where they are too long together. */
export const withTurn = (turns: ReadonlyArray<Turn>, turn: Turn): ReadonlyArray<Turn> => {
  const all = [...turns, turn]
  let characters = all.reduce((sum, turn) => sum + charactersOf(turn), 0)
  let from = 0
  while (characters > keptCharactersMax && from < all.length - 1) characters -= charactersOf(all[from++]!)
  return all.slice(from)
}
