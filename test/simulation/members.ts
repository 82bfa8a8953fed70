/** The processes of a simulated system: workers and clients, each started as it is in production. */
import { Cause, Context, Effect, Exit, type Fiber, Layer, References, type Scope } from "effect"
import * as Tree from "../../actors/tree.ts"
import type { Incarnation } from "../../actors/work/incarnation.ts"
import { Shutdown } from "../../actors/shutdown.ts"
import { Troupe } from "../../api/client/effect.ts"
import { Settings, type SettingsShape } from "../../runtime/config.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { Handlers } from "../../runtime/registry.ts"
import { Supervisor } from "../../runtime/supervision/supervisor.ts"
import type { Process } from "./process.ts"
import type { Server } from "./server.ts"

export interface Surroundings {
  readonly server: Server
  readonly settings: SettingsShape
  readonly handlers: ReadonlyArray<TaskDefinition>
}

const quiet = Layer.succeed(References.MinimumLogLevel, "None")

const outside = ({ handlers, server, settings }: Surroundings, process: Process) =>
  Layer.mergeAll(
    server.of(process),
    Handlers.layer({ given: handlers }),
    Layer.succeed(Settings, settings),
    quiet
  )

export interface Member {
  readonly process: Process
  /** Stops as a process does that is asked to. */
  readonly stop: () => void
}

/** Runs something as the whole life of a process. It is told how that ended, unless it was killed. */
const live = (
  process: Process,
  life: Effect.Effect<unknown, unknown, Scope.Scope>,
  onEnd: (exit: Exit.Exit<unknown, unknown>) => void
): Fiber.Fiber<unknown, unknown> => {
  const fiber = process.fork(Effect.scoped(life))
  fiber.addObserver((exit) => {
    if (!process.isAlive) return
    process.gone()
    onEnd(exit)
  })
  return fiber
}

export interface WorkerMember extends Member {
  /** Where it takes turns, and under which name: what a node must know to hand its work back. */
  readonly incarnation: () => Incarnation | undefined
}

export const startWorker = (
  around: Surroundings,
  process: Process,
  onEnd: (exit: Exit.Exit<unknown, unknown>) => void
): WorkerMember => {
  let incarnation: Incarnation | undefined
  const layer = Tree.worker({ onIncarnation: (one) => void (incarnation = one) }).pipe(
    Layer.provide(Shutdown.layer),
    Layer.provide(outside(around, process))
  )
  const fiber = live(
    process,
    Effect.flatMap(Layer.build(layer), (context) => Context.get(context, Supervisor).ended),
    onEnd
  )
  return { process, incarnation: () => incarnation, stop: () => fiber.interruptUnsafe() }
}

export const startClient = (
  around: Surroundings,
  process: Process,
  script: (troupe: Troupe["Service"]) => Effect.Effect<unknown, unknown, Scope.Scope>,
  onEnd: (exit: Exit.Exit<unknown, unknown>) => void
): Member => {
  const layer = Troupe.over().pipe(Layer.provide(outside(around, process)))
  const fiber = live(
    process,
    Effect.flatMap(Layer.build(layer), (context) => script(Context.get(context, Troupe))),
    onEnd
  )
  return { process, stop: () => fiber.interruptUnsafe() }
}

/** Why something ended that was not to end, if it was no interruption. */
export const failureOf = (exit: Exit.Exit<unknown, unknown>): string | undefined =>
  Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause) ? Cause.pretty(exit.cause) : undefined
