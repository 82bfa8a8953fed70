/**
 * What somebody's words say: how content each message is, and what it is about. By `wink-nlp` and its English model.
 *
 * The model is a megabyte and is loaded once; a message takes less than a millisecond.
 */
import { Effect } from "effect"
import type { ItemSentence } from "wink-nlp"
import { optionalPackage } from "../packages/optional.ts"

/** What a message says. */
export interface Heard {
  /** From -1 to 1. */
  readonly sentiment: number
  /** What it is about, each once, with the sentiment of the sentences that say so. */
  readonly topics: ReadonlyMap<string, number>
}

export type Listen = (text: string) => Heard

/** Words that are the subject of anything, and so of nothing. */
const emptyWords = new Set(
  "thing things day days time times week month year today tomorrow yesterday morning evening way lot bit kind sort one hi hello thanks thank please regard regards everyone anyone someone".split(
    " "
  )
)

/** A topic of one word has so many letters at least. */
const lettersMin = 3

/** Loads the model on its first use. Fails with `Fatal` of type `PackageMissing`. */
export const listening: Effect.Effect<Listen, Effect.Error<ReturnType<typeof optionalPackage>>> = Effect.gen(
  function* () {
    const { default: winkNLP } = yield* optionalPackage("wink-nlp", () => import("wink-nlp"))
    const { default: model } = yield* optionalPackage(
      "wink-eng-lite-web-model",
      () => import("wink-eng-lite-web-model")
    )
    const nlp = winkNLP(model, ["sbd", "negation", "sentiment", "pos"])
    // The package's own functions, which use no `this`.
    const {
      lemma,
      pos,
      sentiment: feeling
    } = nlp.its as unknown as Record<"lemma" | "pos" | "sentiment", never>
    return (text) => {
      const doc = nlp.readDoc(text)
      const said = new Map<string, Array<number>>()
      doc.sentences().each((sentence: ItemSentence) => {
        const sentiment = sentence.out<number>(feeling) as number
        const kinds = sentence.tokens().out<string>(pos) as ReadonlyArray<string>
        const words = sentence.tokens().out<string>(lemma) as ReadonlyArray<string>
        for (const topic of topicsIn(kinds, words)) {
          const there = said.get(topic)
          if (there === undefined) said.set(topic, [sentiment])
          else there.push(sentiment)
        }
      })
      const topics = new Map([...said].map(([topic, all]) => [topic, mean(all)]))
      return { sentiment: doc.out<number>(feeling) as number, topics }
    }
  }
)

/** Nouns in a row are one topic: "coffee machine". */
export const topicsIn = (
  kinds: ReadonlyArray<string>,
  words: ReadonlyArray<string>
): ReadonlyArray<string> => {
  const topics: Array<string> = []
  let row: Array<string> = []
  for (let at = 0; at <= words.length; at++) {
    const word = words[at]?.toLowerCase() ?? ""
    const isNoun = kinds[at] === "NOUN" || kinds[at] === "PROPN"
    if (isNoun && /^[\p{L}\p{N}-]+$/u.test(word) && !emptyWords.has(word)) {
      row.push(word)
      continue
    }
    const topic = row.join(" ")
    if (topic.length >= lettersMin) topics.push(topic)
    row = []
  }
  return [...new Set(topics)]
}

export const mean = (numbers: ReadonlyArray<number>): number =>
  numbers.length === 0 ? 0 : numbers.reduce((sum, number) => sum + number, 0) / numbers.length
