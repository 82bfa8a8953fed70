/** How a process is told to stop: the first signal drains it, a second one cuts the waiting short. */
import { Context, Deferred, Effect, Layer } from "effect"

export class Shutdown extends Context.Service<
  Shutdown,
  {
    /** Says that waiting is over: what runs is handed back at once. */
    readonly hurry: () => void
    /** Succeeds once somebody is in a hurry. */
    readonly hurried: Effect.Effect<void>
  }
>()("troupe/Shutdown") {
  static readonly layer = Layer.sync(Shutdown, () => {
    const hurried = Deferred.makeUnsafe<void>()
    return { hurry: () => void Deferred.doneUnsafe(hurried, Effect.void), hurried: Deferred.await(hurried) }
  })
}
