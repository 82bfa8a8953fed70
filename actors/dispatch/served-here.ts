/**
 * Who of this process runs tasks of which queues: known from the moment it starts, before the store has heard of it.
 *
 * What shares a store in one process sees each other, and nobody else.
 */
import { Effect, type Scope } from "effect"
import type { Store } from "../../runtime/store.ts"
import type { Partition } from "../../runtime/task.ts"

export interface Server {
  /** How many tasks it runs at once, by where it claims them. */
  readonly concurrency: ReadonlyMap<Partition, number>
  readonly has: (handler: string) => boolean
  /** Whether it claims tasks now. */
  readonly claims: () => boolean
}

const servers = new WeakMap<Store["Service"], Set<Server>>()

/** Makes it known for as long as the scope is open. */
export const serveHere = (
  store: Store["Service"],
  server: Server
): Effect.Effect<void, never, Scope.Scope> => {
  const all = servers.get(store) ?? new Set()
  servers.set(store, all)
  return Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => all.add(server)),
      () => Effect.sync(() => all.delete(server))
    )
  )
}

/** How many tasks of a handler this process runs at once there. */
export const concurrencyHere = (store: Store["Service"], partition: Partition, handler: string): number => {
  let sum = 0
  for (const server of servers.get(store) ?? []) {
    if (server.claims() && server.has(handler)) sum += server.concurrency.get(partition) ?? 0
  }
  return sum
}
