/**
 * What wakes a puller that has nothing to do: the bell of its partition, and the next delayed task falling due.
 */
import { Effect, Exit, Fiber } from "effect"
import { type Bell, bellWaitMaxMs, type StoreError } from "../../runtime/store.ts"
import type { Complaints } from "../../runtime/telemetry/complaints.ts"
import type { Flights } from "./flights.ts"

/** How long it waits after the bell could not be heard, in milliseconds. */
const deafMs = 100

export interface WakingOptions {
  readonly flights: Flights
  readonly bell: Bell
  readonly redisNow: () => number
  /** Logs with the ids of the puller. */
  readonly tell: (log: Effect.Effect<void>) => Effect.Effect<void>
  readonly complaints: Complaints
  /** Something may wait in the lanes. */
  readonly wake: () => void
  /** An alarm went off for which nothing is due any more. */
  readonly change: () => void
}

export interface Waking {
  /** Waits for the bell, if it does not yet. */
  readonly listen: () => void
  /** Waits for this time, in Unix milliseconds on Redis's clock, unless it waits for an earlier one. */
  readonly await: (due: number) => void
  /** The next due time as the last answer named it: the one after an alarm, or the same one again. */
  nextDue: number | undefined
}

export const openWaking = ({
  bell,
  change,
  complaints,
  flights,
  redisNow,
  tell,
  wake
}: WakingOptions): Waking => {
  let listening = false
  const unheard = complaints.about("the bell of a queue is not heard", "bells are heard again")
  const deaf = ({ message }: StoreError) => Effect.andThen(tell(unheard.wrong(message)), Effect.sleep(deafMs))
  const hears = Effect.suspend(() => tell(unheard.well() ?? Effect.void))

  let armedDue: number | undefined
  let alarm: Fiber.Fiber<void> | undefined

  const waking: Waking = {
    listen: () => {
      if (listening) return
      listening = true
      flights.fly(bell.wait(bellWaitMaxMs).pipe(Effect.andThen(hears), Effect.catch(deaf)), () => {
        listening = false
        wake()
      })
    },
    await: (due) => {
      if (armedDue !== undefined && armedDue <= due) return
      if (alarm !== undefined) flights.send(Effect.asVoid(Fiber.interrupt(alarm)))
      armedDue = due
      alarm = flights.fly(Effect.sleep(Math.max(1, due - redisNow())), (exit) => {
        // A later alarm has taken its place.
        if (armedDue !== due || Exit.isFailure(exit)) return
        armedDue = undefined
        if (waking.nextDue !== undefined && waking.nextDue <= due) wake()
        else change()
      })
    },
    nextDue: undefined
  }
  return waking
}
