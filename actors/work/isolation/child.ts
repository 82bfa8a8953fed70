/**
 * The process of isolated runs: one at a time, as its worker gives them to it.
 *
 * It is started by `process.ts` as a program of its own. The handler is found by its module, and kept for the next run.
 */
import { Effect, Exit, Fiber, Scope } from "effect"
import { Settings } from "../../../runtime/config.ts"
import { describe, withoutMessage } from "../../../runtime/fault.ts"
import { isTaskDefinition, type TaskDefinition } from "../../../runtime/handler.ts"
import { attempt, type Ending, type Services } from "../attempt.ts"
import { noTracing } from "../../../runtime/telemetry/tracing.ts"
import type { Keeping, Writes } from "../run-of.ts"
import { makeServices } from "../services.ts"
import { endWithParent } from "../../../runtime/parent-death.ts"
import { type Calls, errorOf, type IsolatedRun, type ProcessMessage, type WorkerMessage } from "./wire.ts"

const say = (message: ProcessMessage): void => void process.send!(message)

// ---------------------------------------------------------------------------------------------------------
// Calls to the worker
// ---------------------------------------------------------------------------------------------------------

const waiting = new Map<number, (effect: Effect.Effect<never, never> | Effect.Effect<never, Error>) => void>()
let calls = 0

const call = <Method extends keyof Calls>(method: Method): Calls[Method] =>
  // What a method gives and fails with is what the worker's own gives and fails with.
  ((...args: ReadonlyArray<unknown>) =>
    Effect.callback<never, Error>((resume) => {
      calls += 1
      waiting.set(calls, resume)
      say({ kind: "call", call: calls, method, args })
    })) as never

const writes: Writes = {
  progress: call("progress"),
  log: call("log"),
  emit: call("emit"),
  stepped: (step) => say({ kind: "word", word: { kind: "stepped", step } }),
  spend: (limit, amount) => say({ kind: "word", word: { kind: "spend", limit, amount } }),
  lost: () => say({ kind: "word", word: { kind: "lost" } })
}

const keeping: Keeping = {
  // A run asks nothing else of steps, and of the store only what has ended, and to cancel its children.
  steps: { recall: call("recall"), remember: call("remember"), adopt: call("adopt") } as Keeping["steps"],
  store: { ended: call("ended"), cancel: call("cancel") } as Keeping["store"],
  offspring: { prepare: call("prepare"), store: call("store") },
  // The worker prepares children, and knows the handlers of its folder.
  learn: () => {},
  // The worker has the spans; the trace goes on from there.
  tracing: noTracing,
  promise: Effect.runPromise
}

// ---------------------------------------------------------------------------------------------------------
// Runs
// ---------------------------------------------------------------------------------------------------------

const found = new Map<string, TaskDefinition>()

const find = async ({ handler, module }: IsolatedRun): Promise<TaskDefinition> => {
  const there = found.get(handler)
  if (there !== undefined) return there
  const exports = Object.values((await import(module)) as Record<string, unknown>)
  const definition = exports.filter(isTaskDefinition).find(({ name }) => name === handler)
  if (definition === undefined) throw new Error(`${module} exports no handler called ${handler} any more`)
  found.set(handler, definition)
  return definition
}

const failure = (thrown: unknown): Ending => ({
  kind: "failure",
  failure: { error: describe(thrown), fatal: false }
})

const services: Promise<Services> = Effect.runPromise(
  makeServices(Scope.makeUnsafe()).pipe(Effect.provide(Settings.layer()))
)

let running: Fiber.Fiber<unknown, unknown> | undefined

const run = (given: IsolatedRun): void => {
  const { entry, envelope, partition, ring, worker } = given
  const ending = Effect.promise(() =>
    Promise.all([find(given), services]).then(
      ([definition, services]) =>
        attempt({ definition, partition, worker, entry, envelope, ring, writes, keeping, services }),
      (thrown: unknown) => Effect.succeed(failure(thrown))
    )
  ).pipe(Effect.flatten)
  running = Effect.runFork(ending)
  running.addObserver((exit) => {
    if (Exit.isSuccess(exit)) say({ kind: "ended", ending: exit.value as Ending })
    // One that was stopped has nothing to say: its worker ends this process.
    else process.exit(0)
  })
}

const hear = (message: WorkerMessage): void => {
  switch (message.kind) {
    case "run":
      return run(message.run)
    case "stop":
      if (running !== undefined) Effect.runFork(Fiber.interrupt(running))
      return
    case "answer":
    case "refusal": {
      const resume = waiting.get(message.call)
      waiting.delete(message.call)
      resume?.(
        message.kind === "answer"
          ? Effect.succeed(message.value as never)
          : Effect.fail(errorOf(message.error))
      )
    }
  }
}

endWithParent()
// A promise that a handler has started and forgot is no reason to end its run.
process.on("unhandledRejection", (reason) => {
  Effect.runFork(Effect.logError("a promise that nobody waits for was rejected", withoutMessage(reason)))
})
process.on("uncaughtException", (thrown) => {
  const told = Effect.logFatal("something was thrown that nobody catches", withoutMessage(thrown))
  Effect.runFork(told).addObserver(() => process.exit(1))
})
process.on("message", hear)
