/**
 * A submitter that may die at any moment: it makes the calls of its plan in their order, and writes down each before
 * it makes it, and what came of it after.
 *
 * Started again it goes on where it was. What it had not heard of is unknown, and is said again where saying it twice
 * is harmless: a submit under an idempotency key, a cancel, and another time.
 */
import {
  connect,
  type Named,
  NotReschedulable,
  StoreError,
  type SubmitOptions,
  TaskEnded
} from "../../../api/client/index.ts"
import type { Terms } from "../../support/history.ts"
import { note, readHistory } from "../../support/history-file.ts"
import { all } from "./workload.ts"

/** One call, and the label it has in the history. */
export type Planned =
  | {
      readonly op: "submit"
      readonly label: string
      readonly name: string
      /** For an agent, whose key is one of the options: which message the input is of. */
      readonly message?: string
      readonly input?: object
      readonly options?: SubmitOptions
      readonly terms?: Terms
    }
  /** Cancels the task that was submitted under the label, once it runs. */
  | { readonly op: "cancel"; readonly label: string }
  /** Lets the delayed task that was submitted under the label run now. */
  | { readonly op: "reschedule"; readonly label: string }

const [file, json] = process.argv.slice(2)
const plan: ReadonlyArray<Planned> = JSON.parse(json!)
const history = readHistory(file!)

const phasesOf = ({ label, op }: Planned) =>
  history.flatMap((event) => (event.op === op && event.label === label ? [event.phase] : []))

const troupe = await connect({ handlers: all })

const taskOf = (label: string): string | undefined => {
  const submitted = readHistory(file!).find(
    (event) => event.op === "submit" && event.phase === "ok" && event.label === label
  )
  return submitted?.op === "submit" ? submitted.task : undefined
}

const submit = async ({ input, label, name, options }: Extract<Planned, { readonly op: "submit" }>) => {
  const task = await troupe.submit(name as Named, { file, label, ...input }, options)
  return task.id
}

const cancel = async (label: string) => {
  const task = taskOf(label)!
  const runs = () => readHistory(file!).some((event) => event.op === "run" && event.task === task)
  while (!runs()) await Bun.sleep(5)
  note(file!, { op: "cancel", label, phase: "invoke", task })
  try {
    await troupe.cancel(task)
  } catch (thrown) {
    // Said again, it finds what the first time has done.
    if (!(thrown instanceof TaskEnded && thrown.state === "cancelled")) throw thrown
  }
  return task
}

const runNow = async (label: string) => {
  const task = taskOf(label)!
  note(file!, { op: "reschedule", label, phase: "invoke", task })
  try {
    await troupe.reschedule(task, { delay: 0 })
  } catch (thrown) {
    // Said again, it finds that the task is due already, or more than that.
    if (!(thrown instanceof NotReschedulable && thrown.state !== "cancelled")) throw thrown
  }
  return task
}

const isRepeatable = (call: Planned) => call.op !== "submit" || call.terms?.idempotencyKey !== undefined

const does = (call: Planned): Promise<string> => {
  switch (call.op) {
    case "submit":
      return submit(call)
    case "cancel":
      return cancel(call.label)
    case "reschedule":
      return runNow(call.label)
  }
}

/** Makes a call, and says what came of it. */
const make = async (call: Planned): Promise<"ok" | "fail" | "unknown"> => {
  const { label, op } = call
  if (op === "submit")
    note(file!, { op, label, phase: "invoke", ...(call.terms ? { terms: call.terms } : {}) })
  try {
    const task = await does(call)
    note(file!, { op, label, phase: "ok", task })
    return "ok"
  } catch (thrown) {
    const phase = thrown instanceof StoreError ? "unknown" : "fail"
    note(file!, { op, label, phase })
    return phase
  }
}

for (const call of plan) {
  const { label, op } = call
  const phases = phasesOf(call)
  if (phases.includes("ok") || phases.includes("fail")) continue
  if (phases.includes("invoke")) {
    note(file!, { op, label, phase: "unknown" })
    if (!isRepeatable(call)) continue
  }
  // There is nothing to do it to when nobody knows what became of its submit.
  if (op !== "submit" && taskOf(label) === undefined) continue
  while ((await make(call)) === "unknown" && isRepeatable(call));
}
await troupe.close()
