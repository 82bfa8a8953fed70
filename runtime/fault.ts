/** Errors as they are kept with a task and shown to people: type, message, stack and cause, each of bounded size. */
import { ActRefused, AskCycle } from "./current-agent.ts"
import { Cause } from "effect"
import { ChildFailed, StepChanged, StepTooLarge } from "./current-task.ts"
import type { TaskError } from "./task.ts"
import { Fatal, RetryAfter, Snooze } from "./verdict.ts"

/** In characters. A cause is kept shorter than the error it led to, and at most so many of them. */
const messageMax = 4_096
const stackMax = 8_192
const causeMessageMax = 1_024
const causeStackMax = 2_048
const causesMax = 4

const cut = (text: string, max: number) => (text.length <= max ? text : `${text.slice(0, max)}…`)

/** A value that was thrown and is no error, as text. */
const textOf = (thrown: unknown): string => {
  if (typeof thrown !== "object" || thrown === null) return String(thrown)
  try {
    return JSON.stringify(thrown) ?? "an object"
  } catch (reason) {
    return `an object that is no JSON: ${reason instanceof Error ? reason.message : "?"}`
  }
}

const typeOf = (thrown: object): string | undefined => {
  if ("_tag" in thrown && typeof thrown._tag === "string") return thrown._tag || undefined
  return thrown instanceof Error ? thrown.name || undefined : undefined
}

const describeTo = (thrown: unknown, causes: number): TaskError => {
  const [most, stackMost] = causes === causesMax ? [messageMax, stackMax] : [causeMessageMax, causeStackMax]
  if (typeof thrown !== "object" || thrown === null)
    return { type: "Error", message: cut(textOf(thrown), most) }
  const type = cut(typeOf(thrown) ?? "Error", 256)
  if (!(thrown instanceof Error)) return { type, message: cut(textOf(thrown), most) }
  return {
    type,
    message: cut(thrown.message, most),
    ...(thrown.stack === undefined ? {} : { stack: cut(thrown.stack, stackMost) }),
    ...(thrown.cause === undefined || causes === 0 ? {} : { cause: describeTo(thrown.cause, causes - 1) })
  }
}

/** Describes anything that was thrown or failed with, and what caused it. */
export const describe = (thrown: unknown): TaskError => describeTo(thrown, causesMax)

/** The same in one line, causes included. */
export const inOneLine = (thrown: unknown): string => {
  const messages: Array<string> = []
  for (let error: TaskError | undefined = describe(thrown); error !== undefined; error = error.cause) {
    messages.push(error.message)
  }
  return messages.join(": ")
}

/** How many frames of a stack a log is told. */
const framesMax = 8

/**
 * What a log may be told of what a handler's code threw when nobody waited for it: its type and where, without its message,
 * which may quote what the handler was given.
 */
export const withoutMessage = (thrown: unknown): string => {
  if (!(thrown instanceof Error)) return `a ${typeof thrown}`
  const { message, name, stack = "" } = thrown
  const after = stack.includes(message) ? stack.slice(stack.indexOf(message) + message.length) : stack
  const frames = after.split("\n").filter((line) => /^\s+at /.test(line))
  return [name, ...frames.slice(0, framesMax)].join("\n")
}

/** What a run failed with, and what it said about being tried again. */
export interface Failure {
  readonly error: TaskError
  /** Trying again cannot help. */
  readonly fatal: boolean
  /** What a `RetryAfter` asked for; otherwise the policy decides. */
  readonly after?: { readonly ms: number; readonly counted: boolean; readonly limit: string | undefined }
}

/** How a run that gave no output ended. */
export type Unfinished =
  | { readonly kind: "failure"; readonly failure: Failure }
  | { readonly kind: "snooze"; readonly afterMs: number }

/** Trying again would come to the same. */
const isFatal = (thrown: unknown) =>
  [Fatal, StepChanged, StepTooLarge, ChildFailed, AskCycle, ActRefused].some((kind) => thrown instanceof kind)

export const unfinished = (thrown: unknown): Unfinished => {
  if (thrown instanceof Snooze) return { kind: "snooze", afterMs: thrown.afterMs }
  const failure: Failure = {
    error: describe(thrown),
    fatal: isFatal(thrown),
    ...(thrown instanceof RetryAfter
      ? { after: { ms: thrown.afterMs, counted: thrown.counted, limit: thrown.limit } }
      : {})
  }
  return { kind: "failure", failure }
}

export const unfinishedCause = (cause: Cause.Cause<unknown>): Unfinished => unfinished(Cause.squash(cause))
