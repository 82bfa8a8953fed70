/**
 * Runs a program as the whole of this process: it ends with the program, by the table of exit codes, and it always ends.
 *
 * The first SIGINT, SIGTERM or SIGHUP interrupts the program, whose scopes then close in order. A second one says
 * that waiting is over (`Shutdown.hurry`). What has not stopped when its time is up is left behind.
 */
import { Duration, Effect, Layer, Runtime } from "effect"
import { constants } from "node:os"
import { nodeStopMaxOf } from "../../actors/node/stopping.ts"
import { Shutdown } from "../../actors/shutdown.ts"
import { Settings } from "../../runtime/config.ts"
import { answerToExit, exitCode, type Failure } from "./exit.ts"
import * as Output from "./output.ts"

/** How long a command that only asks may take to stop. */
const stopMax = Duration.seconds(5)

/**
 * What follows the first signal so soon is the same one, in milliseconds: at a Ctrl-C the terminal tells all its processes, and `npm`,
 * which is one of them, hands on what it was told.
 */
const echoMs = 500

/** How long stopping may take from the second signal on. */
const hurryMax = Duration.seconds(20)

/** What this process does about signals; a program that serves changes it. */
const onSignals = {
  stopMax,
  told: (_signal: string) => {},
  hurry: () => {},
  /** Whether a program that stopped because it was told to has done what it was to do. */
  serves: false
}

/**
 * For a program that serves until it is told to stop: being told is no failure, it may drain, and a second signal
 * reaches it. Put it above what drains, as in `serves.pipe(Layer.provideMerge(Tree.worker()))`.
 */
export const serves: Layer.Layer<never, never, Shutdown | Settings> = Layer.effectDiscard(
  Effect.gen(function* () {
    const { hurry, told } = yield* Shutdown
    // A node takes longest: it waits for the others.
    const stopMax = nodeStopMaxOf(yield* Settings)
    Object.assign(onSignals, { hurry, told, serves: true, stopMax })
  })
)

/** Ends the process when stopping takes longer than it may. */
const giveUpAfter = (limit: Duration.Duration) =>
  setTimeout(() => {
    Output.exitWith(
      exitCode.bug,
      `it did not stop within ${Duration.format(limit)}; what it still ran is handed on`
    )
  }, Duration.toMillis(limit))

const start = Runtime.makeRunMain(({ fiber }) => {
  let stopCode: number | undefined
  let watchdog: Timer | undefined
  let hurried = false
  let firstAt = 0
  const stop = (signal: "SIGINT" | "SIGTERM" | "SIGHUP") => {
    if (stopCode === undefined) {
      firstAt = performance.now()
      stopCode = onSignals.serves ? exitCode.done : 128 + constants.signals[signal]
      watchdog = giveUpAfter(onSignals.stopMax)
      onSignals.told(signal)
      fiber.interruptUnsafe()
    } else if (!hurried && performance.now() - firstAt >= echoMs) {
      hurried = true
      clearTimeout(watchdog)
      giveUpAfter(hurryMax)
      onSignals.hurry()
    }
  }
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop(signal))
  fiber.addObserver((exit) => {
    const answer = answerToExit(exit, stopCode ?? 128 + constants.signals.SIGINT)
    Output.exitWith(answer.code, answer.message)
  })
})

/** Runs `program` and ends the process. Whatever is logged goes to stderr. */
export const runMain = (program: Effect.Effect<void, Failure>): void => {
  Output.tolerateClosedPipes()
  start(Effect.provide(program, Output.messages), { disableErrorReporting: true })
}
