/** Tasks as JSON: times in ISO 8601, and the addresses where more is to be had. */
import type { Submitted } from "../../actors/dispatcher.ts"
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
export const submittedJson = ({ id, state }: Submitted) => ({ id, state, links: linksOf(id) })

/** The fields of a time, where there is one: absent fields stay absent. */
const timesOf = <const Name extends string>(times: { readonly [name in Name]?: number | undefined }) =>
  Object.fromEntries(
    Object.entries<number | undefined>(times).flatMap(([name, millis]) =>
      millis === undefined ? [] : [[name, iso(millis)]]
    )
  ) as { [name in Name]?: string }

export const taskJson = (view: TaskView) => {
  const { attempts, dueAt, finishedAt, startedAt, submittedAt, ...task } = view
  return {
    ...task,
    submittedAt: iso(submittedAt),
    ...timesOf({ startedAt, finishedAt, dueAt }),
    attempts: attempts.map(({ finishedAt, startedAt, ...attempt }) => ({
      ...attempt,
      startedAt: iso(startedAt),
      ...timesOf({ finishedAt })
    })),
    links: linksOf(view.id)
  }
}
