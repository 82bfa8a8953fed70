/** What can go wrong for those who use Troupe from code, beside what the dispatcher and the store say themselves. */
import { Schema } from "effect"
import type { TaskError } from "../../runtime/record.ts"

/** This text cannot be a task's id. Nothing was asked: correct it. */
export class InvalidTaskId extends Schema.TaggedError<InvalidTaskId>()("InvalidTaskId", {
  id: Schema.String
}) {
  override get message() {
    return `"${this.id}" is no task id, which looks like default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE`
  }
}

const ErrorJson = Schema.Struct({
  type: Schema.String,
  message: Schema.String,
  stack: Schema.optionalKey(Schema.String)
}) satisfies Schema.Codec<TaskError>

/** The task has ended without a result. `error` is what its last run failed with, or why it did not run. */
export class TaskFailed extends Schema.TaggedError<TaskFailed>()("TaskFailed", {
  id: Schema.String,
  state: Schema.Literals(["failed", "cancelled", "expired"]),
  error: ErrorJson
}) {
  override get message() {
    const { message, type } = this.error
    return `task ${this.id} ${this.state === "cancelled" ? "was cancelled" : this.state}: ${type}: ${message}`
  }
}

/** Nobody answered in time. The task was submitted, or may still be: it is not called back. */
export class AskTimeout extends Schema.TaggedError<AskTimeout>()("AskTimeout", {
  handler: Schema.String,
  waitedMs: Schema.Finite
}) {
  override get message() {
    return `${this.handler} gave no answer within ${this.waitedMs} ms`
  }
}

/** This connection was closed, by `close` or by leaving its scope. What was submitted goes on without it. */
export class TroupeClosed extends Schema.TaggedError<TroupeClosed>()("TroupeClosed", {}) {
  override get message() {
    return "this connection to Troupe is closed"
  }
}
