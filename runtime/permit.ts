/**
 * The text of a permit: it says all that its end and its renewal need, so that stores keep nothing else about it.
 *
 * `<id> <taken at> <worker> <name>:<amount>:<per>:<place> …`, with the amount that was counted of each rate, 0 and 0 for a
 * limit without one, and 1 where it takes up one of so many places at once. Only a place has a lease; of a rate nothing is
 * left to say at the end but what was used otherwise than counted. `runtime/lua/limit-take.lua` writes the same.
 */
import { limitIn } from "./limit-name.ts"
import type { LimitRequest, Used } from "./limits.ts"
import type { WorkerId } from "./turn.ts"

/** What a permit took of one limit. */
interface Share {
  readonly name: string
  readonly amount: number
  readonly perMs: number
  /** Whether it takes up a place. */
  readonly place: boolean
}

interface Permit {
  /** Unix milliseconds on the store's clock. */
  readonly takenAt: number
  readonly shares: ReadonlyArray<Share>
}

/** A worker as it stands in a permit, only to be looked at. */
export const permitWorker = (worker: WorkerId): string => worker.replaceAll(/\s/g, "_")

/** What stands after the id in each permit that is taken at once. */
export const permitTail = (takenAt: number, worker: WorkerId, limits: ReadonlyArray<LimitRequest>): string =>
  [
    takenAt,
    permitWorker(worker),
    ...limits.map(
      ({ concurrency, name, rate }) =>
        `${name}:${rate?.amount ?? 0}:${rate?.perMs ?? 0}:${concurrency === undefined ? 0 : 1}`
    )
  ].join(" ")

const readPermit = (text: string): Permit => {
  const [, takenAt, , ...shares] = text.split(" ")
  return {
    takenAt: Number(takenAt),
    shares: shares.map((share) => {
      const [name = "", amount, perMs, place] = share.split(":")
      return { name, amount: Number(amount), perMs: Number(perMs), place: place === "1" }
    })
  }
}

/**
 * How long a place whose lease ran out is remembered, where nobody takes another one of its limit, in milliseconds: after an outage
 * as long as that, those whose runs went on renew it.
 */
export const lapsedMs = 3_600_000

/** How long it is known that a permit was corrected, beyond its window, in milliseconds: its end may be said again so late. */
export const correctedMs = 60_000

/** A request in whole numbers, as stores count: never more than was allowed. Half a use a second is one in two. */
export const wholeRequest = ({ concurrency, name, rate }: LimitRequest): LimitRequest => ({
  name,
  ...(rate && { rate: wholeRate(rate) }),
  ...(concurrency !== undefined && { concurrency: Math.max(0, Math.floor(concurrency)) })
})

const wholeRate = ({ amount, count, perMs }: NonNullable<LimitRequest["rate"]>) => {
  const most = count > 0 ? Math.max(1, Math.floor(count)) : 0
  return {
    count: most,
    perMs: Math.max(1, Math.ceil(count > 0 && count < 1 ? perMs / count : perMs)),
    // A run that takes more than all there is could never start: it takes all of it.
    amount: most === 0 ? 1 : Math.min(most, Math.max(0, Math.ceil(amount)))
  }
}

/** What the end of one permit means for one of its limits. */
export interface Ending extends Share {
  readonly permit: string
  readonly takenAt: number
  /** What is to be counted in place of `amount`. */
  readonly used: number
}

const usedOf = ({ actual, unused }: Used, { amount, name, perMs }: Share): number => {
  if (perMs === 0 || unused) return 0
  const said = actual?.[limitIn(name)]
  return said === undefined || !Number.isFinite(said) ? amount : Math.max(0, Math.ceil(said))
}

/**
 * What is to be done at the end of permits, by the limit's name; nothing where it took up no place and was used as it was
 * counted. Each permit ends once, as it is said last.
 */
export const endingsOf = (used: ReadonlyArray<Used>): ReadonlyMap<string, ReadonlyArray<Ending>> => {
  const endings = new Map<string, Array<Ending>>()
  for (const one of new Map(used.map((one) => [one.permit, one])).values()) {
    const { shares, takenAt } = readPermit(one.permit)
    for (const share of shares) {
      const used = usedOf(one, share)
      if (!share.place && used === share.amount) continue
      const others = endings.get(share.name) ?? []
      others.push({ ...share, permit: one.permit, takenAt, used })
      endings.set(share.name, others)
    }
  }
  return endings
}

/** The permits that take up a place of each limit, by its name. */
export const byLimit = (permits: ReadonlyArray<string>): ReadonlyMap<string, ReadonlyArray<string>> => {
  const names = new Map<string, Array<string>>()
  for (const permit of permits)
    for (const { name, place } of readPermit(permit).shares) {
      if (!place) continue
      const others = names.get(name) ?? []
      others.push(permit)
      names.set(name, others)
    }
  return names
}
