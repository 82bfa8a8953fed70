/**
 * Limits in Redis: every method is one script on the one partition of limits.
 *
 * This file alone knows the order of the scripts' arguments and the shapes of their replies.
 */
import { Effect, Layer } from "effect"
import {
  coolFor,
  type LimitRequest,
  Limits,
  limitsPartition,
  type LimitState,
  placePollMs
} from "../limits.ts"
import { byLimit, correctedMs, endingsOf, permitWorker, wholeRequest } from "../permit.ts"
import { during, Scripted } from "./scripted.ts"
import type { ScriptName } from "./scripts.ts"

/** A request, as the script that takes permits is given it. */
const partsOf = (request: LimitRequest): ReadonlyArray<string | number> => {
  const { concurrency = "", name, rate } = wholeRequest(request)
  return [name, rate?.count ?? "", rate?.perMs ?? "", rate?.amount ?? "", concurrency]
}

const make = Effect.gen(function* () {
  const scripted = yield* Scripted
  const run = <A>(name: ScriptName, args: ReadonlyArray<string | number>) =>
    scripted.run<A>(name, limitsPartition, args)

  const take: Limits["Service"]["take"] = Effect.fnUntraced(function* (worker, asks, leaseMs, judges = true) {
    const replies = yield* run<ReadonlyArray<[number, ...Array<string>]>>("limit-take", [
      crypto.randomUUID(),
      permitWorker(worker),
      leaseMs,
      placePollMs,
      judges ? 1 : 0,
      ...asks.flatMap(({ limits, want }) => [want, limits.length, ...limits.flatMap(partsOf)])
    ])
    return replies.map(([wait, ...permits]) => ({ permits, retryAfterMs: wait < 0 ? undefined : wait }))
  }, during("Limits.take"))

  const settle: Limits["Service"]["settle"] = Effect.fnUntraced(function* (ends) {
    const endings = [...endingsOf(ends)]
    if (endings.length === 0) return
    yield* run("limit-settle", [
      correctedMs,
      ...endings.flatMap(([name, some]) => [
        name,
        some.length,
        ...some.flatMap(({ amount, perMs, permit, place, takenAt, used }) => [
          permit,
          takenAt,
          amount,
          used,
          perMs,
          place ? 1 : 0
        ])
      ])
    ])
  }, during("Limits.settle"))

  const renew: Limits["Service"]["renew"] = Effect.fnUntraced(function* (permits, leaseMs) {
    const good = [...byLimit(permits)]
    if (good.length === 0) return
    yield* run("limit-renew", [leaseMs, ...good.flatMap(([name, some]) => [name, some.length, ...some])])
  }, during("Limits.renew"))

  const states: Limits["Service"]["states"] = Effect.fnUntraced(function* (names) {
    if (names.length === 0) return []
    const replies = yield* run<ReadonlyArray<[used: number, running: number, cools: number]>>(
      "limit-states",
      names
    )
    return replies.map(([used, running, coolsUntil], at): LimitState => ({
      name: names[at]!,
      used,
      running,
      ...(coolsUntil > 0 && { coolsUntil })
    }))
  }, during("Limits.states"))

  return Limits.of({
    take,
    settle,
    renew,
    cool: (name, forMs) =>
      Effect.asVoid(run("limit-cool", [name, coolFor(forMs)])).pipe(during("Limits.cool")),
    states
  })
})

/** Limits shared by all processes of the Redis that `Scripted` reaches. */
export const layer = Layer.effect(Limits, make)
