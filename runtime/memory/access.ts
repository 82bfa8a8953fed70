/** Keys, tickets, rates and the audit log in memory: the readable specification of the scripts of access. */
import { Clock, Effect, Layer } from "effect"
import { RateLimiter } from "effect/persistence"
import {
  Access,
  accessKeysMax,
  accessKeysOfAllMax,
  auditKeptMs,
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

/** The number under which an entry was noted. */
const orderOf = (id: string): number => Number(id.slice(id.indexOf("-") + 1))

const make = Effect.gen(function* () {
  const keys = new Map<string, StoredKey>()
  const tickets = new Map<string, Ticket>()
  /** The oldest first. */
  const log: Array<StoredAudit> = []
  const shares = new Map<string, number>()
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

  const dropOldestOf = (tenant: string) => {
    const at = log.findIndex((entry) => entry.tenant === tenant)
    if (at === 0) log.shift()
    else log.splice(at, 1)
    const left = (shares.get(tenant) ?? 0) - 1
    if (left > 0) shares.set(tenant, left)
    else shares.delete(tenant)
  }

  /** The tenant with the most entries; of several the last by name. */
  const largest = (): string =>
    [...shares].reduce((one, other) =>
      other[1] > one[1] || (other[1] === one[1] && other[0] > one[0]) ? other : one
    )[0]

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
      Effect.map(Clock.currentTimeMillis, (now) => {
        noted += 1
        log.push({ ...entry, id: `${entry.at}-${noted}` })
        shares.set(entry.tenant, (shares.get(entry.tenant) ?? 0) + 1)
        while (log[0]!.at < now - auditKeptMs && log.length > 1) dropOldestOf(log[0]!.tenant)
        if (log.length > auditMax) dropOldestOf(largest())
      }),
    noted: (before, most) =>
      Effect.sync(() => {
        const isOlder = ({ id }: StoredAudit) => before === undefined || orderOf(id) < orderOf(before)
        const end = log.findLastIndex(isOlder) + 1
        return log.slice(Math.max(0, end - most), end).toReversed()
      })
  })
})

export const layer = Layer.effect(Access, make)
