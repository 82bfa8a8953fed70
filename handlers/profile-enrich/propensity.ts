/**
 * How likely somebody is to do what a caller asks of them: a logistic model over features with names, over plain values.
 *
 *     z = bias + Σ weight × feature        score = 1 / (1 + e^-z)
 *
 * Nothing is learned here. The default weights say what is commonly so: who was there lately, often, more than before
 * and content is likelier. Whoever has data fits weights of their own and hands them over. Every score says what each
 * feature came to.
 */
import type { Behaviour } from "./behaviour.ts"

export const featureNames = [
  "recency",
  "frequency",
  "change",
  "tenure",
  "value",
  "channels",
  "sentiment",
  "sentimentChange"
] as const

export type Weights = Readonly<Record<string, number>>

export const weightsDefault: Weights = {
  bias: -2,
  recency: 2,
  frequency: 0.8,
  change: 0.6,
  tenure: 0.1,
  value: 0.05,
  channels: 0.3,
  sentiment: 1,
  sentimentChange: 0.4
}

/** After so many days a last deed counts a third of what it did. */
const recencyDays = 30

/** The features of a customer, and one for each type of event: `event:<type>`. */
export const featuresOf = (
  behaviour: Behaviour,
  sentiment: { readonly score: number; readonly change: number }
): Readonly<Record<string, number>> => ({
  recency: behaviour.recencyDays === undefined ? 0 : Math.exp(-behaviour.recencyDays / recencyDays),
  frequency: Math.log1p(behaviour.perWeek),
  change: behaviour.change,
  tenure: Math.log1p(behaviour.tenureDays ?? 0),
  value: Math.log1p(Math.max(0, behaviour.value)),
  channels: Math.log1p(Object.keys(behaviour.channels).length),
  sentiment: sentiment.score,
  sentimentChange: sentiment.change,
  ...Object.fromEntries(
    Object.entries(behaviour.types).map(([type, count]) => [`event:${type}`, Math.log1p(count)])
  )
})

export interface Contribution {
  readonly feature: string
  readonly value: number
  readonly weight: number
  /** Weight times value: what it adds to z. */
  readonly contribution: number
}

export interface Propensity {
  /** From 0 to 1. */
  readonly score: number
  readonly bias: number
  /** Of every feature that has a weight, what moved the score most first. */
  readonly contributions: ReadonlyArray<Contribution>
}

const rounded = (number: number) => Number(number.toFixed(4))

export const propensityOf = (features: Readonly<Record<string, number>>, weights: Weights): Propensity => {
  const { bias = 0, ...rest } = weights
  const contributions = Object.entries(rest)
    .map(([feature, weight]): Contribution => {
      // A type of event that never came is a feature of nothing.
      const value = Object.hasOwn(features, feature) ? features[feature]! : 0
      return { feature, value: rounded(value), weight, contribution: rounded(weight * value) }
    })
    .toSorted(
      (a, b) => Math.abs(b.contribution) - Math.abs(a.contribution) || (a.feature < b.feature ? -1 : 1)
    )
  const z = contributions.reduce((sum, { contribution }) => sum + contribution, bias)
  return { score: rounded(1 / (1 + Math.exp(-z))), bias, contributions }
}
