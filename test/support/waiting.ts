/** Waiting for what happens in other processes, and whether they live. */
import { Effect, Schedule } from "effect"
import { readFileSync } from "node:fs"

/** How long a test waits for something that should happen at once. */
const patience = "45 seconds"

/** Waits for an answer that is not `undefined`, looking again and again: what happens in another process has no event here. */
export const eventually = <A>(what: string, look: () => A | undefined | Promise<A | undefined>): Promise<A> =>
  Effect.promise(async () => look()).pipe(
    Effect.repeat({ until: (seen) => seen !== undefined, schedule: Schedule.spaced("5 millis") }),
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.die(new Error(`waited ${patience} in vain for ${what}`))
    }),
    Effect.map((seen) => seen as A),
    Effect.runPromise
  )

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    // A process that has ended stays listed until its parent has heard of it.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}
