/**
 * A task's events as text to read along: its chunks are the data, on stdout; what is said about them is on stderr.
 *
 * Logs and a progress bar are for a terminal. That chunks are missing, or come anew because another attempt began, is
 * always said.
 */
import { Effect } from "effect"
import type { FollowEvent } from "../../actors/follow/follower.ts"
import * as Bar from "./bar.ts"
import * as Output from "./output.ts"

/** Shows one event after the other. */
export const makeTranscript = (): ((event: FollowEvent) => Effect.Effect<void, Output.OutputClosed>) => {
  let atLineStart = true
  let barShown = false
  /** Whether the run before has ended to wait for its children, as far as that was told. */
  let waited = false

  const hideBar = Effect.sync(() => {
    if (barShown) Bar.hide()
    barShown = false
  })

  const data = (text: string) => {
    if (text === "") return Effect.void
    return hideBar.pipe(
      Effect.andThen(Output.write(text)),
      Effect.tap(() => Effect.sync(() => (atLineStart = text.endsWith("\n"))))
    )
  }

  /** On a terminal, both streams share its lines. */
  const endLine = Effect.suspend(() => (atLineStart || !process.stdout.isTTY ? Effect.void : data("\n")))

  const say = (message: string) =>
    hideBar.pipe(Effect.andThen(endLine), Effect.andThen(Output.say(Output.dim(message))))

  const mention = (message: string) => (Output.stderrIsTerminal ? say(message) : Effect.void)

  const showBar = (fraction: number, message?: string) =>
    Effect.sync(() => {
      if (!Output.stderrIsTerminal || (!atLineStart && process.stdout.isTTY)) return
      Bar.show(fraction, message)
      barShown = true
    })

  return (event) => {
    switch (event.type) {
      case "chunk":
        return typeof event.chunk === "string"
          ? data(event.chunk)
          : data(`${atLineStart ? "" : "\n"}${JSON.stringify(event.chunk)}\n`)
      case "progress":
        return showBar(event.fraction, event.message)
      case "step":
        return mention(`step ${Output.tame(event.name)} is done`)
      case "log":
        return mention(`${event.level}: ${Output.tame(event.message)}`)
      case "state":
        waited = event.state === "waiting" || (waited && event.state !== "retrying")
        return mention(event.attempt === 0 ? event.state : `${event.state}, attempt ${event.attempt}`)
      case "attempt": {
        const why = waited ? "its children have ended: " : ""
        waited = false
        return say(`${why}attempt ${event.attempt} begins, from the start`)
      }
      case "gap":
        return say(`events ${event.from} to ${event.to} of attempt ${event.attempt} are no longer there`)
      case "end":
        return Effect.andThen(mention(event.state), endLine)
    }
  }
}
