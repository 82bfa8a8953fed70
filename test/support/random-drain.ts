/** Brings a random sequence to its end, after which no key must be left. */
import type { Found, Swept } from "../../runtime/store.ts"
import type { Message } from "../../runtime/mailbox.ts"
import type { TurnReply } from "../../runtime/turn.ts"
import type { Entry } from "../../runtime/task.ts"
import type { Command, Reply } from "./commands.ts"
import { undo } from "./random-operator.ts"
import { limitedRing } from "./random-tasks.ts"
import { aTurn, end } from "./tasks.ts"

interface Drain {
  /** Of all tasks that there may be. */
  readonly ulids: ReadonlyArray<string>
  readonly deadRetentionMs: number
  /** After this time every lease is over; `wentBack` is by how much the clock was set back. */
  readonly waitMs: number
  readonly wentBack: number
}

/** What waits for children that nobody will submit is cancelled; the rest runs once more, and ends. */
export function* drain({ deadRetentionMs, ulids, waitMs, wentBack }: Drain): Generator<Command, void, Reply> {
  yield* undo
  const all = (yield { do: "read", ulids }) as ReadonlyArray<Found | undefined>
  for (const [at, found] of all.entries())
    if (found?.place.kind === "waiting") yield { do: "cancel", ulid: ulids[at]! }
  yield { do: "advance", ms: waitMs + wentBack }
  let rest: ReadonlyArray<Entry> = []
  let left = true
  while (left) {
    const settled = rest.map((entry) => end(entry))
    const { claimed, nextDue } = (yield {
      do: "turn",
      turn: aTurn("last", { want: 1_000, settled, permits: [[limitedRing, 1_000]] })
    }) as TurnReply
    rest = claimed.map(({ entry }) => entry)
    if (nextDue !== undefined) yield { do: "advance", ms: 30_000 }
    left = rest.length > 0 || nextDue !== undefined || (yield { do: "listen" }) === true
  }
  yield { do: "depth" }
  yield { do: "drop", messages: (yield { do: "outbox" }) as ReadonlyArray<Message> }
  yield { do: "advance", ms: deadRetentionMs + wentBack }
  const { remembered } = (yield { do: "sweep", limit: 1_000 }) as Swept
  for (const one of remembered) yield { do: "forget", remembered: one }
  yield { do: "leave", worker: "last" }
  yield { do: "listen" }
  yield { do: "look" }
}
