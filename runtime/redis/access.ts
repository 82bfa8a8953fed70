/** Keys, tickets, rates and the audit log in Redis: every method is one script on the one partition of access. */
import { Effect, Layer } from "effect"
import { RateLimiter } from "effect/persistence"
import {
  Access,
  accessKeysMax,
  accessKeysOfAllMax,
  accessPartition,
  type AuditEntry,
  auditKeptMs,
  auditMax,
  decodeKey,
  encodeKey,
  endedKeptMs,
  type StoredKey
} from "../access.ts"
import { makeSpend, storeOf } from "../rates.ts"
import { during, Scripted } from "./scripted.ts"
import type { ScriptName } from "./scripts.ts"

const storedOf = (text: string): StoredKey => ({ text, key: decodeKey(text) })

const changed = { 1: "changed", 0: "conflict", "-1": "full" } as const

const make = Effect.gen(function* () {
  const scripted = yield* Scripted
  const run = <A>(name: ScriptName, args: ReadonlyArray<string | number>) =>
    scripted.run<A>(name, accessPartition, args)

  const spend = yield* makeSpend.pipe(
    Effect.provideService(
      RateLimiter.RateLimiterStore,
      storeOf((name, { limit, over, refillMs, tokens }) =>
        run<[left: string, elapsed: string]>("rate-take", [name, tokens, limit, refillMs, over ? 1 : 0]).pipe(
          Effect.map(([left, elapsed]) => [Number(left), Number(elapsed)] as const),
          during("Access.spend")
        )
      )
    )
  )

  return Access.of({
    find: (id) =>
      run<[salt: string, text: string | null]>("access-read", [id]).pipe(
        Effect.map(([salt, text]) => ({
          found: text === null || text === undefined ? undefined : storedOf(text),
          any: salt !== "",
          salt
        })),
        during("Access.find")
      ),
    keys: run<ReadonlyArray<string>>("access-read", [""]).pipe(
      Effect.map((texts) =>
        texts.map(storedOf).sort((one, other) => one.key.createdAt - other.key.createdAt)
      ),
      during("Access.keys")
    ),
    change: (from, to, salt) =>
      run<1 | 0 | -1>("access-change", [
        to.id,
        from ?? "",
        encodeKey(to),
        salt,
        to.tenant,
        accessKeysMax,
        accessKeysOfAllMax,
        endedKeptMs
      ]).pipe(
        Effect.map((reply) => changed[reply]),
        during("Access.change")
      ),
    putTicket: (digest, text, forMs) =>
      run("ticket-put", [digest, text, forMs]).pipe(Effect.asVoid, during("Access.putTicket")),
    takeTicket: (digest) =>
      run<string | null>("ticket-take", [digest]).pipe(
        Effect.map((text) => text ?? undefined),
        during("Access.takeTicket")
      ),
    spend,
    note: (entry) =>
      run("audit-append", [JSON.stringify(entry), entry.tenant, auditMax, auditKeptMs]).pipe(
        Effect.asVoid,
        during("Access.note")
      ),
    noted: (before, most) =>
      run<ReadonlyArray<string>>("audit-read", [before ?? "", most]).pipe(
        Effect.map((flat) =>
          flat.flatMap((id, at) =>
            at % 2 === 0 ? [{ ...(JSON.parse(flat[at + 1]!) as AuditEntry), id }] : []
          )
        ),
        during("Access.noted")
      )
  })
})

/** Access as all processes of the Redis that `Scripted` reaches see it. */
export const layer = Layer.effect(Access, make)
