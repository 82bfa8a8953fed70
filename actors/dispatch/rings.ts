/**
 * The ring that a task's limits make: its name when the task is submitted, and what the name asks of the limits when
 * the task is to run. Decisions over plain values.
 */
import { countedAs, limitIn, type Using } from "../../runtime/limit-name.ts"
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

/** Rings that are the same whatever the task is. */
const fixedRings = new WeakMap<ReadonlyArray<Limit>, string>()

const makeRing = (limits: ReadonlyArray<Limit>, task: Using): string =>
  limits
    .map((limit) => {
      const name = countedAs(limit, task)
      const amount = limit.rate === undefined ? 1 : amountOf(limit, task.input)
      return amount === 1 ? name : `${name}*${amount}`
    })
    .toSorted()
    .join("+")

/**
 * The ring of tasks with these limits: what these are counted as, each with `*<amount>` where it takes more or less than 1 of a
 * rate, in one order whatever theirs is. Throws `TypeError` when `amount` gives no number for the input, or `each` no text.
 */
export const ringOfLimits = (limits: ReadonlyArray<Limit>, task: Using): string => {
  const there = fixedRings.get(limits)
  if (there !== undefined) return there
  const ring = makeRing(limits, task)
  if (limits.every(({ amount, each }) => typeof amount !== "function" && each === undefined))
    fixedRings.set(limits, ring)
  return ring
}

/** What the limits of a ring's tasks are counted as. */
export const namesIn = (ring: string): ReadonlyArray<string> =>
  ring.split("+").map((part) => part.split("*", 1)[0]!)

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
    const said = limits.filter((limit) => limit.name === limitIn(name))
    if (said.length === 0) return undefined
    const isShared = said.every(({ each }) => each === undefined)
    const rate = said.find(({ rate }) => rate !== undefined)?.rate
    const concurrency = said.find(({ concurrency }) => concurrency !== undefined)?.concurrency
    requests.push({
      // Tasks keep the ring that they were submitted to, whoever has the limit by now.
      name: isShared ? limitIn(name) : name,
      ...(rate && { rate: { ...rate, amount: Number(amount) } }),
      ...(concurrency !== undefined && { concurrency })
    })
  }
  return requests
}
