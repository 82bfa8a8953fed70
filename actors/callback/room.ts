/**
 * How much of a tenant's deliveries may wait at once, to all its receivers and to one of them. A receiver that takes nothing
 * is told for days, and what waits for it meanwhile must leave memory to others.
 *
 * Room is had as places of a limit that all processes share, so many for each delivery as it is large. They are taken before
 * a delivery is stored and given back when it has ended, however it ends: as a dead letter it is bounded by those.
 */
import { Effect, Option } from "effect"
import { Settings } from "../../runtime/config.ts"
import { sha1 } from "../../runtime/digest.ts"
import { type LimitRequest, Limits } from "../../runtime/limits.ts"
import type { StoreError } from "../../runtime/store.ts"

/** What one place stands for, in characters of a record. */
export const placeSize = 4 * 1024

/** One receiver may take up so much of a tenant's room: others of the tenant are told while it takes nothing. */
const receiverShare = 1 / 2

/** Longer than a delivery lives: only what nobody gave back, since its process was killed, is let go of by this. */
const heldMs = 14 * 86_400_000

/** The permits of one delivery, as they are kept with it: the first of them, and how many there are. */
export interface Taken {
  readonly permit: string
  readonly count: number
}

const mebi = 1024 * 1024

/** What the room of a tenant is called as a limit, and that of one of its receivers. */
export const roomOf = (tenant: string, host?: string): string =>
  `callbacks.${sha1(host === undefined ? tenant : `${tenant}\n${host}`).slice(0, 24)}`

/** Permits that are taken at once are counted from 1 (`runtime/lua/limit-take.lua`). */
const permitsOf = ({ count, permit }: Taken) =>
  Array.from({ length: count }, (_, at) => ({ permit: permit.replace(/\.1 /, `.${at + 1} `) }))

/** Gives the room of a delivery back. Repeatable. */
export const giveBack = (taken: Taken): Effect.Effect<void, StoreError> =>
  Effect.flatMap(Effect.serviceOption(Limits), (limits) =>
    Option.isNone(limits) ? Effect.void : limits.value.settle(permitsOf(taken))
  )

/** Takes room for so many characters; `full` where there is not so much, and nothing where nothing bounds it. */
export const takeRoom = Effect.fnUntraced(function* (
  tenant: string,
  host: string,
  characters: number
): Effect.fn.Return<Taken | "full" | undefined, StoreError> {
  const limits = Option.getOrUndefined(yield* Effect.serviceOption(Limits))
  const settings = Option.getOrUndefined(yield* Effect.serviceOption(Settings))
  if (limits === undefined || settings === undefined) return undefined
  const places = (settings.webhookBacklog * mebi) / placeSize
  const count = Math.ceil(characters / placeSize)
  const both: ReadonlyArray<LimitRequest> = [
    { name: roomOf(tenant), concurrency: places },
    { name: roomOf(tenant, host), concurrency: Math.ceil(places * receiverShare) }
  ]
  const [granted] = yield* limits.take("callbacks", [{ limits: both, want: count }], heldMs)
  const permits = granted?.permits ?? []
  const taken: Taken | undefined =
    permits[0] === undefined ? undefined : { permit: permits[0], count: permits.length }
  if (taken?.count === count) return taken
  if (taken !== undefined) yield* giveBack(taken)
  return "full"
})
