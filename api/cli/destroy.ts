/** What destroys shows how much that would be, and wants to be told so. */
import { Effect } from "effect"
import { Flag } from "effect/cli"
import type { DryRun } from "../../actors/operate/operator.ts"
import type { Count } from "../../actors/operate/revival.ts"
import { UsageError } from "./exit.ts"
import * as Output from "./output.ts"

export const yes = Flag.Boolean("yes").pipe(
  Flag.withDescription("Do it; without this it is only said how many it would be"),
  Flag.withDefault(false)
)

export const dryRun = Flag.Boolean("dry-run").pipe(
  Flag.withDescription("Only say how many it would be"),
  Flag.withDefault(false)
)

/** `1 task`, `2 tasks`. */
export const some = (count: number, one: string) => `${count} ${one}${count === 1 ? "" : "s"}`

/** Prints to how many something was done, and says what was left. */
export const printCount = ({ count, left }: Count, json: boolean) =>
  Output.print(
    json ? JSON.stringify({ count, ...(left === undefined ? {} : { left }) }) : String(count)
  ).pipe(
    Effect.andThen(
      left === undefined || json
        ? Effect.void
        : Output.say(
            `${left} stay: they have started, are somebody's children, or their handlers are not known here`
          )
    )
  )

/**
 * Does it with `--yes`. Without, it says how many it would be, and that is a usage error: a script that forgot it must
 * not go on as if it were done.
 */
export const destroy = Effect.fnUntraced(function* <E, R>(
  act: (options: DryRun) => Effect.Effect<Count, E, R>,
  options: {
    readonly command: string
    /** As in `drops 3 dead letters`. */
    readonly what: (count: number) => string
    readonly yes: boolean
    readonly dryRun: boolean
    readonly json: boolean
  }
) {
  if (options.yes && !options.dryRun) return yield* printCount(yield* act({}), options.json)
  const would = yield* act({ dryRun: true })
  if (options.dryRun) return yield* printCount(would, options.json)
  return yield* new UsageError({
    command: options.command,
    problem: `this ${options.what(would.count)}; say it again with --yes`
  })
})
