/** New tasks of random sequences: with lanes, delays, boxes, alarms and parents, as chance has it. */
import type { Box, NewTask } from "../../runtime/mailbox.ts"
import { lanes } from "../../runtime/task.ts"
import type { Chance } from "./chance.ts"
import { aTask, type TestTask, ulidAt } from "./tasks.ts"
import { startOfTime } from "./time.ts"

/** The keys and rings of boxes. */
export const boxKeys = ["a", "b", "~low"] as const
const boxNames = ["|a", "|b", "openai|a", "openai|~low"]
export const limitedRing = "openai"

const alarmMs = [0, 500, 1_000, 3_000, 5_000]

/** What sort of sequence the tasks are for. */
export interface Pace {
  /** More tasks than one turn reaps, and few of everything else. */
  readonly crowd: boolean
  /** Tasks end as soon as they can, and much time passes: segments come and go. */
  readonly swift: boolean
}

export const tasksBy = (chance: Chance, { crowd, swift }: Pace) => {
  const segments = crowd ? 3 : swift ? 1 : 1 + chance.below(3)
  /** How often tasks wait in boxes, and have alarms. */
  const boxed = !swift && chance.of(0.6) ? chance.one([0.5, 1]) : 0
  const alarmed = chance.of(0.3) ? 0.2 : 0
  const ulids: Array<string> = []
  const names = boxNames.filter((name) => name === "|a" || chance.of(0.5))
  const boxes = new Map<string, Box>()

  /** What is said of a box seldom changes. */
  const aBox = (): Box => {
    const name = chance.one(names)
    const there = boxes.get(name)
    if (there !== undefined && chance.of(0.85)) return there
    const limit = chance.one(crowd ? [0, 0, 25] : [0, 1, 1, 2])
    const box = { name, limit, ordered: chance.of(0.5) }
    boxes.set(name, box)
    return box
  }

  const dueAt = (now: number): NewTask["due"] => {
    if (crowd || chance.of(swift ? 0.9 : 0.7)) return undefined
    return chance.of(0.5)
      ? { afterMs: chance.one([0, 1, 500, 1_000, 4_000, 30_000]) }
      : { at: now + chance.one([-5_000, 0, 1, 1_000, 2_500]) }
  }

  const aNewTask = (now: number, over: Pick<NewTask, "parent"> = {}): TestTask => {
    // Tasks are not submitted in the order of their ids.
    const at = startOfTime - 60_000 + chance.below(segments) * 5_000
    const ulid = ulidAt(at, chance.below(1_000_000) * 1_000 + ulids.length)
    ulids.push(ulid)
    const due = dueAt(now)
    return aTask({
      ulid,
      lane: chance.one(lanes),
      input: ulids.length,
      ...(due === undefined ? {} : { due }),
      ...(due !== undefined && "at" in due ? { dueAt: due.at } : {}),
      ...(chance.of(boxed) ? { box: aBox() } : {}),
      ...(chance.of(alarmed) ? { expiresAt: now + chance.one(alarmMs) } : {}),
      ...(chance.of(alarmed) ? { deadlineAt: now + chance.one(alarmMs) } : {}),
      ...over
    })
  }

  const anUlid = () => (ulids.length === 0 ? ulidAt(1, 1) : chance.one(ulids))

  return {
    /** Whether any task of the sequence may wait in a box. */
    boxed: boxed > 0,
    /** Of all tasks that were made. */
    ulids,
    aNewTask,
    anUlid,
    someUlids: () => Array.from({ length: 1 + chance.below(3) }, anUlid)
  }
}
