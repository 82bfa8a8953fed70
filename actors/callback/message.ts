/** What a callback tells of a task that has ended: a decision over plain values. */
import { endedOf, type TaskView } from "../../runtime/view.ts"
import type { TaskError } from "../../runtime/record.ts"
import type { CallbackEvent } from "./option.ts"

/** A larger output is left out, in characters of JSON: whoever wants it asks for it. */
export const outputToldMax = 256 * 1024

const eventOf = {
  succeeded: "task.completed",
  failed: "task.failed",
  cancelled: "task.cancelled",
  expired: "task.expired"
} as const satisfies Record<string, CallbackEvent>

/** `undefined` for a task that has not ended. */
export const eventAt = ({ state }: TaskView): CallbackEvent | undefined =>
  Object.hasOwn(eventOf, state) ? eventOf[state as keyof typeof eventOf] : undefined

const iso = (millis: number) => new Date(millis).toISOString()

/** Whoever receives it need not know our code. */
const plain = ({ message, type }: TaskError) => ({ type, message })

const times = ["submittedAt", "startedAt", "finishedAt", "dueAt", "expiresAt", "deadlineAt"] as const

/** The task as the API shows it, without stacks and links. */
const taskJson = ({ attempts, error, ...view }: TaskView) => ({
  ...view,
  ...Object.fromEntries(times.flatMap((name) => (view[name] === undefined ? [] : [[name, iso(view[name])]]))),
  ...(error === undefined ? {} : { error: plain(error) }),
  attempts: attempts.map(({ error, finishedAt, startedAt, ...attempt }) => ({
    ...attempt,
    startedAt: iso(startedAt),
    ...(finishedAt === undefined ? {} : { finishedAt: iso(finishedAt) }),
    ...(error === undefined ? {} : { error: plain(error) })
  }))
})

/** The body, as the Standard Webhooks scheme has it: `type`, `timestamp`, `data`. */
export const bodyOf = (
  event: CallbackEvent,
  view: TaskView,
  record: string,
  outputMax = outputToldMax
): string => {
  const ended = endedOf(record)
  const output = ended.state === "succeeded" ? JSON.stringify(ended.output ?? null) : undefined
  const told =
    output === undefined
      ? {}
      : output.length > outputMax
        ? { outputOmitted: true }
        : { output: (ended as { readonly output: unknown }).output ?? null }
  return JSON.stringify({
    type: event,
    timestamp: iso(view.finishedAt ?? view.submittedAt),
    data: { task: taskJson(view), ...told }
  })
}
