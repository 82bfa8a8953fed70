/** Errors as they are kept with a task and shown to people: a type, a message and a stack, each of bounded size. */
import { Cause } from "effect"
import { Fatal } from "./handler.ts"
import type { TaskError } from "./task.ts"

const messageMax = 4_096
const stackMax = 8_192

const cut = (text: string, max: number) => (text.length <= max ? text : `${text.slice(0, max)}…`)

const message = (error: Error): string =>
  error.cause === undefined ? error.message : `${error.message} (cause: ${describe(error.cause).message})`

/** Describes anything that was thrown or failed with. */
export const describe = (thrown: unknown): TaskError => {
  if (thrown instanceof Error) {
    const tag = "_tag" in thrown && typeof thrown._tag === "string" ? thrown._tag : thrown.name
    return {
      type: tag || "Error",
      message: cut(message(thrown), messageMax),
      ...(thrown.stack === undefined ? {} : { stack: cut(thrown.stack, stackMax) })
    }
  }
  if (typeof thrown === "object" && thrown !== null && "_tag" in thrown) {
    return { type: String(thrown._tag), message: cut(JSON.stringify(thrown) ?? "", messageMax) }
  }
  return { type: "Error", message: cut(String(thrown), messageMax) }
}

/** What a run failed with, and whether trying again could help. */
export interface Failure {
  readonly error: TaskError
  readonly fatal: boolean
}

export const failureOf = (thrown: unknown): Failure => ({
  error: describe(thrown),
  fatal: thrown instanceof Fatal
})

export const failureOfCause = (cause: Cause.Cause<unknown>): Failure => failureOf(Cause.squash(cause))
