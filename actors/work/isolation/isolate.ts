/**
 * Runs handlers in processes of their own, where they may block, crash or take memory without hurting others.
 *
 * A process has one run at a time and is used again for the next; a few that are idle are kept for a while. One whose
 * run was stopped, or has left processes of its own behind, is never used again, and these end with it.
 */
import { Effect } from "effect"
import type { Handlers } from "../../../runtime/registry.ts"
import type { Ending, Isolate } from "../attempt.ts"
import { type Guard, openGuard } from "./guard.ts"
import { type IsolatedProcess, startProcess } from "./process.ts"

/** How many idle processes are kept, and for how long, in milliseconds. */
const idleMax = 4
const idleKeptMs = 60_000

/** Its module is what a handler is found by in another process. */
const homeless =
  "which finds it by its module: put it into the folder TROUPE_HANDLERS of its workers; it was passed in code"

/** A program that was compiled into one file has no other that could be started. */
const isCompiled = import.meta.url.includes("/$bunfs/")

const compiled = "which a compiled program cannot start"

const notIsolated = (name: string, reason: string): Ending => {
  const message = `handler ${name} is to run in a process of its own, ${reason}`
  return { kind: "failure", failure: { error: { type: "NotIsolated", message }, fatal: true } }
}

/** Opens a pool of processes. When the scope closes they end, with whatever they run. */
export const openIsolation = Effect.fnUntraced(function* (handlers: Handlers["Service"]) {
  const idle: Array<{ readonly process: IsolatedProcess; readonly expiry: Timer }> = []
  const all = new Set<IsolatedProcess>()
  let guard: Guard | undefined

  const end = async (process: IsolatedProcess) => {
    all.delete(process)
    await process.stop()
  }

  const take = (): IsolatedProcess => {
    for (let last = idle.pop(); last !== undefined; last = idle.pop()) {
      clearTimeout(last.expiry)
      if (last.process.isAlive()) return last.process
      all.delete(last.process)
    }
    const process = startProcess((guard ??= openGuard()))
    all.add(process)
    return process
  }

  const giveBack = (process: IsolatedProcess) => {
    if (!process.isAlive()) return void all.delete(process)
    if (idle.length >= idleMax || process.isLittered()) return void end(process)
    const expiry = setTimeout(() => {
      idle.splice(
        idle.findIndex((one) => one.process === process),
        1
      )
      void end(process)
    }, idleKeptMs)
    expiry.unref()
    process.rest()
    idle.push({ process, expiry })
  }

  yield* Effect.addFinalizer(() =>
    Effect.promise(async () => {
      await Promise.all([...all].map(end))
      guard?.close()
    })
  )

  const isolate: Isolate = (given) => {
    const { name } = given.definition
    if (isCompiled) return Effect.succeed(notIsolated(name, compiled))
    const module = handlers.moduleOf(name)
    if (module === undefined) return Effect.succeed(notIsolated(name, homeless))
    return Effect.callback<Ending>((resume) => {
      const process = take()
      process.run(given, module, (ending) => {
        giveBack(process)
        resume(Effect.succeed(ending))
      })
      return Effect.promise(() => end(process))
    })
  }
  return isolate
})
