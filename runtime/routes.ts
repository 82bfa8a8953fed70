/** Which queue a handler's tasks go to: routes from patterns of handler names, laid over what the handlers say. */
import { Result, Schema } from "effect"
import { QueueName } from "./task.ts"

/** Tasks of the handlers whose names match go to this queue, unless their submitter names another. */
export interface Route {
  /** A handler's name, in which `*` stands for any characters. */
  readonly pattern: string
  readonly queue: string
  readonly matches: (name: string) => boolean
}

const patternText = /^[A-Za-z0-9_.*-]{1,128}$/

const matcher = (pattern: string) => {
  const parts = pattern.split("*").map((part) => part.replaceAll(".", "\\."))
  const whole = new RegExp(`^${parts.join(".*")}$`)
  return (name: string) => whole.test(name)
}

/** Reads `llm.*=agents,*.embed=vectors`, or says what is wrong. */
export const readRoutes = (text: string): Result.Result<ReadonlyArray<Route>, string> =>
  Result.all(
    text.split(",").map((part) => {
      const [pattern = "", queue = "", ...rest] = part.trim().split("=")
      return patternText.test(pattern) && Schema.is(QueueName)(queue) && rest.length === 0
        ? Result.succeed({ pattern, queue, matches: matcher(pattern) })
        : Result.fail(`"${part}" is not pattern=queue, as in llm.*=agents`)
    })
  )

/** The queue of the first route that matches. */
export const routeOf = (routes: ReadonlyArray<Route>, name: string): string | undefined =>
  routes.find(({ matches }) => matches(name))?.queue
