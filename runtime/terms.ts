/** When a handler's tasks may start beside others: the limits they use, and the keys they share. */
import type { Duration } from "effect"
import type { Whatever } from "./check.ts"
import { millisOf, written } from "./duration.ts"
import { type Names, refuseStranger } from "./option-names.ts"

/** A limit as a handler says it. Handlers that name the same limit share it, and should say the same of it. */
export interface LimitOptions<Input = unknown> {
  /** Its name: 1 to 63 of `a-z A-Z 0-9 _ . -`. */
  readonly key: string
  /** At most so much of it within any `per`: a whole number. */
  readonly rate?: number
  readonly per?: Duration.Input
  /** At most so many runs at once. */
  readonly concurrency?: number
  /** What one task takes of the rate, as far as can be told beforehand; `ctx.spent` sets it right. Default 1. */
  readonly amount?: number | ((input: Input) => number)
  /**
   * Who has it for themselves: each tenant, each key of a tenant, or each of what a function of the input names (1 character or more;
   * like a key it is not sealed). Default: nobody, all share it.
   */
  readonly each?: "tenant" | "key" | ((input: Input) => string)
}

/** The same, checked. */
export interface Limit {
  readonly name: string
  readonly rate?: { readonly count: number; readonly perMs: number }
  readonly concurrency?: number
  /** Of the input as `run` gets it. */
  readonly amount: number | ((input: Whatever) => number)
  /** Who has it for themselves (`runtime/limit-name.ts`); absent where all share it. */
  readonly each?: "tenant" | "key" | ((input: Whatever) => string)
}

export interface KeyOptions<Input = unknown> {
  /** How many tasks of one key run at once. Default 1; `Infinity` for as many as there are workers for. */
  readonly concurrency?: number
  /** Whether a task that is to be tried again keeps the later ones of its key waiting. Default: where one runs at once. */
  readonly ordered?: boolean
  /** Gives a task the key its submitter did not say. */
  readonly of?: (input: Input) => string
}

export interface Keyed {
  /** 0 for as many as there are workers for. */
  readonly concurrency: number
  readonly ordered: boolean
  /** Of the input as `run` gets it. */
  readonly of: ((input: Whatever) => string) | undefined
}

const limitNames: Names<LimitOptions> = {
  key: true,
  rate: true,
  per: true,
  concurrency: true,
  amount: true,
  each: true
}
const keyNames: Names<KeyOptions> = { concurrency: true, ordered: true, of: true }

const limitName = /^[A-Za-z0-9_.-]{1,63}$/

/** What a number of a limit may be at most, so that sums of it stay exact. */
const countMax = 1_000_000_000_000

/** How many limits a handler may have. */
const limitsMax = 8

const perMaxMs = 31 * 86_400_000

const isCount = (value: unknown, min: number) =>
  typeof value === "number" && value >= min && value <= countMax && !Number.isNaN(value)

const rateOf = (where: string, { per, rate }: LimitOptions<Whatever>): Limit["rate"] => {
  if (rate === undefined && per === undefined) return undefined
  if (rate === undefined || per === undefined) throw new TypeError(`${where}: give rate and per together`)
  if (!(Number.isInteger(rate) && isCount(rate, 1)))
    throw new TypeError(`${where}: rate ${rate} is no whole number above 0`)
  const perMs = Math.ceil(millisOf(per) ?? 0)
  if (!(perMs > 0 && perMs <= perMaxMs)) {
    throw new TypeError(`${where}: per ${written(per)} is no duration above 0 and up to 31 days`)
  }
  return { count: rate, perMs }
}

const limitOf = (handler: string, at: number, options: LimitOptions<Whatever>): Limit => {
  const { amount = 1, concurrency, each, key: name } = options
  const where = `handler ${handler}: limits[${at}]`
  refuseStranger(`${where}.`, options, limitNames)
  if (typeof name !== "string" || !limitName.test(name)) {
    throw new TypeError(`${where}: key "${name}" is not 1 to 63 of a-z A-Z 0-9 _ . -`)
  }
  const rate = rateOf(where, options)
  if (concurrency !== undefined && !(Number.isInteger(concurrency) && isCount(concurrency, 1))) {
    throw new TypeError(`${where}: concurrency ${concurrency} is no whole number above 0`)
  }
  if (rate === undefined && concurrency === undefined) {
    throw new TypeError(`${where}: give rate and per, or concurrency, or all of them`)
  }
  if (each !== undefined && each !== "tenant" && each !== "key" && typeof each !== "function") {
    throw new TypeError(
      `${where}: each ${JSON.stringify(each)} is not "tenant", "key" or a function of the input`
    )
  }
  if (typeof amount !== "function") {
    if (!isCount(amount, 0)) throw new TypeError(`${where}: amount ${amount} is no number from 0`)
    if (rate !== undefined && amount > rate.count) {
      throw new TypeError(`${where}: amount ${amount} is more than the rate ever allows`)
    }
  }
  return {
    name,
    ...(rate === undefined ? {} : { rate }),
    ...(concurrency === undefined ? {} : { concurrency }),
    amount,
    ...(each === undefined ? {} : { each })
  }
}

/** Throws `TypeError` on limits that cannot be. */
export const limitsOf = (
  handler: string,
  options: ReadonlyArray<LimitOptions<Whatever>>
): ReadonlyArray<Limit> => {
  if (options.length > limitsMax) throw new TypeError(`handler ${handler}: more than ${limitsMax} limits`)
  const limits = options.map((one, at) => limitOf(handler, at, one))
  const names = limits.map(({ name }) => name)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) throw new TypeError(`handler ${handler}: limits name "${twice}" twice`)
  return limits
}

/** Throws `TypeError` on what cannot be. */
export const keyedOf = (handler: string, options: KeyOptions<Whatever>): Keyed => {
  const { concurrency = 1, of, ordered } = options
  refuseStranger(`handler ${handler}: key.`, options, keyNames)
  if (of !== undefined && typeof of !== "function")
    throw new TypeError(`handler ${handler}: key.of is no function`)
  const unbounded = concurrency === Number.POSITIVE_INFINITY
  if (!unbounded && !(Number.isInteger(concurrency) && isCount(concurrency, 1))) {
    throw new TypeError(`handler ${handler}: key.concurrency ${concurrency} is no whole number above 0`)
  }
  return { concurrency: unbounded ? 0 : concurrency, ordered: ordered ?? concurrency === 1, of }
}
