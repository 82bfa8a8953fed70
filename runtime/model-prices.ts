/** What tokens of language models cost, as a setting says it; and what a call comes to. */
import { Result } from "effect"

/** Of one model, or of all whose names begin as it says: in units of a currency per million tokens. */
export interface ModelPrice {
  /** Ends in `*` where it stands for all names that begin so. */
  readonly model: string
  readonly input: number
  readonly output: number
}

const form = /^([^\s=,]{1,128})=(\d{1,6}(?:\.\d{1,6})?)\/(\d{1,6}(?:\.\d{1,6})?)$/

/** Reads `gpt-5.4-mini=0.25/2,claude-*=1/5`: what a million tokens of input and of output cost. */
export const readModelPrices = (text: string): Result.Result<ReadonlyArray<ModelPrice>, string> => {
  const prices: Array<ModelPrice> = []
  for (const part of text.split(",")) {
    const [, model, input, output] = form.exec(part.trim()) ?? []
    if (model === undefined) {
      return Result.fail(
        `"${part.trim()}" is not model=input/output, as in gpt-5.4-mini=0.25/2: what a million tokens cost`
      )
    }
    prices.push({ model, input: Number(input), output: Number(output) })
  }
  return Result.succeed(prices)
}

/**
 * What a call costs, in millionths of the currency, rounded up; `undefined` for a model without a price. The first price
 * that fits counts.
 */
export const costMicros = (
  prices: ReadonlyArray<ModelPrice>,
  model: string,
  tokens: { readonly inputTokens: number; readonly outputTokens: number }
): number | undefined => {
  const price = prices.find((price) =>
    price.model.endsWith("*") ? model.startsWith(price.model.slice(0, -1)) : price.model === model
  )
  // A price per million tokens is as many millionths per token.
  return (
    price &&
    Math.ceil(Number((tokens.inputTokens * price.input + tokens.outputTokens * price.output).toFixed(6)))
  )
}
