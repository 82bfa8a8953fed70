/**
 * A place of a node that a child process fills, for as long as it is kept.
 *
 * What exits is started again, with a growing delay; what cannot be kept alive is given up with a clear word. A worker
 * that is worn is recycled: its successor takes the place when it is ready, and only then the old one lets what it
 * runs end, so nothing is lost and nothing waits. Who was asked to go leaves the place empty.
 */
import { Duration, Effect, Random, Schema, type Semaphore } from "effect"
import type { SettingsShape } from "../../runtime/config.ts"
import { nextRestart, restartPolicy } from "../../runtime/supervision/restarts.ts"
import type { Series } from "../../runtime/telemetry/exposition.ts"
import { counter, perName } from "../../runtime/telemetry/instruments.ts"
import { beatEvery } from "./channel.ts"
import { type Child, type ChildSpec, type makeSpawn, monotonicMs } from "./child.ts"
import { reasonToRecycle } from "./recycling.ts"

/** A child cannot be kept alive: restarting does not help. Everything else was stopped in order. */
export class ChildFailing extends Schema.TaggedError<ChildFailing>()("ChildFailing", {
  child: Schema.String,
  exit: Schema.Union([Schema.Int, Schema.String])
}) {
  override get message() {
    return `${this.child} cannot be kept alive, it last ended with ${this.exit}; see what it said above`
  }
}

const restartsOf = perName((child: string) => counter("troupe_child_restarts_total", { child }))

const policy = restartPolicy({
  intensity: 10,
  period: "1 minute",
  backoff: { base: "100 millis", cap: "10 seconds" }
})

/** Exits of a child that never got ready which will not go better next time: usage, and what cannot be reached. */
const hopelessExits: ReadonlyArray<number | string> = [2, 5]

/** How often a child that never got ready is started again. */
const startsMax = 3

/** How long a child may take from its start until it is ready. */
export const readyMax = Duration.seconds(60)

/** How long a worn worker goes on after a successor did not get ready. */
const recycleAgainAfter = Duration.minutes(1)

export interface Place {
  readonly spec: ChildSpec
  /** Whom it is filled by; nobody while it is started again. */
  child: Child | undefined
  /** Its child, those that left it to another and still run something, and a successor to be. */
  readonly living: Set<Child>
  /** Whether the node lets it become empty, as it needs fewer. */
  closing: boolean
}

export interface Keeping {
  readonly spawn: Effect.Success<typeof makeSpawn>
  readonly settings: SettingsShape
  /** Held while a successor starts: one at a time, since for that time there is one process more. */
  readonly successions: Semaphore.Semaphore
  readonly onReady: (url: string | undefined) => void
  /** A child tells what it measures of itself. */
  readonly onSeries: (of: string, series: ReadonlyArray<Series>) => void
}

export const emptyPlace = (spec: ChildSpec): Place => ({
  spec,
  child: undefined,
  living: new Set(),
  closing: false
})

/**
 * Keeps a place filled until its child was asked to go and has gone. Fails when a child cannot be kept alive.
 * Interrupted, it stops all that live in it.
 */
export const keep = (place: Place, keeping: Keeping): Effect.Effect<void, ChildFailing> => {
  const { onReady, onSeries, settings, spawn, successions } = keeping
  const lookEvery = beatEvery(settings.heartbeat)
  const restarted = restartsOf(place.spec.name)

  const start = Effect.uninterruptible(
    Effect.tap(spawn(place.spec, onReady, onSeries), (child) => {
      place.living.add(child)
      return Effect.forkDetach(Effect.tap(child.ended, () => Effect.sync(() => place.living.delete(child))))
    })
  )

  /** Succeeds, with the reason, once a child is worn. */
  const worn = (child: Child) =>
    Effect.gen(function* () {
      while (true) {
        yield* Effect.sleep(lookEvery)
        const reason = reasonToRecycle(settings, child.wear(yield* monotonicMs))
        if (reason !== undefined) return reason
      }
    })

  /** A successor that is ready; `undefined` when it did not get so far, or came too late. */
  const successor = Effect.fnUntraced(function* (child: Child) {
    const fresh = yield* start
    yield* fresh.ready.pipe(
      Effect.raceFirst(fresh.ended),
      Effect.raceFirst(child.ended),
      Effect.timeoutOption(readyMax)
    )
    if (fresh.isReady() && !child.isRetiring()) return fresh
    yield* fresh.stop
    return undefined
  })

  /** Lives with a child and its successors; gives the one that has ended. */
  const live = Effect.fnUntraced(function* (first: Child) {
    let child = first
    while (true) {
      place.child = child
      const reason = yield* Effect.raceFirst(Effect.as(child.ended, undefined), worn(child))
      if (reason === undefined) return child
      const fresh = child.isRetiring() ? undefined : yield* successions.withPermit(successor(child))
      if (fresh === undefined) {
        yield* Effect.timeoutOption(child.ended, recycleAgainAfter)
        continue
      }
      yield* Effect.logInfo(
        `${child.name} (pid ${child.pid}) is recycled: ${reason}; pid ${fresh.pid} has taken its place`
      )
      child.retire()
      child = fresh
    }
  })

  const fill = Effect.gen(function* () {
    const restarts: Array<number> = []
    let streak = 0
    let wasReady = false
    while (true) {
      const child = yield* Effect.flatMap(start, live)
      place.child = undefined
      if (child.isRetiring()) return yield* Effect.logInfo(`${child.name} (pid ${child.pid}) has gone`)
      wasReady ||= child.isReady()
      const exit = yield* child.ended
      const now = yield* monotonicMs
      const random = yield* Random.next
      const livedMs = now - child.startedMono
      const decision = nextRestart(policy, { restarts, now, streak, livedMs, random })
      const hopeless = !wasReady && (restarts.length >= startsMax || hopelessExits.includes(exit))
      if (decision._tag === "GiveUp" || hopeless) return yield* new ChildFailing({ child: child.name, exit })
      yield* Effect.logWarning(
        `${child.name} (pid ${child.pid}) ended with ${exit}; it is started again in ${decision.afterMs} ms`
      )
      restarted()
      streak = decision.streak
      yield* Effect.sleep(decision.afterMs)
      restarts.push(yield* monotonicMs)
    }
  })

  return fill.pipe(
    Effect.onExit(() =>
      Effect.forEach([...place.living], ({ stop }) => stop, { concurrency: "unbounded", discard: true })
    )
  )
}
