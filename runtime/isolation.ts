/** Whether the runs of a handler happen in a process of their own, and what that process may take. */

/** `"process"`, or the same with a bound. */
export type IsolationOptions =
  | "process"
  | {
      readonly kind: "process"
      /** MiB of resident memory over which the process is killed. Only where the system tells, as Linux does. */
      readonly memory?: number
    }

export interface Isolation {
  readonly memory: number | undefined
}

/** A smaller process could not even start. */
const memoryMin = 64

/**
 * Reads the option of a handler. Throws `TypeError` on one that cannot be: a batch and an agent share between their
 * runs what cannot be shared between processes.
 */
export const isolationOf = (
  handler: string,
  options: IsolationOptions | undefined,
  body: "plain" | "effect" | "batch" | "agent"
): Isolation | undefined => {
  if (options === undefined) return undefined
  const problem = (reason: string) => new TypeError(`handler ${handler}: isolation: ${reason}`)
  if (body === "batch")
    throw problem("the tasks of a batch share one run; leave out batch, and isolate each task")
  if (body === "agent") throw problem("an agent's messages share its state; submit an isolated task from it")
  if (options === "process") return { memory: undefined }
  if (typeof options !== "object" || options === null || options.kind !== "process")
    throw problem(`${JSON.stringify(options)} is neither "process" nor { kind: "process", memory }`)
  const { memory } = options
  if (memory !== undefined && !(Number.isFinite(memory) && memory >= memoryMin))
    throw problem(`memory ${memory} is no number of MiB from ${memoryMin}`)
  return { memory }
}
