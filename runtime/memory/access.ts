/** Keys, tickets, rates and the audit log in memory: the readable specification of the scripts of access. */
import { Clock, Effect, Layer } from "effect"
import { RateLimiter } from "effect/persistence"
import {
  Access,
  accessKeysMax,
  auditMax,
  decodeKey,
  encodeKey,
  type StoredAudit,
  type StoredKey
} from "../access.ts"
import { makeSpend } from "../rates.ts"

interface Ticket {
  readonly text: string
  readonly until: number
}

const make = Effect.gen(function* () {
  const keys = new Map<string, string>()
  const tickets = new Map<string, Ticket>()
  const log: Array<StoredAudit> = []
  let salt = ""
  let noted = 0
  const spend = yield* Effect.provide(makeSpend, RateLimiter.layerStoreMemory)

  const storedOf = (text: string): StoredKey => ({ text, key: decodeKey(text) })

  return Access.of({
    find: (id) =>
      Effect.sync(() => {
        const text = keys.get(id)
        return { found: text === undefined ? undefined : storedOf(text), any: keys.size > 0, salt }
      }),
    keys: Effect.sync(() =>
      [...keys.values()].map(storedOf).sort((one, other) => one.key.createdAt - other.key.createdAt)
    ),
    change: (from, to, fresh) =>
      Effect.sync(() => {
        const text = encodeKey(to)
        const there = keys.get(to.id)
        if (there === text) return "changed"
        if (there !== from) return "conflict"
        if (there === undefined && keys.size >= accessKeysMax) return "full"
        if (salt === "") salt = fresh
        keys.set(to.id, text)
        return "changed"
      }),
    putTicket: (digest, text, forMs) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        for (const [other, { until }] of tickets) if (until <= now) tickets.delete(other)
        tickets.set(digest, { text, until: now + forMs })
      }),
    takeTicket: (digest) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const ticket = tickets.get(digest)
        tickets.delete(digest)
        return ticket === undefined || ticket.until <= now ? undefined : ticket.text
      }),
    spend,
    note: (entry) =>
      Effect.sync(() => {
        noted += 1
        log.unshift({ ...entry, id: `${entry.at}-${noted}` })
        if (log.length > auditMax) log.pop()
      }),
    noted: (before, most) =>
      Effect.sync(() => {
        const from = before === undefined ? 0 : log.findIndex(({ id }) => id === before) + 1
        return before !== undefined && from === 0 ? [] : log.slice(from, from + most)
      })
  })
})

export const layer = Layer.effect(Access, make)
