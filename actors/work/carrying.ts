/** Carries the outbox of a partition away beside its turns, one pass at a time, for as long as there is more. */
import { Cause, Effect, Exit } from "effect"
import { describe } from "../../runtime/fault.ts"
import { Store } from "../../runtime/store.ts"
import type { Partition } from "../../runtime/task.ts"
import type { Complaints } from "../../runtime/telemetry/complaints.ts"
import { counter } from "../../runtime/telemetry/instruments.ts"
import type { Flights } from "./flights.ts"
import { relaying } from "./relay.ts"

const notRelayed = counter("troupe_outbox_failures_total")

export interface CarryingOptions {
  readonly flights: Flights
  readonly store: Store["Service"]
  readonly partition: Partition
  /** Logs with the ids of the puller. */
  readonly tell: (log: Effect.Effect<void>) => Effect.Effect<void>
  readonly complaints: Complaints
}

/** To be called when there is something in the outbox. What could not be relayed waits for the next such call. */
export const openCarrying = ({
  complaints,
  flights,
  partition,
  store,
  tell
}: CarryingOptions): (() => void) => {
  const pass = Effect.provideService(relaying(partition), Store, store)
  const left = complaints.about("the outbox waits to be relayed", "outboxes are relayed again")
  let carrying = false
  const carry = () => {
    if (carrying) return
    carrying = true
    flights.fly(pass, (exit) => {
      carrying = false
      if (Exit.isFailure(exit)) {
        notRelayed()
        flights.send(tell(left.wrong(describe(Cause.squash(exit.cause)).message)))
        return
      }
      const isOver = left.well()
      if (isOver !== undefined) flights.send(tell(isOver))
      if (exit.value) carry()
    })
  }
  return carry
}
