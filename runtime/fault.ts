/** Errors as they are kept with a task and shown to people: type, message, stack and cause, each of bounded size. */
import { ActRefused, AskCycle } from "./current-agent.ts"
import { Cause } from "effect"
import { ChildFailed, StepChanged, StepNested, StepTooLarge } from "./run-errors.ts"
import type { TaskError } from "./record.ts"
import { Fatal, RetryAfter, Snooze } from "./verdict.ts"

/** In characters. A cause is kept shorter than the error it led to, and at most so many of them. */
const messageMax = 4_096
const stackMax = 8_192
const causeMessageMax = 1_024
const causeStackMax = 2_048
const causesMax = 4

const cut = (text: string, max: number) => (text.length <= max ? text : `${text.slice(0, max)}…`)

/**
 * What is read of what was thrown; `undefined` where that throws itself. An error's fields may be anything: whoever made
 * it of a reply (`Object.assign(error, body)`) has not looked.
 */
const attempted = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

const isError = (thrown: unknown): thrown is Error => attempted(() => thrown instanceof Error) === true

/** A value that is no error, as text. */
const textOf = (value: unknown): string => {
  if (typeof value === "function") return "a function"
  if (typeof value !== "object" || value === null) return String(value)
  return attempted(() => JSON.stringify(value)) ?? "an object that is no JSON"
}

const nameIn = (name: unknown): string | undefined =>
  typeof name === "string" && name !== "" ? name : undefined

const typeOf = (thrown: object): string | undefined =>
  nameIn(attempted((): unknown => Reflect.get(thrown, "_tag"))) ??
  (isError(thrown) ? nameIn(attempted(() => thrown.name)) : undefined)

/** What is told of an error in its place, or left out. */
const ownFieldsNot = new Set(["_tag", "name", "message", "stack", "cause"])

/** An error without a message says what it has to say in its fields, as tagged errors do: those, as JSON. */
const fieldsOf = (error: Error): string =>
  attempted(() => {
    const fields = Object.entries(error).filter(
      ([name, value]) => !ownFieldsNot.has(name) && value !== undefined
    )
    return fields.length === 0 ? "" : JSON.stringify(Object.fromEntries(fields))
  }) ?? ""

const describeTo = (thrown: unknown, causes: number): TaskError => {
  const [most, stackMost] = causes === causesMax ? [messageMax, stackMax] : [causeMessageMax, causeStackMax]
  if (typeof thrown !== "object" || thrown === null)
    return { type: "Error", message: cut(textOf(thrown), most) }
  const type = cut(typeOf(thrown) ?? "Error", 256)
  if (!isError(thrown)) return { type, message: cut(textOf(thrown), most) }
  const [message, stack, cause] = (["message", "stack", "cause"] as const).map((field): unknown =>
    attempted(() => thrown[field])
  )
  return {
    type,
    message: cut((typeof message === "string" ? message : textOf(message)) || fieldsOf(thrown), most),
    ...(typeof stack === "string" ? { stack: cut(stack, stackMost) } : {}),
    ...(cause === undefined || causes === 0 ? {} : { cause: describeTo(cause, causes - 1) })
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
  if (!isError(thrown)) return `a ${typeof thrown}`
  const { message, stack = "", type } = describe(thrown)
  const after = stack.includes(message) ? stack.slice(stack.indexOf(message) + message.length) : stack
  const frames = after.split("\n").filter((line) => /^\s+at /.test(line))
  return [type, ...frames.slice(0, framesMax)].join("\n")
}

/** What a run failed with, and what it said about being tried again. */
export interface Failure {
  readonly error: TaskError
  /** Trying again cannot help. */
  readonly fatal: boolean
  /** What a `RetryAfter` asked for; otherwise the policy decides. */
  readonly after?: {
    readonly ms: number
    readonly counted: boolean
    /** The limit that pauses meanwhile; all of its handler's where it says nothing, none where it is `false`. */
    readonly limit: string | false | undefined
    /** `false` where none pauses: nobody has refused anything. */
    readonly cools?: false
  }
}

/** How a run that gave no output ended. */
export type Unfinished =
  | { readonly kind: "failure"; readonly failure: Failure }
  | { readonly kind: "snooze"; readonly afterMs: number }

/** Trying again would come to the same. */
const isFatal = (thrown: Error) =>
  [Fatal, StepChanged, StepNested, StepTooLarge, ChildFailed, AskCycle, ActRefused].some(
    (kind) => thrown instanceof kind
  )

export const unfinished = (thrown: unknown): Unfinished => {
  if (!isError(thrown)) return { kind: "failure", failure: { error: describe(thrown), fatal: false } }
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
