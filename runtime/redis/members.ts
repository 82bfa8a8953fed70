/** The nodes of a system, in Redis: every method is one script. */
import { Effect, Layer } from "effect"
import { lostListedMs, Members, type NodeAbout } from "../members.ts"
import { queuesPartition } from "../queue-names.ts"
import { during, Scripted } from "./scripted.ts"

/** Nodes are kept beside the names of the queues: both are of the system as a whole. */
const home = queuesPartition

type ListReply = [now: number, nodes: Array<string>, abouts: Array<string | null>, draining: Array<0 | 1>]

const make = Effect.gen(function* () {
  const { run } = yield* Scripted
  return Members.of({
    beat: (node, about, join) =>
      run<0 | 1>("node-beat", home, [
        node,
        about.leaseMs,
        JSON.stringify(about),
        join ? 1 : 0,
        lostListedMs
      ]).pipe(
        Effect.map((asked) => asked === 1),
        during("Members.beat")
      ),
    leave: (node) => Effect.asVoid(run("node-leave", home, [node])).pipe(during("Members.leave")),
    nodes: run<ListReply>("node-list", home, []).pipe(
      Effect.map(([seenAt, flat, abouts, draining]) =>
        abouts
          .flatMap((about, at) =>
            about === null
              ? []
              : [
                  {
                    node: flat[2 * at]!,
                    leaseUntil: Number(flat[2 * at + 1]),
                    seenAt,
                    about: JSON.parse(about) as NodeAbout,
                    draining: draining[at] === 1
                  }
                ]
          )
          .sort((a, b) => (a.node < b.node ? -1 : 1))
      ),
      during("Members.nodes")
    ),
    drain: (node) =>
      run<0 | 1>("node-drain", home, [node]).pipe(
        Effect.map((found) => found === 1),
        during("Members.drain")
      )
  })
})

export const layer = Layer.effect(Members, make)
