/** A schedule as it is shown. Times are Unix milliseconds. */
import type { State } from "../../runtime/task.ts"
import type { Definition, ScheduledTask } from "./definition.ts"
import { ruleOf } from "./definition.ts"
import { slotsFrom } from "./rule.ts"
import type { ScheduleState, SlotNote } from "./state.ts"

/** How many of its next slots are shown. */
export const nextRunsMax = 10

/** A schedule with its next ten slots. Times are Unix milliseconds. */
export interface ScheduleView extends Omit<Definition, "task" | "jitterMs">, ScheduledTask {
  readonly id: string
  readonly jitterMs?: number
  readonly paused: boolean
  /** Its next slots; none while it is paused, and when it is over. */
  readonly nextRuns: ReadonlyArray<number>
  readonly lastRun?: SlotNote
  /** The slot of the run that waits until the last one has ended. */
  readonly waiting?: number
  readonly createdAt: number
  readonly updatedAt: number
}

/** What became of a slot, and of its task as far as that is kept. */
export interface SlotView extends SlotNote {
  readonly state?: State
}

/** One schedule with what became of its last slots, the newest first. */
export interface ScheduleDetail extends ScheduleView {
  readonly history: ReadonlyArray<SlotView>
}

export const viewOf = (id: string, state: ScheduleState): ScheduleView => {
  const { createdAt, definition, lastRun, paused, since, slot, updatedAt, waiting } = state
  const { jitterMs, task, ...rest } = definition
  return {
    id,
    ...task,
    input: task.input ?? null,
    ...rest,
    ...(jitterMs === 0 ? {} : { jitterMs }),
    paused,
    nextRuns: slotsFrom(ruleOf(definition, since), slot, nextRunsMax),
    ...(lastRun === undefined ? {} : { lastRun }),
    ...(waiting === undefined ? {} : { waiting: waiting.slot }),
    createdAt,
    updatedAt
  }
}
