/** Carries the outbox of a partition away beside its turns, one pass at a time, for as long as there is more. */
import { Effect, Exit } from "effect"
import { Store } from "../../runtime/store.ts"
import type { Partition } from "../../runtime/task.ts"
import { counter } from "../../runtime/telemetry/instruments.ts"
import type { Flights } from "./flights.ts"
import { relay } from "./relay.ts"

const notRelayed = counter("troupe_outbox_failures_total")

export interface CarryingOptions {
  readonly flights: Flights
  readonly store: Store["Service"]
  readonly partition: Partition
  /** Logs with the ids of the puller. */
  readonly tell: (log: Effect.Effect<void>) => Effect.Effect<void>
}

/** To be called when there is something in the outbox. What could not be relayed waits for the next such call. */
export const openCarrying = ({ flights, partition, store, tell }: CarryingOptions): (() => void) => {
  let carrying = false
  const carry = () => {
    if (carrying) return
    carrying = true
    flights.fly(Effect.provideService(relay(partition), Store, store), (exit) => {
      carrying = false
      if (Exit.isFailure(exit)) {
        notRelayed()
        flights.send(tell(Effect.logWarning("the outbox waits to be relayed", exit.cause)))
      } else if (exit.value) carry()
    })
  }
  return carry
}
