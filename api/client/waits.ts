/**
 * What somebody waits for through one connection, in promises: it ends with the connection at the latest, and then
 * rejects with `TroupeClosed`.
 */
import { Cause, Context, Deferred, Effect, Exit, Fiber, Stream } from "effect"
import type { Done } from "./direct.ts"
import { Troupe } from "./effect.ts"
import { TroupeClosed } from "./errors.ts"

/** Runs what somebody waits for. */
export type Run = <A>(use: (troupe: Troupe["Service"]) => Effect.Effect<A, unknown>) => Promise<A>

export interface Waits {
  readonly run: Run
  /** The same without a fiber: `start` gives what ends the wait. */
  readonly tell: <A, B>(start: (done: Done<A>) => () => void, to: (value: A) => B) => Promise<B>
  readonly iterate: <A>(follow: (troupe: Troupe["Service"]) => Stream.Stream<A, unknown>) => AsyncIterable<A>
  /** From now on nothing begins, and nothing more is iterated. What is waited for goes on. */
  readonly close: () => void
  /** Ends what is waited for. */
  readonly end: () => Promise<void>
}

export const openWaits = (context: Context.Context<Troupe>): Waits => {
  const service = Context.get(context, Troupe)
  const fork = Effect.runForkWith(context)
  const closed = Deferred.makeUnsafe<never, TroupeClosed>()
  const isClosed = () => Deferred.isDoneUnsafe(closed)
  const fibers = new Set<Fiber.Fiber<unknown, unknown>>()
  /** Of what is waited for without a fiber: each ends its wait. */
  const told = new Set<() => void>()

  const exitOf = <A>(effect: Effect.Effect<A, unknown>) =>
    new Promise<Exit.Exit<A, unknown>>((resolve) => {
      const fiber = fork(effect)
      fibers.add(fiber)
      fiber.addObserver((exit) => {
        fibers.delete(fiber)
        resolve(exit)
      })
    })

  const run: Run = async (use) => {
    if (isClosed()) throw new TroupeClosed()
    const exit = await exitOf(use(service))
    if (Exit.isSuccess(exit)) return exit.value
    throw isClosed() && Cause.hasInterruptsOnly(exit.cause) ? new TroupeClosed() : Cause.squash(exit.cause)
  }

  const tell = <A, B>(start: (done: Done<A>) => () => void, to: (value: A) => B) =>
    new Promise<B>((resolve, reject) => {
      let isOver = false
      let forget = () => {}
      const stop = () => {
        // First, for its callback may be told that it was interrupted.
        reject(new TroupeClosed())
        forget()
      }
      if (isClosed()) {
        stop()
        return
      }
      forget = start((exit) => {
        isOver = true
        told.delete(stop)
        if (Exit.isSuccess(exit)) resolve(to(exit.value))
        else reject(Cause.squash(exit.cause) as Error)
      })
      if (!isOver) told.add(stop)
    })

  const iterate: Waits["iterate"] = (follow) =>
    Stream.unwrap(
      Effect.map(
        Effect.promise(() => run(Effect.succeed)),
        follow
      )
    ).pipe(Stream.interruptWhen(Deferred.await(closed)), Stream.toAsyncIterable)

  return {
    run,
    tell,
    iterate,
    close: () => Deferred.doneUnsafe(closed, Exit.fail(new TroupeClosed())),
    end: () => {
      for (const stop of told) stop()
      return Effect.runPromise(Fiber.interruptAll(fibers))
    }
  }
}
