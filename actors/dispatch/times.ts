/**
 * When a task may start, by when it must have started, and by when it must have ended: a decision over plain values.
 *
 * A caller says each as a time or as so much later, and not both. What could never be kept is refused: an expiry or a deadline
 * that is over before the task is due.
 */
import { Result } from "effect"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { readTime, timeExpected } from "../../runtime/time.ts"
import { aheadMaxMs, type NewTaskJson, refused, type SubmitRefused } from "./new-task.ts"

/** A time that is said either as a time or as so much later, in Unix milliseconds. */
const timeOf = (
  [atName, at]: readonly [name: string, at: string | undefined],
  [afterName, afterMs]: readonly [name: string, afterMs: number | undefined],
  now: number
): Result.Result<number | undefined, SubmitRefused> => {
  if (at === undefined) return Result.succeed(afterMs === undefined ? undefined : now + afterMs)
  if (afterMs !== undefined) return refused(`/${atName}`, `give either ${afterName} or ${atName}`)
  const millis = readTime(at)
  if (millis === undefined) return refused(`/${atName}`, timeExpected)
  return millis - now > aheadMaxMs
    ? refused(`/${atName}`, "more than ten years ahead")
    : Result.succeed(millis)
}

export interface Times {
  /** When it may start, where that is not now. */
  readonly dueAt: number | undefined
  readonly expiresAt: number | undefined
  readonly deadlineAt: number | undefined
}

/** Of most tasks nothing is said of times. */
const noTimes: Result.Result<Times, never> = Result.succeed({
  dueAt: undefined,
  expiresAt: undefined,
  deadlineAt: undefined
})
const timesSaid = ["runAt", "delayMs", "debounce", "expiresAt", "expiresMs", "deadlineMs"] as const

/** What is said of the task counts before what its handler says of all of them. */
export const timesOf = (
  task: NewTaskJson,
  handler: TaskDefinition,
  now: number
): Result.Result<Times, SubmitRefused> => {
  const isSaid = timesSaid.some((option) => task[option] !== undefined)
  if (!isSaid && handler.expiresMs === undefined && handler.deadlineMs === undefined) return noTimes
  const delayMs = task.debounce?.forMs ?? task.delayMs
  if (task.debounce !== undefined && (task.delayMs !== undefined || task.runAt !== undefined)) {
    return refused("/debounce", "says itself how long the task waits: leave out delayMs and runAt")
  }
  const due = timeOf(["runAt", task.runAt], ["delayMs", delayMs], now)
  if (Result.isFailure(due)) return Result.fail(due.failure)
  const expiresMs = task.expiresMs ?? (task.expiresAt === undefined ? handler.expiresMs : undefined)
  const expiry = timeOf(["expiresAt", task.expiresAt], ["expiresMs", expiresMs], now)
  if (Result.isFailure(expiry)) return Result.fail(expiry.failure)
  const dueAt = due.success !== undefined && due.success > now ? due.success : undefined
  const start = dueAt ?? now
  const expiresAt = expiry.success
  if (expiresAt !== undefined && expiresAt <= start) {
    const name = task.expiresAt === undefined ? "expiresMs" : "expiresAt"
    return refused(`/${name}`, dueAt === undefined ? "is over" : "is over before the task is due")
  }
  const deadlineMs = task.deadlineMs ?? handler.deadlineMs
  const deadlineAt = deadlineMs === undefined ? undefined : now + deadlineMs
  if (deadlineAt !== undefined && deadlineAt <= start) {
    return refused("/deadlineMs", "is over before the task is due")
  }
  return Result.succeed({ dueAt, expiresAt, deadlineAt })
}

/** The earlier of two times, either of which may be absent. */
export const earlier = (one: number | undefined, other: number | undefined) =>
  one === undefined || other === undefined ? (one ?? other) : Math.min(one, other)
