/**
 * Gives a task that waits for its time another one: a delayed task may be due earlier or later, one that is to be tried again may be
 * tried at once.
 *
 * Times are those of the store. It may be said again: what was said by a call that got no answer is there, or is there now; and one
 * whose new time has come meanwhile is where it was to be.
 */
import { Clock, Effect, Result, Schema } from "effect"
import { readerOf } from "../../runtime/known-fields.ts"
import { type Due, type Rescheduled as Answer, Store } from "../../runtime/store.ts"
import { partitionOfId, State, TaskId, ulidOfId } from "../../runtime/task.ts"
import { readTime, timeExpected } from "../../runtime/time.ts"
import { aheadMaxMs, NewTaskJson, refused, SubmitRefused } from "./new-task.ts"
import { untilAnswered } from "./outbox.ts"
import type { Ownership } from "./ownership.ts"
import { TaskNotFound } from "./replies.ts"

/** The task does not wait for its time, so there is none to change. Nothing was changed. */
export class NotReschedulable extends Schema.TaggedError<NotReschedulable>()("NotReschedulable", {
  id: TaskId,
  state: State
}) {
  override get message() {
    return `${this.id} is ${this.state}; only a task that is scheduled or retrying can be given another time`
  }
}

/** When a task is to be due: so much later, where 0 is at once, or at a time, ISO 8601. One of them. */
export const RescheduleJson = Schema.Struct({
  delayMs: NewTaskJson.fields.delayMs,
  runAt: NewTaskJson.fields.runAt
})

/** How a task stands that was given another time. */
export interface Rescheduled {
  readonly id: TaskId
  /** `scheduled` or `retrying`, or `queued` where its time has come. */
  readonly state: State
  /** In Unix milliseconds, on the store's clock. */
  readonly dueAt: number
}

const readFields = readerOf(RescheduleJson, "option")

/** When that is, as the store is told it. `now` is in Unix milliseconds. */
const dueIn = (given: unknown, now: number): Result.Result<Due, SubmitRefused> => {
  const fields = readFields(given)
  if (Result.isFailure(fields)) return Result.fail(new SubmitRefused({ faults: fields.failure }))
  const { delayMs, runAt } = fields.success
  if (delayMs !== undefined && runAt !== undefined) return refused("/runAt", "give either delayMs or runAt")
  if (delayMs !== undefined) return Result.succeed({ afterMs: delayMs })
  if (runAt === undefined) return refused("", "say when it is due: give delayMs, 0 for at once, or runAt")
  const at = readTime(runAt)
  if (at === undefined) return refused("/runAt", timeExpected)
  return at - now > aheadMaxMs ? refused("/runAt", "more than ten years ahead") : Result.succeed({ at })
}

const overWhen = ({ at, by }: Extract<Answer, { readonly kind: "over" }>) =>
  `is not before its ${by}, ${new Date(at).toISOString()}`

export const makeReschedule = Effect.fnUntraced(function* (ownership: Ownership) {
  const store = yield* Store

  return Effect.fn("Dispatcher.reschedule")(function* (id: TaskId, when: unknown) {
    const askedAt = yield* Clock.currentTimeMillis
    const due = yield* Effect.fromResult(dueIn(when, askedAt))
    yield* ownership.check(id)
    let isRepeated = false
    const answer = yield* untilAnswered(store.reschedule(partitionOfId(id), ulidOfId(id), due), () => {
      isRepeated = true
    })
    switch (answer.kind) {
      case "missing":
        return yield* new TaskNotFound({ id })
      case "over":
        return yield* Effect.fromResult(refused("at" in due ? "/runAt" : "/delayMs", overWhen(answer)))
      case "elsewhere": {
        const { now, state } = answer
        // Said again, it may find that the time has come which it had set itself.
        const dueAt = "at" in due ? due.at : now - (yield* Clock.currentTimeMillis) + askedAt + due.afterMs
        if (isRepeated && dueAt <= now && state !== "cancelled" && state !== "expired")
          return { id, state, dueAt } satisfies Rescheduled
        return yield* new NotReschedulable({ id, state })
      }
      case "moved": {
        const { due: dueAt, state } = answer
        return { id, state, dueAt } satisfies Rescheduled
      }
    }
  })
})
