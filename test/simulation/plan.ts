/** What befalls a simulated system: decided by the seed before it begins, so that less of it can be tried. */
import type { Chance } from "../support/chance.ts"
import { fine, type Weather } from "./network.ts"
import { type Wish, wishesOf } from "./script.ts"

export type Mode = "safety" | "liveness"

/** Something that happens at a time, to whom it may. */
export interface Blow {
  readonly atMs: number
  readonly kind: "kill worker" | "kill client" | "stop worker" | "pause worker" | "jump" | "skew" | "outage"
  /** Which one of those that there are. */
  readonly which: number
  /** How long it lasts, or how far the clock jumps; in milliseconds. */
  readonly ms: number
}

export interface Plan {
  readonly seed: number
  readonly mode: Mode
  readonly workers: number
  readonly clients: number
  readonly weather: Weather
  readonly blows: ReadonlyArray<Blow>
  readonly wishes: ReadonlyArray<ReadonlyArray<Wish>>
  /** When all faults end, in milliseconds from the beginning. */
  readonly healsMs: number
}

/** When the last wish and the last blow come, in milliseconds. */
const activeMs = 3_500

const kinds: ReadonlyArray<Blow["kind"]> = [
  "kill worker",
  "kill worker",
  "kill client",
  "stop worker",
  "pause worker",
  "jump",
  "skew",
  "outage"
]

const blowOf = (chance: Chance, kind = chance.one(kinds)): Blow => {
  const ms = {
    "kill worker": 0,
    "kill client": 0,
    "stop worker": 0,
    "pause worker": 200 + chance.below(4_500),
    jump: (chance.of(0.3) ? -1 : 1) * chance.below(15_000),
    skew: (chance.of(0.5) ? -1 : 1) * chance.below(60_000),
    outage: 50 + chance.below(chance.of(0.3) ? 3_500 : 600)
  }[kind]
  return { kind, ms, atMs: chance.below(activeMs), which: chance.below(16) }
}

/** Some kinds of weather in one seed, and others in another: what never rains cannot hide what hails. */
const weatherOf = (chance: Chance): Weather => {
  if (chance.of(0.1)) return fine
  const share = (most: number) => (chance.of(0.5) ? 0 : (chance.below(1_000) / 1_000) * most)
  return {
    lost: share(0.06),
    unanswered: share(0.08),
    late: share(0.05),
    fatal: share(0.004),
    unheard: share(0.5),
    slow: share(0.1)
  }
}

/** With `amid` nothing else befalls the system, beside the weather. */
export const planOf = (chance: Chance, seed: number, mode: Mode, amid?: Blow["kind"]): Plan => {
  const clients = 1 + chance.below(2)
  const all = wishesOf(chance, 6 + chance.below(20), activeMs)
  return {
    seed,
    mode,
    workers: 2 + chance.below(2),
    clients,
    weather: weatherOf(chance),
    blows: Array.from({ length: chance.below(5) }, () => blowOf(chance, amid)).sort(
      (a, b) => a.atMs - b.atMs
    ),
    wishes: Array.from({ length: clients }, (_, at) => all.filter((_, index) => index % clients === at)),
    healsMs: activeMs + 500
  }
}
