/** Which traces are recorded, by the standard variables `OTEL_TRACES_SAMPLER` and `_ARG`: decisions over plain values. */
import { Result } from "effect"
import type { TraceContext } from "./trace-context.ts"

/** Decides about a span with or without a parent; `chance` is a random number in [0, 1) for a trace that begins. */
export type Sampler = (parent: TraceContext | undefined, chance: number) => boolean

const names = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio"
]

/** The share of all traces that a trace's id stands for: whoever is asked about it comes to the same answer. */
const shareOf = ({ traceId }: TraceContext) => Number.parseInt(traceId.slice(-13), 16) / 2 ** 52

/** Why there is none is a text for people. */
export const samplerOf = (
  name = "parentbased_always_on",
  argument?: string
): Result.Result<Sampler, { readonly variable: string; readonly reason: string }> => {
  if (!names.includes(name)) {
    return Result.fail({
      variable: "OTEL_TRACES_SAMPLER",
      reason: `"${name}" is none of ${names.join(", ")}`
    })
  }
  const ratio = argument === undefined ? 1 : Number(argument)
  if (!(ratio >= 0 && ratio <= 1)) {
    return Result.fail({
      variable: "OTEL_TRACES_SAMPLER_ARG",
      reason: `"${argument}" is no number from 0 to 1`
    })
  }
  const root: Sampler = name.endsWith("always_on")
    ? () => true
    : name.endsWith("always_off")
      ? () => false
      : (parent, chance) => (parent === undefined ? chance : shareOf(parent)) < ratio
  return Result.succeed(
    name.startsWith("parentbased_") ? (parent, chance) => parent?.sampled ?? root(parent, chance) : root
  )
}
