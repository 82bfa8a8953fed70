/** A child as a run's code describes it, made into the task that the dispatcher takes. */
import { type Duration, Result } from "effect"
import { millisOf, written } from "../../runtime/duration.ts"
import { ChildRefused, isTaskDefinition } from "../../runtime/handler.ts"
import type { ChildOptions, Link, Named, Submission } from "../../runtime/named.ts"
import { retryJson } from "../../runtime/retry.ts"

/** How a task differs from what its handler says that somebody waits for. */
export interface InquiryOptions extends ChildOptions {
  /** It has failed if it has not ended so much later. */
  readonly deadlineMs?: number
}

/** The task, or what of it is no duration. */
export const described = (handler: string, input: unknown, options: ChildOptions) =>
  Result.try({
    try: () => {
      const { delay, retry, timeout, ...rest } = options
      const millis = (field: string, duration: Duration.Input | undefined) => {
        if (duration === undefined) return {}
        const read = millisOf(duration)
        if (read === undefined) throw new TypeError(`${field} ${written(duration)} is no duration`)
        return { [`${field}Ms`]: Math.round(read) }
      }
      return {
        name: handler,
        input,
        ...rest,
        ...millis("delay", delay),
        ...millis("timeout", timeout),
        ...(retry === undefined ? {} : { retry: retryJson(retry) })
      }
    },
    catch: (thrown) =>
      new ChildRefused({ handler, reason: thrown instanceof Error ? thrown.message : String(thrown) })
  })

/** Nobody follows types through here: the contexts say them. */
export type AnyLink = Link<never, Named>

/** What follows the result before. */
export const submissionOf = (link: Submission | AnyLink, previous: unknown): Submission => {
  if (typeof link === "function") return (link as (previous: unknown) => Submission)(previous)
  return typeof link === "string" || isTaskDefinition(link)
    ? { task: link as Named, input: previous }
    : (link as Submission)
}
