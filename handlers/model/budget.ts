/**
 * What a request may use of a model, and what is left of that: decided over plain values.
 *
 * A budget is asked before each call. What the call would need is estimated, and a call that does not fit is not made; one
 * that fits gets as many tokens of output as are left.
 */
import { Schema } from "effect"

const Tokens = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000_000 }))

/** At most so many tokens in all calls of one request together. */
export const Budget = Schema.Struct({
  inputTokens: Schema.optionalKey(Tokens),
  outputTokens: Schema.optionalKey(Tokens),
  totalTokens: Schema.optionalKey(Tokens)
})
export type Budget = typeof Budget.Type

export interface Spent {
  readonly inputTokens: number
  readonly outputTokens: number
}

export const nothingSpent: Spent = { inputTokens: 0, outputTokens: 0 }

/** What ends an answer early: a part of the budget, the longest answer there is, or the provider's filter. */
export const stops = ["inputTokens", "outputTokens", "totalTokens", "length", "content-filter"] as const
export type Stop = (typeof stops)[number]

export type Allowance =
  /** The call may be made, with so many tokens of output at most; `by` is what bounds them. */
  | { readonly kind: "go"; readonly outputTokens: number; readonly by: Stop }
  /** It may not: `needs` so many of `by`, of which `left` are left. */
  | { readonly kind: "stop"; readonly by: keyof Budget; readonly needs: number; readonly left: number }

/** Whether a call with about `input` tokens of input may be made. An answer is cut off at `outputMax` tokens anyway. */
export const allowance = (budget: Budget, spent: Spent, input: number, outputMax: number): Allowance => {
  const left = {
    inputTokens: (budget.inputTokens ?? Infinity) - spent.inputTokens,
    outputTokens: (budget.outputTokens ?? Infinity) - spent.outputTokens,
    totalTokens: (budget.totalTokens ?? Infinity) - spent.inputTokens - spent.outputTokens
  }
  const needs = { inputTokens: input, outputTokens: 1, totalTokens: input + 1 }
  for (const by of ["inputTokens", "outputTokens", "totalTokens"] as const) {
    if (left[by] < needs[by]) return { kind: "stop", by, needs: needs[by], left: Math.max(0, left[by]) }
  }
  const outputTokens = Math.min(outputMax, left.outputTokens, left.totalTokens - input)
  const by =
    outputTokens === outputMax
      ? "length"
      : outputTokens === left.outputTokens
        ? "outputTokens"
        : "totalTokens"
  return { kind: "go", outputTokens, by }
}

/**
 * Whether an answer must be cut off although the provider goes on: it was told how much it may say, and may have been a
 * quarter more exact than what it has said `atLeast`, in tokens.
 */
export const isOverrun = (atLeast: number, outputTokens: number): boolean =>
  atLeast > Math.ceil(outputTokens * 1.25)
