/**
 * A whole system in a test: `import { testTroupe } from "troupe/testing"`.
 *
 *     await using troupe = await testTroupe({ handlers: [sendReminder] })
 *     const task = await troupe.submit(sendReminder, { to: "ada" }, { delay: "1 day" })
 *     await troupe.advance("1 day")
 *     expect(await task.state()).toBe("succeeded")
 *
 * What runs is what runs in production, over the store in memory and a clock that stands still until the test moves it.
 * When `advance` resolves, every task that has become due has run as far as it can. `TestTroupe.layer` is the same for
 * tests in Effect.
 */
import { Context, type Duration, Effect, Layer, Logger } from "effect"
import type { FollowEvent } from "../../actors/follow/follower.ts"
import { connectOver, type Troupe } from "../client/index.ts"
import { type TestControls, type TestOptions, TestTroupe } from "./effect.ts"

export {
  type RunOf,
  StillBusy,
  type TestControls,
  type TestOptions,
  TestTroupe,
  TimeRefused
} from "./effect.ts"
export type { HandlerRun } from "./spy.ts"

/** A system under test. It has the methods of a connection, beside those that move its time and look at it. */
export interface TroupeUnderTest extends Troupe {
  /** What the test's clock shows, in Unix milliseconds. */
  readonly now: () => number
  /**
   * Lets so much time pass. When it resolves, every task that has become due by then has run as far as it can, each at
   * its own time and in order. Rejects with `TimeRefused` for what is no duration.
   */
  readonly advance: (by: Duration.Input) => Promise<void>
  /** The same, up to a time. Rejects with `TimeRefused` when it is over. A text is ISO 8601. */
  readonly setTime: (at: Date | string | number) => Promise<void>
  /** Lets everything run as far as it can without any time passing. */
  readonly settle: () => Promise<void>
  /**
   * Lets time pass until every task of every queue has ended. Rejects with `StillBusy` after `within`, by default 30 days, or
   * where time brings no end.
   */
  readonly idle: (options?: { readonly within?: Duration.Input }) => Promise<void>
  /** The runs of a handler so far, in the order of their starts, and what it was given. */
  readonly runs: TestControls["runs"]
  /** What somebody who follows the task has been told by now. */
  readonly eventsSoFar: (id: string) => Promise<ReadonlyArray<FollowEvent>>
}

/** Starts a system. Rejects with `TimeRefused` or `SettingsError` when the options cannot be. */
export const testTroupe = async (options: TestOptions): Promise<TroupeUnderTest> => {
  const layer = Layer.provideMerge(TestTroupe.layer(options), Layer.succeed(Logger.LogToStderr, true))
  return connectOver(layer, {}, (context, run): Omit<TroupeUnderTest, keyof Troupe> => {
    const controls = Context.get(context, TestTroupe)
    return {
      now: () => Effect.runSync(controls.now),
      advance: (by) => run(() => controls.advance(by)),
      setTime: (at) => run(() => controls.setTime(at)),
      settle: () => run(() => controls.settle),
      idle: (options) => run(() => controls.idle(options)),
      runs: controls.runs,
      eventsSoFar: (id) => run(() => controls.eventsSoFar(id))
    }
  })
}
