/** Which queue a task goes to, and where an agent has its home: decisions over plain values, the same in every process. */
import type { Guard } from "../../runtime/admission.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { homeOf, type Route, routeOf } from "../../runtime/routes.ts"

type Handler = Pick<TaskDefinition, "name" | "queue">

interface Choice {
  readonly routes: ReadonlyArray<Route>
  /** Which of a route's queues a task of a handler goes to that may go to any of them. */
  readonly choose: (queues: ReadonlyArray<string>, handler: string) => string
}

/** The queues that a handler's tasks may go to when their submitters name none. */
export const queuesOf = ({ name, queue }: Handler, routes: ReadonlyArray<Route>): ReadonlyArray<string> =>
  routeOf(routes, name) ?? [queue]

const homeOfKey = (queues: ReadonlyArray<string>, key: string) => homeOf(queues, `key ${key}`)

/**
 * What keeps tasks together: those of a key go to one queue, or their order would be lost, and those of a guard, or it
 * would not find the first. Where a task has several, the first of them counts.
 */
const homeOfGuards = (queues: ReadonlyArray<string>, guards: ReadonlyArray<Guard>): string | undefined => {
  for (const kind of ["unique", "throttle", "debounce", "cache", "idempotency"] as const) {
    const guard = guards.find((guard) => guard.kind === kind)
    if (guard !== undefined) return homeOf(queues, `${kind} ${guard.name}`)
  }
  return undefined
}

/** The queue of a task whose submitter names none. */
export const queueFor = (
  handler: Handler,
  { choose, routes }: Choice,
  key: string | undefined,
  guards: ReadonlyArray<Guard>
): string => {
  const queues = queuesOf(handler, routes)
  if (queues.length === 1) return queues[0]!
  if (key !== undefined) return homeOfKey(queues, key)
  return homeOfGuards(queues, guards) ?? choose(queues, handler.name)
}

/** The queue of an agent, which all of its messages go to. */
export const queueOfAgent = (agent: Handler, routes: ReadonlyArray<Route>, key: string): string => {
  const queues = queuesOf(agent, routes)
  return queues.length === 1 ? queues[0]! : homeOfKey(queues, key)
}
