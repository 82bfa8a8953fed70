/** Flags that say how a task is to run, for all commands that submit some. */
import { Option } from "effect"
import { Flag } from "effect/cli"
import { lanePriority, lanes, type Priority } from "../../runtime/task.ts"
import { given } from "./filters.ts"
import * as Flags from "./flags.ts"

/** A lane by its name or its number. */
const priorities = lanes.flatMap(
  (lane) =>
    [
      [lane, lane],
      [String(lanePriority[lane]), lane]
    ] as ReadonlyArray<readonly [string, Priority]>
)

/** When it is due. */
export const due = {
  delay: Flags.optionalDuration("delay", "Due so much later"),
  runAt: Flags.text("run-at", "TIME", "Due at a time, as in 2030-01-31T09:00:00Z")
}

/** What is said of a task where nothing is said of when. */
export const ofTask = {
  queue: Flags.text("queue", "QUEUE", "Default: the handler's"),
  priority: Flag.ChoiceWithValue("priority", priorities).pipe(
    Flag.withDescription("Default: the handler's"),
    Flag.withMetavar("LANE"),
    Flag.optional
  ),
  key: Flags.text("key", "KEY", "What it belongs to: tasks of one key run one after the other"),
  timeout: Flags.optionalDuration("timeout", "How long one run may last"),
  expires: Flags.optionalDuration("expires", "Expired if it has not started so much later"),
  deadline: Flags.optionalDuration("deadline", "Failed if it has not ended so much later"),
  attempts: Flag.Int("attempts").pipe(
    Flag.withDescription("How many runs may fail"),
    Flag.withMetavar("N"),
    Flag.optional
  ),
  tags: Flag.String("tag").pipe(
    Flag.withDescription("To find it by; may be given again"),
    Flag.withMetavar("TAG"),
    Flag.atLeast(0)
  )
}

type Said = {
  readonly [Name in keyof typeof ofTask]: (typeof ofTask)[Name] extends Flag.Flag<infer A> ? A : never
}

/** The options that were given, as the library takes them: an absent one is the handler's own. */
export const optionsOf = ({ attempts, deadline, expires, key, priority, queue, tags, timeout }: Said) => ({
  ...given({ deadline, expires, key, priority, queue, timeout }),
  ...given({ retry: Option.map(attempts, (attempts) => ({ attempts })) }),
  ...(tags.length === 0 ? {} : { tags })
})
