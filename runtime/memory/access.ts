/** Keys, tickets, rates and the audit log in memory: the readable specification of the scripts of access. */
import { Clock, Effect, Layer } from "effect"
import { RateLimiter } from "effect/persistence"
import {
  Access,
  accessKeysMax,
  accessKeysOfAllMax,
  auditMax,
  decodeKey,
  encodeKey,
  endedKeptMs,
  type StoredAudit,
  type StoredKey
} from "../access.ts"
import { endOf } from "../access-key.ts"
import { makeSpend } from "../rates.ts"

interface Ticket {
  readonly text: string
  readonly until: number
}

const make = Effect.gen(function* () {
  const keys = new Map<string, StoredKey>()
  const tickets = new Map<string, Ticket>()
  const log: Array<StoredAudit> = []
  let salt = ""
  let noted = 0
  const spend = yield* Effect.provide(makeSpend, RateLimiter.layerStoreMemory)

  /** Whether there is room for a key of a tenant; those that ended long ago, or are too many, go. */
  const makeRoom = (tenant: string, now: number): boolean => {
    const all = [...keys.values()].map(({ key }) => ({ ...key, endedAt: endOf(key, now) }))
    const counting = all.filter(({ endedAt }) => endedAt === undefined)
    const own = counting.filter((key) => key.tenant === tenant)
    if (own.length >= accessKeysMax || counting.length >= accessKeysOfAllMax) return false
    const ended = all.flatMap(({ endedAt, id }) => (endedAt === undefined ? [] : [{ id, endedAt }]))
    for (const { endedAt, id } of ended.sort((one, other) => one.endedAt - other.endedAt)) {
      if (endedAt + endedKeptMs <= now || keys.size >= accessKeysOfAllMax) keys.delete(id)
    }
    return true
  }

  return Access.of({
    find: (id) => Effect.sync(() => ({ found: keys.get(id), any: salt !== "", salt })),
    keys: Effect.sync(() => [...keys.values()].sort((one, other) => one.key.createdAt - other.key.createdAt)),
    change: (from, to, fresh) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const text = encodeKey(to)
        const there = keys.get(to.id)?.text
        if (there === text) return "changed"
        if (there !== from) return "conflict"
        if (there === undefined && !makeRoom(to.tenant, now)) return "full"
        if (salt === "") salt = fresh
        keys.set(to.id, { text, key: decodeKey(text) })
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
