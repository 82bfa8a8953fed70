/**
 * Tells those who watch a child when it is gone for good: each exactly once, with the reason, and never on a restart.
 */
import { Data, Deferred, Effect, Exit } from "effect"

/** Why a child is gone. */
export type Reason = Data.TaggedEnum<{
  /** It ended by itself and is not started again, or its supervisor gave up on it. */
  Ended: { readonly exit: Exit.Exit<unknown, unknown> }
  /** It was stopped: by hand, with a sibling, or with its supervisor. */
  Stopped: {}
  /** It was told to stop, did not in its time, and was left alone; it may still do something. */
  Abandoned: {}
  /** It was not there when it was to be watched. */
  NotThere: {}
}>

export const Reason = Data.taggedEnum<Reason>()

export interface Notice {
  /** The path of the supervisor in the tree. */
  readonly supervisor: string
  readonly child: string
  readonly reason: Reason
}

export type Watchers = Set<Deferred.Deferred<Notice>>

/** Watches until the scope is closed. The inner effect waits for the notice, and gives the same each time. */
export const watch = (watchers: Watchers) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const watcher = Deferred.makeUnsafe<Notice>()
        watchers.add(watcher)
        return watcher
      }),
      (watcher) => Effect.sync(() => watchers.delete(watcher))
    ),
    Deferred.await
  )

export const tell = (watchers: Watchers, notice: Notice): void => {
  const told = [...watchers]
  watchers.clear()
  for (const watcher of told) Deferred.doneUnsafe(watcher, Exit.succeed(notice))
}
