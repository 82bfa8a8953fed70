/** A progress bar on the last line of a terminal, on stderr: it is gone before anything else is said there. */
import { Effect, Stream } from "effect"
import type { FollowEvent } from "../../actors/follow/follower.ts"
import * as Output from "./output.ts"

const width = 20

const eraseLine = "\r\u001b[K"

const text = (fraction: number, message = "") => {
  const done = Math.round(Math.min(1, Math.max(0, fraction)) * width)
  return `[${"#".repeat(done)}${"·".repeat(width - done)}] ${Math.round(fraction * 100)} % ${Output.tame(message)}`
}

/** Shows how far something is. Only for a terminal. */
export const show = (fraction: number, message?: string): void => {
  process.stderr.write(`${eraseLine}${text(fraction, message).slice(0, (process.stderr.columns || 80) - 1)}`)
}

export const hide = (): void => void process.stderr.write(eraseLine)

/** Shows on a terminal how far a task is, as long as somebody waits for something else of it. */
export const during = <A, E, R>(
  wait: Effect.Effect<A, E, R>,
  events: Stream.Stream<FollowEvent, unknown>
): Effect.Effect<A, E, R> => {
  if (!Output.stderrIsTerminal) return wait
  const showing = Stream.runForEach(events, (event) =>
    Effect.sync(() => {
      if (event.type === "progress") show(event.fraction, event.message)
      // What it did before is void.
      if (event.type === "attempt") hide()
    })
  )
  return Effect.scoped(Effect.andThen(Effect.forkScoped(Effect.ignore(showing)), wait)).pipe(
    Effect.ensuring(Effect.sync(hide))
  )
}
