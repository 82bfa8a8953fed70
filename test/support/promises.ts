/** How a suite states what every store promises: a sentence, and what shows it, in a namespace and on a clock of its own. */
import { type Duration, Effect, type Layer, type Scope } from "effect"
import type { SettingsShape } from "../../runtime/config.ts"
import type { Box } from "../../runtime/mailbox.ts"
import { it } from "./effect.ts"
import type { StoreUnderTest } from "./stores.ts"
import { found, headerOf } from "./tasks.ts"
import { TestTime } from "./time.ts"

export type StoreWith = (over?: Partial<SettingsShape>) => Layer.Layer<StoreUnderTest>

/** `over` are the settings that a promise needs. */
export const promisesOn =
  (storeWith: StoreWith) =>
  <Act extends Effect.Effect<unknown, unknown, StoreUnderTest | Scope.Scope>>(
    sentence: string,
    body: () => Generator<Act, void, never>,
    over?: Partial<SettingsShape>
  ) =>
    it.live(
      sentence,
      () =>
        Effect.gen(body).pipe(Effect.provide(storeWith(over))) as Effect.Effect<void, unknown, Scope.Scope>
    )

export const advance = (by: Duration.Input) => Effect.flatMap(TestTime, (time) => time.advance(by))

/** The box of a key without limits: its tasks run one at a time, in order, unless said otherwise. */
export const boxOf = (key: string, over: Partial<Box> = {}): Box => ({
  name: `|${key}`,
  limit: 1,
  ordered: true,
  ...over
})

/** The state letter of a task. */
export const letterOf = (ulid: string) =>
  Effect.map(found(ulid), (task) => (task === undefined ? undefined : headerOf(task.record).letter))
