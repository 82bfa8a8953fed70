/**
 * Which queue a handler's tasks go to: routes from patterns of handler names, laid over what the handlers say. Decisions
 * over plain values, the same in every process.
 */
import { Result, Schema } from "effect"
import { spread } from "./digest.ts"
import { QueueName } from "./task.ts"

/** Tasks of the handlers whose names match go to one of these queues, unless their submitter names another. */
export interface Route {
  /** A handler's name, in which `*` stands for any characters. */
  readonly pattern: string
  readonly queues: ReadonlyArray<string>
  readonly matches: (name: string) => boolean
}

/** Each of them is looked at by whoever submits. */
const queuesMax = 16

const patternText = /^[A-Za-z0-9_.*-]{1,128}$/

const matcher = (pattern: string) => {
  const parts = pattern.split("*").map((part) => part.replaceAll(".", "\\."))
  const whole = new RegExp(`^${parts.join(".*")}$`)
  return (name: string) => whole.test(name)
}

const readRoute = (part: string): Result.Result<Route, string> => {
  const [pattern = "", list = "", ...rest] = part.trim().split("=")
  const queues = list.split("|")
  if (!patternText.test(pattern) || !queues.every(Schema.is(QueueName)) || rest.length > 0) {
    return Result.fail(
      `"${part}" is not pattern=queue, as in llm.*=agents, or with several queues llm.*=agents|agents2`
    )
  }
  const twice = queues.find((queue, at) => queues.indexOf(queue) !== at)
  if (twice !== undefined) return Result.fail(`"${part}" names the queue ${twice} twice`)
  return queues.length > queuesMax
    ? Result.fail(`"${part}" names ${queues.length} queues, and may name ${queuesMax}`)
    : Result.succeed({ pattern, queues, matches: matcher(pattern) })
}

/** Reads `llm.*=agents|agents2,*.embed=vectors`, or says what is wrong. */
export const readRoutes = (text: string): Result.Result<ReadonlyArray<Route>, string> =>
  Result.all(text.split(",").map(readRoute))

/** The queues of the first route that matches. */
export const routeOf = (routes: ReadonlyArray<Route>, name: string): ReadonlyArray<string> | undefined =>
  routes.find(({ matches }) => matches(name))?.queues

/**
 * The one of these queues that whatever has this key goes to (rendezvous hashing): the same in every process and in
 * whatever order they are named. A queue that is added takes over its share of the keys, and no key moves otherwise.
 */
export const homeOf = (queues: ReadonlyArray<string>, key: string): string => {
  const weighed = queues.map((queue) => ({ queue, weight: spread(`${queue}\n${key}`) }))
  return weighed.reduce((best, one) =>
    one.weight > best.weight || (one.weight === best.weight && one.queue < best.queue) ? one : best
  ).queue
}
