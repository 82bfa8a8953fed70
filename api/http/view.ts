/** Tasks, workers and statistics as JSON: times in ISO 8601, and the addresses where more is to be had. */
import type { NodeView, WorkerView } from "../../actors/operate/crew.ts"
import type { Submitted } from "../../actors/dispatch/dispatcher.ts"
import type { Stats } from "../../actors/operate/stats.ts"
import type { TaskId } from "../../runtime/task.ts"
import type { TaskView } from "../../runtime/view.ts"

const iso = (millis: number) => new Date(millis).toISOString()

/** Where a task is found. */
export const taskPath = (id: TaskId) => `/v1/tasks/${id}`

const linksOf = (id: TaskId) => {
  const self = taskPath(id)
  return { self, input: `${self}/input`, result: `${self}/result`, events: `${self}/events` }
}

/** The answer to a submit. */
export const submittedJson = ({ id, ...submitted }: Submitted) => ({ id, ...submitted, links: linksOf(id) })

/** The fields of a time, where there is one: absent fields stay absent. */
const timesOf = <const Name extends string>(times: { readonly [name in Name]?: number | undefined }) =>
  Object.fromEntries(
    Object.entries<number | undefined>(times).flatMap(([name, millis]) =>
      millis === undefined ? [] : [[name, iso(millis)]]
    )
  ) as { [name in Name]?: string }

export const taskJson = (view: TaskView) => {
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
    links: linksOf(view.id)
  }
}

export const workerJson = ({ heartbeatAt, startedAt, ...worker }: WorkerView) => ({
  ...worker,
  ...timesOf({ startedAt, heartbeatAt })
})

export const nodeJson = ({ heartbeatAt, startedAt, ...node }: NodeView) => ({
  ...node,
  ...timesOf({ startedAt, heartbeatAt })
})

export const statsJson = ({ perMinute, ...stats }: Stats) => ({
  ...stats,
  perMinute: perMinute.map(({ at, ...counts }) => ({ at: iso(at), ...counts }))
})
