/** What a conversation is: its settings, its turns, and what they came to. */
import { Schema } from "effect"
import { toolName } from "../../runtime/tool.ts"
import { Budget } from "../model/budget.ts"
import { DocumentId } from "../text/documents.ts"
import { Summary, Turn } from "./history.ts"

const instructionsCharactersMax = 8_000
const documentsMax = 100
const toolsMax = 16

/** What may be said of a conversation; what is not said stays as it is. */
export const Settings = {
  /** What the model is and how it answers. */
  instructions: Schema.String.check(Schema.isMaxLength(instructionsCharactersMax)),
  /** Ids of processed documents that `search_documents` looks through. Default: all there are. */
  documents: Schema.Array(DocumentId).check(Schema.isMinLength(1), Schema.isMaxLength(documentsMax)),
  /** Names of tools that the model may call. Default: none. */
  tools: Schema.Array(
    Schema.String.check(Schema.isPattern(toolName, { message: "1 to 64 of A-Z a-z 0-9 _ -, a letter first" }))
  ).check(Schema.isMaxLength(toolsMax)),
  toolCalls: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 32 })),
  /** How many tokens of earlier turns the model is told, about. Default 8 000. */
  historyTokens: Schema.Int.check(Schema.isBetween({ minimum: 100, maximum: 200_000 })),
  /** What becomes of turns that do not fit any more: left out, or told as a summary. Default `trim`. */
  overflow: Schema.Literals(["trim", "summarise"]),
  /** Of each question, unless it says another. */
  budget: Budget
}

export const SettingsJson = Schema.Struct({
  instructions: Schema.optionalKey(Settings.instructions),
  documents: Schema.optionalKey(Settings.documents),
  tools: Schema.optionalKey(Settings.tools),
  toolCalls: Schema.optionalKey(Settings.toolCalls),
  historyTokens: Schema.optionalKey(Settings.historyTokens),
  overflow: Schema.optionalKey(Settings.overflow),
  budget: Schema.optionalKey(Settings.budget)
})
export type SettingsJson = typeof SettingsJson.Type

export const historyTokensDefault = 8_000

/** What all turns and summaries came to, those that are not kept any more among them. */
export const Spent = Schema.Struct({
  inputTokens: Schema.Int,
  outputTokens: Schema.Int,
  costMicros: Schema.Int
})
export type Spent = typeof Spent.Type

export const Chat = Schema.Struct({
  settings: SettingsJson,
  turns: Schema.Array(Turn),
  summary: Schema.optionalKey(Summary),
  /** How many turns were asked since the beginning, or since the last reset. */
  asked: Schema.Int,
  spent: Spent
})
export type Chat = typeof Chat.Type

export const emptyChat: Chat = {
  settings: {},
  turns: [],
  asked: 0,
  spent: { inputTokens: 0, outputTokens: 0, costMicros: 0 }
}
