/**
 * How a node stops: its API first, then its workers, each process in its own phases; then it leaves.
 *
 * So nobody submits any more when the workers begin to drain. A child that is late is killed, and what it held runs
 * elsewhere.
 */
import { Duration, Effect, Result, type Scope } from "effect"
import { Settings } from "../../runtime/config.ts"
import { longestOf, type Phases, phasesInOrder } from "../../runtime/supervision/phases.ts"
import { coordinate, type Task } from "../../runtime/supervision/shutdown.ts"
import { endGroup } from "../process-group.ts"
import { apiStopMaxOf, closeMax, Shutdown, workerStopMaxOf } from "../shutdown.ts"

type Limits = Parameters<typeof workerStopMaxOf>[0]

/** How long it takes at most until a child that was killed has ended, and what it held was handed on. */
const killedMax = Duration.seconds(2)

const phasesOf = (settings: Limits) =>
  ({
    "stop the API": { timeout: apiStopMaxOf(settings) },
    "stop the workers": {
      dependsOn: ["stop the API"],
      timeout: Duration.sum(workerStopMaxOf(settings), killedMax)
    }
  }) satisfies Phases

/** How long a node may take to stop, all deadlines together. */
export const nodeStopMaxOf = (settings: Limits): Duration.Duration =>
  Duration.sum(longestOf(Result.getOrThrow(phasesInOrder(phasesOf(settings)))), Duration.times(closeMax, 2))

/** Some processes of a node. */
export interface Group {
  readonly stop: Effect.Effect<unknown>
  readonly pids: () => ReadonlyArray<number>
}

/** Stops all that a node runs, as the scope closes. */
export const stopInOrder = Effect.fnUntraced(function* (
  api: Group,
  workers: Group
): Effect.fn.Return<void, never, Settings | Shutdown | Scope.Scope> {
  const { hurried, reason } = yield* Shutdown
  const { add, run } = coordinate(phasesOf(yield* Settings), { hurried })
  const task = (name: string, { pids, stop }: Group): Task => ({
    name,
    run: Effect.onInterrupt(stop, () =>
      Effect.sync(() => {
        // Some may have ended already, while it is not known yet that what they held was handed back.
        for (const pid of pids()) endGroup(pid)
      })
    ),
    waitsFor: () => ({ count: pids().length, of: "processes", ids: pids().map((pid) => `pid ${pid}`) })
  })
  add("stop the API", task("API", api))
  add("stop the workers", task("workers", workers))
  yield* Effect.addFinalizer(() => Effect.orDie(run(reason() ?? "the node is stopped")))
})
