/** Tasks, workers and statistics as JSON: times in ISO 8601, and the addresses where more is to be had. */
import type { NodeView, WorkerView } from "../../actors/operate/crew.ts"
import type { Submitted } from "../../actors/dispatch/dispatcher.ts"
import type { Stats } from "../../actors/operate/stats.ts"
import type { TaskId } from "../../runtime/task.ts"
import type { TaskView } from "../../runtime/view.ts"
import type { ApiContext } from "./run.ts"
import type { NodeShape, StatsShape, WorkerShape } from "./shapes/system.ts"
import type { SubmittedShape, TaskShape } from "./shapes/task.ts"

const iso = (millis: number) => new Date(millis).toISOString()

/** What the addresses of a request's app begin with: nothing, unless it is mounted in another. */
export const baseOf = (c: ApiContext): string => c.get("base")

/** Where a task is found. */
export const taskPath = (id: TaskId, base = "") => `${base}/v1/tasks/${id}`

const linksOf = (id: TaskId, base: string) => {
  const self = taskPath(id, base)
  return { self, input: `${self}/input`, result: `${self}/result`, events: `${self}/events` }
}

/** The answer to a submit. */
export const submittedJson = ({ id, ...submitted }: Submitted, base = ""): typeof SubmittedShape.Type => ({
  id,
  ...submitted,
  links: linksOf(id, base)
})

/** The fields of a time, where there is one: absent fields stay absent. */
const timesOf = <const Name extends string>(times: { readonly [name in Name]?: number | undefined }) =>
  Object.fromEntries(
    Object.entries<number | undefined>(times).flatMap(([name, millis]) =>
      millis === undefined ? [] : [[name, iso(millis)]]
    )
  ) as { [name in Name]?: string }

export const taskJson = (view: TaskView, base = ""): typeof TaskShape.Type => {
  const { attempts, deadlineAt, dueAt, expiresAt, finishedAt, startedAt, submittedAt, ...task } = view
  return {
    ...task,
    submittedAt: iso(submittedAt),
    ...timesOf({ startedAt, finishedAt, dueAt, expiresAt, deadlineAt }),
    attempts: attempts.map(({ finishedAt, startedAt, ...attempt }) => ({
      ...attempt,
      startedAt: iso(startedAt),
      ...timesOf({ finishedAt })
    })),
    links: linksOf(view.id, base)
  }
}

export const workerJson = ({ heartbeatAt, startedAt, ...worker }: WorkerView): typeof WorkerShape.Type => ({
  ...worker,
  ...timesOf({ startedAt, heartbeatAt })
})

export const nodeJson = ({ heartbeatAt, startedAt, ...node }: NodeView): typeof NodeShape.Type => ({
  ...node,
  startedAt: iso(startedAt),
  heartbeatAt: iso(heartbeatAt)
})

export const statsJson = ({ perMinute, ...stats }: Stats): typeof StatsShape.Type => ({
  ...stats,
  perMinute: perMinute.map(({ at, ...counts }) => ({ at: iso(at), ...counts }))
})
