/** Links to the nodes of a cluster: one to each that is asked for, opened when it first is. */
import { Effect, Exit, Scope, Semaphore } from "effect"
import type { RedisUnusable } from "../address.ts"
import type { Link } from "../link.ts"
import type { NodeName } from "./slots.ts"

export interface NodeLinks {
  /** The link to a node, if it was asked for before. */
  readonly there: (node: NodeName) => Link | undefined
  readonly to: (node: NodeName) => Effect.Effect<Link, RedisUnusable>
  /** Closes those to nodes that cannot be reached, and are none of these. */
  readonly retain: (nodes: ReadonlySet<NodeName>) => Effect.Effect<void>
}

/** They are closed with the scope. */
export const openNodeLinks = Effect.fnUntraced(function* (
  open: (node: NodeName) => Effect.Effect<Link, RedisUnusable, Scope.Scope>
): Effect.fn.Return<NodeLinks, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const opening = yield* Semaphore.make(1)
  const links = new Map<NodeName, { readonly link: Link; readonly close: Effect.Effect<void> }>()

  const openOne = Effect.fnUntraced(function* (node: NodeName) {
    const there = links.get(node)
    if (there !== undefined) return there.link
    const own = yield* Scope.fork(scope)
    const close = Scope.close(own, Exit.void)
    const link = yield* open(node).pipe(
      Scope.provide(own),
      Effect.onError(() => close)
    )
    links.set(node, { link, close })
    return link
  })

  return {
    there: (node) => links.get(node)?.link,
    to: (node) => opening.withPermits(1)(openOne(node)),
    retain: (nodes) =>
      Effect.suspend(() =>
        Effect.forEach(
          [...links].filter(([node, { link }]) => !nodes.has(node) && !link.isConnected()),
          ([node, { close }]) => {
            links.delete(node)
            return close
          },
          { discard: true }
        )
      )
  }
})
