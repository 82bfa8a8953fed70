/**
 * Faults of what was submitted, told by the names of options. The dispatcher's names are those of HTTP, where a duration is a
 * number of milliseconds and called so.
 */
import { SubmitRefused } from "../../actors/dispatch/new-task.ts"
import { ScheduleRefused } from "../../actors/schedule/definition.ts"
import type { Fault } from "../../runtime/handler.ts"

/** Whole paths: what an input, or a header, is called is for others to say. */
const path =
  /^(\/(?:delay|timeout|expires|deadline|every|jitter)|\/(?:debounce|throttle|cache)\/for|\/retry\/backoff\/(?:base|cap|fixed))Ms$/

const word = /\b(delay|timeout|expires|deadline|every|jitter|for|base|cap|fixed)Ms\b/g

const named = (fault: Fault): Fault => {
  if (/^\/input(?:\/|$)/.test(fault.path)) return fault
  const message = fault.message.replaceAll(word, "$1")
  if (!path.test(fault.path)) return { path: fault.path, message }
  // The unit was in the name.
  const unit = /^Expected a value \b.*\d$/.test(message) ? " milliseconds" : ""
  return { path: fault.path.replace(path, "$1"), message: `${message}${unit}` }
}

/** The error as code's caller reads it; what is no refusal stays as it is. */
export const inOptions = <E>(error: E): E => {
  if (error instanceof SubmitRefused) return new SubmitRefused({ faults: error.faults.map(named) }) as E
  if (error instanceof ScheduleRefused) return new ScheduleRefused({ faults: error.faults.map(named) }) as E
  return error
}
