/** Flags that say which tasks are meant, for all commands that find some. */
import { Option } from "effect"
import { Flag } from "effect/cli"
import { State } from "../../runtime/task.ts"
import { readTime } from "../../runtime/time.ts"
import { text } from "./flags.ts"

const time = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.filterMap(
      (text) =>
        Option.map(Option.fromUndefinedOr(readTime(text)), (millis) => new Date(millis).toISOString()),
      () => "a time in ISO 8601, such as 2030-01-31T09:00:00Z"
    ),
    Flag.withDescription(description),
    Flag.withMetavar("TIME"),
    Flag.optional
  )

export const state = Flag.Literals("state", State.literals).pipe(
  Flag.withDescription("Of this state"),
  Flag.optional
)
export const name = text("name", "HANDLER", "Of this handler")
export const queue = text("queue", "QUEUE", "Of this queue; default: of all")
export const tag = text("tag", "TAG", "With this tag")
export const key = text("key", "KEY", "Of this key")
export const error = text("error", "ERROR", "That failed with an error of this type, or of this group")
export const from = time("from", "From this time on")
export const to = time("to", "Before this time")
export const cursor = text("cursor", "CURSOR", "Go on where an earlier list ended, as it says")
export const limit = Flag.Int("limit").pipe(
  Flag.withDescription("How many at most; default 100"),
  Flag.withMetavar("N"),
  Flag.withDefault(100)
)

/** The flags that were given, by their names. */
export const given = <Flags extends Record<string, Option.Option<unknown>>>(flags: Flags) =>
  Object.fromEntries(
    Object.entries(flags).flatMap(([name, flag]) => (Option.isSome(flag) ? [[name, flag.value]] : []))
  ) as { readonly [Name in keyof Flags]?: Option.Option.Value<Flags[Name]> }
