/** What the messages of somebody come to together: over plain values. */
import { dayMs, type Trend, trendOf } from "./behaviour.ts"
import { type Heard, mean } from "./words.ts"

/** What a message said, and when. */
export interface Said extends Heard {
  /** Unix milliseconds. */
  readonly at: number
}

export interface Sentiment {
  /** From -1 to 1: the mean, where what was said a month earlier counts half. */
  readonly score: number
  readonly label: "positive" | "neutral" | "negative"
  /** The last 30 days against what was before, from -2 to 2; 0 where either said nothing. */
  readonly change: number
  readonly trend: Trend
  /** How many messages of each kind. */
  readonly positive: number
  readonly neutral: number
  readonly negative: number
}

export interface Topic {
  readonly topic: string
  /** In how many messages. */
  readonly messages: number
  /** From -1 to 1: that of the sentences that say so. */
  readonly sentiment: number
}

const halfLifeDays = 30

/** Nearer to 0 than this is neither. */
const neutralMax = 0.05

const labelOf = (score: number): Sentiment["label"] =>
  score > neutralMax ? "positive" : score < -neutralMax ? "negative" : "neutral"

const rounded = (number: number) => Number(number.toFixed(3)) || 0

/** `asOf` in Unix milliseconds. */
export const sentimentOf = (said: ReadonlyArray<Said>, asOf: number): Sentiment => {
  let weights = 0
  let sum = 0
  for (const { at, sentiment } of said) {
    const weight = 0.5 ** ((asOf - at) / dayMs / halfLifeDays)
    weights += weight
    sum += weight * sentiment
  }
  const score = weights === 0 ? 0 : sum / weights
  const isLate = ({ at }: Said) => at > asOf - 30 * dayMs
  const late = said.filter(isLate).map(({ sentiment }) => sentiment)
  const early = said.filter((one) => !isLate(one)).map(({ sentiment }) => sentiment)
  const change = late.length === 0 || early.length === 0 ? 0 : mean(late) - mean(early)
  const labels = said.map(({ sentiment }) => labelOf(sentiment))
  const count = (label: Sentiment["label"]) => labels.filter((one) => one === label).length
  return {
    score: rounded(score),
    label: labelOf(score),
    change: rounded(change),
    trend: trendOf(change),
    positive: count("positive"),
    neutral: count("neutral"),
    negative: count("negative")
  }
}

/** The topics of most messages first; at most `top`. */
export const topicsOf = (said: ReadonlyArray<Said>, top: number): ReadonlyArray<Topic> => {
  const all = new Map<string, Array<number>>()
  for (const { topics } of said) {
    for (const [topic, sentiment] of topics) {
      const there = all.get(topic)
      if (there === undefined) all.set(topic, [sentiment])
      else there.push(sentiment)
    }
  }
  return [...all]
    .map(([topic, sentiments]) => ({
      topic,
      messages: sentiments.length,
      sentiment: rounded(mean(sentiments))
    }))
    .toSorted((a, b) => b.messages - a.messages || (a.topic < b.topic ? -1 : 1))
    .slice(0, top)
}
