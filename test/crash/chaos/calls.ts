/**
 * What submitters ask for: which call comes at which place follows from the seed, the submitter's number, and the place.
 */
import { type Chance, chanceOf } from "../../support/chance.ts"
import type { Terms } from "../../support/history.ts"

/** A submit, as every way in can make it. */
export interface Ask {
  readonly name: string
  readonly input: object
  readonly idempotencyKey?: string
  readonly key?: string
  readonly delayMs?: number
  readonly expiresMs?: number
  /** For an agent: its key, and the message. */
  readonly agent?: string
  readonly message?: string
}

const kinds = [
  "plain",
  "batch",
  "guarded",
  "conflict",
  "refused",
  "keyed",
  "told",
  "delayed",
  "expiring",
  "flaky",
  "failing",
  "stream",
  "parent",
  "cancel",
  "limited",
  "poison",
  "speech",
  "nap",
  "memo",
  "peek"
] as const
export type Kind = (typeof kinds)[number]

/** How often each kind comes, of all that come. */
export type Mix = Partial<Record<Kind, number>>

export const everything: Mix = {
  plain: 22,
  batch: 8,
  guarded: 10,
  conflict: 2,
  refused: 2,
  keyed: 12,
  told: 10,
  delayed: 6,
  expiring: 2,
  flaky: 6,
  failing: 1,
  stream: 8,
  parent: 4,
  cancel: 4,
  limited: 3,
  memo: 3,
  peek: 3
}

export interface DriverPlan {
  readonly number: number
  readonly seed: number
  /** Whose tasks it submits. */
  readonly tenant: string
  /** How many calls it makes, and how many a second. */
  readonly calls: number
  readonly perSecond: number
  readonly mix: Mix
  /** How many tasks a batch has. */
  readonly batch: number
}

const keysEach = 8
const agentsEach = 6

export interface Step {
  readonly label: string
  readonly ask: Ask
  readonly terms?: Terms
}

const pick = (chance: Chance, mix: Mix): Kind => {
  const shares = Object.entries(mix) as ReadonlyArray<readonly [Kind, number]>
  let left = chance.below(shares.reduce((sum, [, share]) => sum + share, 0))
  for (const [kind, share] of shares) {
    left -= share
    if (left < 0) return kind
  }
  return "plain"
}

/** The submits of one call, and what else there is to it. */
export const stepsOf = (
  { batch, mix, number, seed }: DriverPlan,
  place: number
): {
  readonly kind: Kind
  readonly steps: ReadonlyArray<Step>
  readonly chain?: string
  readonly afterMs: number
} => {
  const chance = chanceOf(seed * 7_919 + number * 1_000_003 + place)
  const kind = pick(chance, mix)
  const label = `s${number}-${place}`
  const afterMs = chance.below(200)
  const one = (ask: Partial<Ask> & Pick<Ask, "name">, terms?: Terms, over: object = {}) => [
    { label, ask: { input: { label, ...over }, ...ask }, ...(terms === undefined ? {} : { terms }) }
  ]
  const guard = { idempotencyKey: label }
  switch (kind) {
    case "plain":
      return {
        kind,
        afterMs,
        steps: one({ name: "chaos.plain" }, undefined, { ms: chance.one([0, 5, 100, 400]) })
      }
    case "batch": {
      const steps = Array.from({ length: batch }, (_, at) => {
        const each = `${label}-${at}`
        return { label: each, ask: { name: "chaos.plain", input: { label: each } } }
      })
      return { kind, afterMs, steps }
    }
    case "guarded":
      return { kind, afterMs, steps: one({ name: "chaos.plain", ...guard }, { ...guard, work: label }) }
    case "conflict": {
      // The second one is refused; or the first, should the second come first.
      const other = `${label}-other`
      return {
        kind,
        afterMs,
        steps: [
          ...one({ name: "chaos.plain", ...guard }, { ...guard, work: label }),
          {
            label: other,
            ask: { name: "chaos.plain", input: { label: other }, ...guard },
            terms: { ...guard, work: other }
          }
        ]
      }
    }
    case "refused":
      return {
        kind,
        afterMs,
        steps: one(chance.of(0.5) ? { name: "chaos.nobody" } : { name: "chaos.plain", input: { label: 7 } })
      }
    case "keyed": {
      const key = `k${number}-${chance.below(keysEach)}`
      const over = { ms: chance.one([0, 0, 30]) }
      return {
        kind,
        afterMs,
        chain: key,
        steps: one({ name: "chaos.plain", key, ...guard }, { key, ...guard }, over)
      }
    }
    case "told": {
      const agent = `a${number}-${chance.below(agentsEach)}`
      const ask = { name: "chaos.cart", agent, message: "note", idempotencyKey: label }
      return { kind, afterMs, chain: agent, steps: one(ask, { agent, idempotencyKey: label }) }
    }
    case "delayed": {
      const delayMs = 200 + chance.below(2_000)
      return { kind, afterMs, steps: one({ name: "chaos.plain", delayMs }, { delayMs }) }
    }
    case "expiring":
      return {
        kind,
        afterMs,
        steps: one({ name: "chaos.plain", expiresMs: 1 + chance.below(50) }, { state: "succeeded|expired" })
      }
    case "flaky": {
      const fails = 1 + chance.below(3)
      return {
        kind,
        afterMs,
        steps: one({ name: "chaos.flaky" }, { runs: 1 + fails, state: "succeeded" }, { fails })
      }
    }
    case "failing":
      return { kind, afterMs, steps: one({ name: "chaos.failing" }, { runs: 2, state: "failed" }) }
    case "stream":
      return {
        kind,
        afterMs,
        steps: one({ name: "chaos.stream" }, undefined, { ms: chance.one([0, 20, 60, 200]) })
      }
    case "parent":
      return { kind, afterMs, steps: one({ name: "chaos.parent" }, { runs: 3, state: "succeeded" }) }
    case "cancel":
      return {
        kind,
        afterMs,
        steps: one(
          { name: "chaos.slow", ...guard },
          { ...guard, work: label, state: "cancelled|succeeded" },
          { ms: 400 }
        )
      }
    case "peek":
      return { kind, afterMs, steps: [] }
    case "nap":
      return { kind, afterMs, steps: one({ name: "chaos.plain" }, undefined, { ms: 1_000 }) }
    case "memo":
      return { kind, afterMs, steps: one({ name: "chaos.memo" }, undefined, { ms: 100 + chance.below(400) }) }
    case "speech":
      // One that is always in the middle of something.
      return { kind: "stream", afterMs, steps: one({ name: "chaos.stream" }, undefined, { ms: 250 }) }
    case "poison":
      return { kind, afterMs, steps: one({ name: "chaos.poison" }, { runs: 3, state: "failed" }) }
    case "limited":
      return {
        kind,
        afterMs,
        steps: one({ name: "chaos.limited" }, { state: "succeeded" }, { ms: chance.below(10) })
      }
  }
}

/** How many tasks a call of a mix comes to, about, where a batch has so many. */
export const tasksPerCall = (mix: Mix, batch: number): number => {
  const shares = Object.entries(mix) as ReadonlyArray<readonly [Kind, number]>
  const tasksOf: Mix = { batch, conflict: 1, refused: 0, parent: 3, told: 2, peek: 0 }
  const total = shares.reduce((sum, [, share]) => sum + share, 0)
  return shares.reduce((sum, [kind, share]) => sum + share * (tasksOf[kind] ?? 1), 0) / total
}
