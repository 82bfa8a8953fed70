/**
 * How a process stops: its phases, in their order, each with a deadline of its own.
 *
 * Whoever has something to do in a phase says so as it starts. The first one to be stopped sets all of them going; the
 * others wait for the same end. A second signal cuts what only gives others time, and still hands back.
 */
import { Context, Deferred, Duration, Effect, Layer, Result, type Scope } from "effect"
import { Settings, type SettingsShape } from "../runtime/config.ts"
import { longestOf, type Phases, phasesInOrder } from "../runtime/supervision/phases.ts"
import { type Coordinator, coordinate, type Task } from "../runtime/supervision/shutdown.ts"

type Limits = Pick<SettingsShape, "drain" | "grace" | "lease">

/** How long it may take to close what is left in the end: links, services of handlers, processes of isolated runs. */
export const closeMax = Duration.seconds(5)

/** How long what takes a moment may take: a word to an actor, one command to Redis. */
const momentMax = Duration.seconds(5)

/** The phases of an API alone. */
const apiPhases = ({ grace }: Limits) =>
  ({
    /** It says that it is not ready, and serves as before, while others hear of it. */
    "stop admitting": { timeout: Duration.sum(grace, Duration.seconds(1)), patient: true },
    /** Streams end, who waits for a result is answered, requests finish: in a hurry, those that can at once. */
    "close the API": { dependsOn: ["stop admitting"], timeout: "5 seconds" }
  }) satisfies Phases

const phasesOf = (limits: Limits) =>
  ({
    ...apiPhases(limits),
    "stop claiming": { dependsOn: ["close the API"], timeout: momentMax },
    "let running finish": { dependsOn: ["stop claiming"], timeout: limits.drain, patient: true },
    /** What still runs is interrupted. */
    "hand back": { dependsOn: ["let running finish"], timeout: "5 seconds" },
    /** What has ended, and what is handed back, is said. */
    settle: { dependsOn: ["hand back"], timeout: limits.lease },
    deregister: { dependsOn: ["settle"], timeout: momentMax }
  }) satisfies Phases

export type PhaseName = keyof ReturnType<typeof phasesOf>

const longest = (phases: Phases) => longestOf(Result.getOrThrow(phasesInOrder(phases)))

/** How long a process may take to stop, all deadlines together: with an API alone, and with a worker alone. */
export const apiStopMaxOf = (limits: Limits): Duration.Duration =>
  Duration.sum(longest(apiPhases(limits)), closeMax)
export const workerStopMaxOf = (limits: Limits): Duration.Duration =>
  Duration.sum(Duration.subtract(longest(phasesOf(limits)), longest(apiPhases(limits))), closeMax)

export class Shutdown extends Context.Service<
  Shutdown,
  {
    /** Does something in a phase, for as long as the scope is open. */
    readonly during: (phase: PhaseName, task: Task) => Effect.Effect<void, never, Scope.Scope>
    /** Says why the process is going to stop, before it does; what was said first counts. */
    readonly told: (reason: string) => void
    readonly reason: () => string | undefined
    /** Goes through the phases with all that is to be done in them. Whoever asks waits for the same end. */
    readonly run: (reason: string) => Effect.Effect<void>
    /** Says that waiting is over: what runs is handed back at once. */
    readonly hurry: () => void
    /** Succeeds once somebody is in a hurry. */
    readonly hurried: Effect.Effect<void>
  }
>()("troupe/Shutdown") {
  static readonly layer = Layer.effect(
    Shutdown,
    Settings.useSync((settings) => {
      const hurried = Deferred.makeUnsafe<void>()
      const fresh = () => coordinate(phasesOf(settings), { hurried: Deferred.await(hurried) })
      let reason: string | undefined
      let current: Coordinator<PhaseName> = fresh()
      return {
        during: (phase, task) =>
          Effect.acquireRelease(
            Effect.sync(() => {
              // What is started after all else has stopped stops by itself.
              if (current.isOver()) current = fresh()
              return current.add(phase, task)
            }),
            (cancel) => Effect.sync(cancel)
          ),
        reason: () => reason,
        told: (why) => void (reason ??= why),
        // None of its phases aborts it.
        run: (why) => Effect.suspend(() => Effect.orDie(current.run(reason ?? why))),
        hurry: () => void Deferred.doneUnsafe(hurried, Effect.void),
        hurried: Deferred.await(hurried)
      }
    })
  )
}
