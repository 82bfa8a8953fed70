/** A node's heartbeats: that it lives, what it is, and hearing that it is to go. */
import { Clock, Duration, Effect } from "effect"
import { hostname } from "node:os"
import { Settings } from "../../runtime/config.ts"
import { Members, type NodeAbout } from "../../runtime/members.ts"
import { nodeOf } from "./name.ts"

/** How long it waits for the store to forget it, when it has stopped. */
const leaveMax = "2 seconds"

/** Beats until the scope closes; then it leaves. What was started after it has stopped by then. */
export const beHeard = Effect.fnUntraced(function* (options: {
  /** How many worker processes there are. */
  readonly workers: () => number
  /** Somebody asks it to stop all it runs. */
  readonly onDrain: Effect.Effect<unknown>
}) {
  const members = yield* Members
  const { heartbeat, lease, workers } = yield* Settings
  const name = nodeOf(process.pid)
  const startedAt = yield* Clock.currentTimeMillis
  const about = (): NodeAbout => ({
    host: hostname(),
    pid: process.pid,
    startedAt,
    workers: options.workers(),
    ...workers,
    leaseMs: Duration.toMillis(lease)
  })

  yield* Effect.addFinalizer(() =>
    Effect.ignore(Effect.timeoutOption(Effect.interruptible(members.leave(name)), leaveMax))
  )
  let joined = false
  const beat = Effect.gen(function* () {
    const asked = yield* members.beat(name, about(), !joined)
    joined = true
    if (asked) yield* options.onDrain
  }).pipe(Effect.catch((error) => Effect.logDebug(`a heartbeat was not heard: ${error.message}`)))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(beat, Effect.sleep(heartbeat))))
})
