/** The nodes of a system, in memory: the readable specification of the `node-*` scripts. */
import { Clock, Effect, Layer } from "effect"
import { lostListedMs, Members, type NodeAbout, type NodeName } from "../members.ts"

interface Node {
  readonly about: NodeAbout
  readonly leaseUntil: number
  draining: boolean
}

export const layer = Layer.sync(Members, () => {
  const nodes = new Map<NodeName, Node>()
  return Members.of({
    beat: Effect.fnUntraced(function* (node, about, join) {
      const now = yield* Clock.currentTimeMillis
      const draining = !join && nodes.get(node)?.draining === true
      nodes.set(node, { about, leaseUntil: now + about.leaseMs, draining })
      for (const [other, { leaseUntil }] of nodes) if (leaseUntil <= now - lostListedMs) nodes.delete(other)
      return draining
    }),
    leave: (node) => Effect.sync(() => void nodes.delete(node)),
    nodes: Effect.map(Clock.currentTimeMillis, (seenAt) =>
      [...nodes]
        .map(([node, state]) => ({ node, seenAt, ...state }))
        .sort((a, b) => (a.node < b.node ? -1 : 1))
    ),
    drain: (node) =>
      Effect.sync(() => {
        const there = nodes.get(node)
        if (there !== undefined) there.draining = true
        return there !== undefined
      })
  })
})
