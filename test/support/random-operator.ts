/** What an operator does in random sequences: pauses, bounds, purges, and looks at the queue. */
import type { QueueLimits } from "../../runtime/operations.ts"
import type { Chance } from "./chance.ts"
import type { Command } from "./commands.ts"
import { boxKeys } from "./random-tasks.ts"

export const operatorBy = (chance: Chance) => {
  const some = <A>(name: string, share: number, values: ReadonlyArray<A>) =>
    chance.of(share) ? { [name]: chance.one(values) } : {}

  const limits = (): QueueLimits =>
    // Most bounds are loose, or a sequence would soon do nothing but refuse.
    chance.of(0.4)
      ? {}
      : {
          ...some("maxDepth", 0.5, [2, 4, 8, 12]),
          ...some("maxAgeMs", 0.2, [60_000, 61_000, 65_000]),
          ...some("maxKeyDepth", 0.3, [0, 1, 2, 3]),
          ...some("concurrency", 0.4, [0, 1, 2, 4]),
          ...some("rate", 0.4, [
            { count: 1, perMs: 1_000 },
            { count: 3, perMs: 5_000 }
          ])
        }

  const pause = (): Command => ({
    do: "pause",
    paused: chance.of(0.6),
    ...(chance.of(0.75) ? { key: chance.of(0.5) ? boxKeys[0] : chance.one(boxKeys) } : {})
  })

  return {
    act: (): Command => {
      if (chance.of(0.1)) return { do: "purge" }
      return chance.of(0.5) ? pause() : { do: "limit", limits: limits() }
    },
    look: (): Command => ({ do: "queue" })
  }
}

/** Takes back all that was set. */
export const undo: ReadonlyArray<Command> = [
  { do: "limit", limits: {} },
  { do: "pause", paused: false },
  ...boxKeys.map((key): Command => ({ do: "pause", paused: false, key }))
]
