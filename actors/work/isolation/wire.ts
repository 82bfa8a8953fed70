/**
 * What a worker and the process of an isolated run tell each other.
 *
 * The process runs the handler with the same context as a worker would; whatever that context writes, keeps or reads
 * is a call back to the worker, which does it for the run and answers. Everything is plain values.
 */
import { AttemptOver, EventRefused } from "../../../runtime/handler.ts"
import { StepRefused } from "../../../runtime/steps.ts"
import { StoreError } from "../../../runtime/store.ts"
import type { Ending } from "../attempt.ts"
import type { Keeping, RunOf, Writes } from "../run-of.ts"

/** A run, as far as it can be told. */
export interface IsolatedRun extends Pick<RunOf, "partition" | "worker" | "entry" | "envelope" | "ring"> {
  /** Where its handler is found, and what it is called. */
  readonly module: string
  readonly handler: string
}

/** What a run may ask its worker for, and wait for. */
export interface Calls {
  readonly progress: Writes["progress"]
  readonly log: Writes["log"]
  readonly emit: Writes["emit"]
  readonly recall: Keeping["steps"]["recall"]
  readonly remember: Keeping["steps"]["remember"]
  readonly adopt: Keeping["steps"]["adopt"]
  readonly ended: Keeping["store"]["ended"]
  readonly cancel: Keeping["store"]["cancel"]
  readonly prepare: Keeping["offspring"]["prepare"]
  readonly store: Keeping["offspring"]["store"]
}

/** What it says without waiting. */
export type Word =
  | { readonly kind: "stepped"; readonly step: Parameters<Writes["stepped"]>[0] }
  | { readonly kind: "spend"; readonly limit: string; readonly amount: number }
  | { readonly kind: "lost" }

export type WorkerMessage =
  | { readonly kind: "run"; readonly run: IsolatedRun }
  /** The run is not wanted any more. */
  | { readonly kind: "stop" }
  | { readonly kind: "answer"; readonly call: number; readonly value: unknown }
  | { readonly kind: "refusal"; readonly call: number; readonly error: ToldError }

export type ProcessMessage =
  | {
      readonly kind: "call"
      readonly call: number
      readonly method: keyof Calls
      readonly args: ReadonlyArray<unknown>
    }
  | { readonly kind: "word"; readonly word: Word }
  | { readonly kind: "ended"; readonly ending: Ending }

/** An error as plain values: its name, its message, and what of it is told apart by. */
export interface ToldError {
  readonly name: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

const nameOf = (error: unknown): string => {
  if (typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string")
    return error._tag
  return error instanceof Error ? error.name : "Error"
}

export const toldOf = (error: unknown): ToldError => ({
  name: nameOf(error),
  message: error instanceof Error ? error.message : String(error),
  fields:
    error instanceof AttemptOver
      ? { task: error.task, attempt: error.attempt }
      : error instanceof EventRefused
        ? { reason: error.reason }
        : error instanceof StepRefused
          ? { entry: error.entry }
          : error instanceof StoreError
            ? { operation: error.operation, cause: error.message }
            : error instanceof Error && "faults" in error
              ? { faults: error.faults }
              : {}
})

/** The error again. Of what nobody tells apart by its class only the name and the message are left. */
export const errorOf = ({ fields, message, name }: ToldError): Error => {
  switch (name) {
    case "AttemptOver":
      return new AttemptOver(fields as never)
    case "EventRefused":
      return new EventRefused(fields as never)
    case "StepRefused":
      return new StepRefused(fields as never)
    case "StoreError":
      return new StoreError(fields as never)
    default:
      return Object.assign(new Error(message), { ...fields, name, _tag: name })
  }
}
