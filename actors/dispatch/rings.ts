/**
 * The ring that a task's limits make: its name when the task is submitted, and what the name asks of the limits when
 * the task is to run. Decisions over plain values.
 */
import type { LimitRequest } from "../../runtime/limits.ts"
import type { Limit } from "../../runtime/terms.ts"

/** An amount of limits, rounded up to two digits that count, so that there are few rings. */
const rounded = (amount: number): number => {
  const whole = Math.ceil(amount)
  const unit = 10 ** Math.max(0, String(whole).length - 2)
  return Math.ceil(whole / unit) * unit
}

const amountOf = ({ amount, name }: Limit, input: unknown): number => {
  const said: unknown = typeof amount === "function" ? amount(input) : amount
  if (typeof said !== "number" || !(said >= 0 && said <= Number.MAX_SAFE_INTEGER))
    throw new TypeError(`limit ${name}: amount gave ${String(said)} for this input, and no number from 0`)
  return rounded(said)
}

/** Rings that are the same whatever the input is. */
const fixedRings = new WeakMap<ReadonlyArray<Limit>, string>()

const makeRing = (limits: ReadonlyArray<Limit>, input: unknown): string =>
  limits
    .map((limit) => {
      const amount = limit.rate === undefined ? 1 : amountOf(limit, input)
      return amount === 1 ? limit.name : `${limit.name}*${amount}`
    })
    .toSorted()
    .join("+")

/**
 * The ring of tasks with these limits: their names, each with `*<amount>` where it takes more or less than 1 of a
 * rate, in one order whatever theirs is. Throws `TypeError` when `amount` gives no number for the input.
 */
export const ringOfLimits = (limits: ReadonlyArray<Limit>, input: unknown): string => {
  const there = fixedRings.get(limits)
  if (there !== undefined) return there
  const ring = makeRing(limits, input)
  if (limits.every(({ amount }) => typeof amount !== "function")) fixedRings.set(limits, ring)
  return ring
}

/**
 * What to ask for a ring: of each of its limits, what the first handler says that says it. `undefined` when one of
 * its names is unknown here: other processes have other handlers.
 */
export const requestsOf = (
  ring: string,
  handlers: Iterable<{ readonly limits: ReadonlyArray<Limit> }>
): ReadonlyArray<LimitRequest> | undefined => {
  const limits = [...handlers].flatMap(({ limits }) => limits)
  const requests: Array<LimitRequest> = []
  for (const part of ring.split("+")) {
    const [name = "", amount = "1"] = part.split("*")
    const said = limits.filter((limit) => limit.name === name)
    if (said.length === 0) return undefined
    const rate = said.find(({ rate }) => rate !== undefined)?.rate
    const concurrency = said.find(({ concurrency }) => concurrency !== undefined)?.concurrency
    requests.push({
      name,
      ...(rate && { rate: { ...rate, amount: Number(amount) } }),
      ...(concurrency !== undefined && { concurrency })
    })
  }
  return requests
}
