/**
 * Waits until replicas have what a connection has written: whoever waits while one wait is on its way shares the next one, so
 * that replicas that do not answer hold nobody up for longer than two of them.
 */
import type { Redis } from "ioredis"

/** How long replicas may take to say that they have something, in milliseconds. */
export const replicasMaxMs = 1_000

/** Stored, but not by as many replicas as are wanted: whether it outlives a fail-over is not known. */
export class TooFewReplicas extends Error {
  constructor(have: number, wanted: number) {
    super(
      `${have} of ${wanted} replicas have it after ${replicasMaxMs} ms (TROUPE_REPLICAS): it is stored, and may be lost by a fail-over; saying it again is harmless`
    )
  }
}

interface Waits {
  readonly current: Promise<unknown>
  next: Promise<number> | undefined
}

const waits = new WeakMap<Redis, Waits>()

const wait = (client: Redis, wanted: number): Promise<number> => {
  const begun = client.wait(wanted, replicasMaxMs)
  const its: Waits = { current: begun, next: undefined }
  waits.set(client, its)
  return begun.finally(() => {
    if (waits.get(client) === its) waits.delete(client)
  })
}

/** Rejects with `TooFewReplicas` unless so many replicas have all that was answered on this connection before. */
export const untilOn = async (client: Redis, wanted: number): Promise<void> => {
  const its = waits.get(client)
  if (its === undefined) return enough(await wait(client, wanted), wanted)
  // Where the one before fails the connection is gone, and so is what was to be waited for.
  its.next ??= its.current.then(() => wait(client, wanted))
  return enough(await its.next, wanted)
}

const enough = (have: number, wanted: number) => {
  if (have < wanted) throw new TooFewReplicas(have, wanted)
}
