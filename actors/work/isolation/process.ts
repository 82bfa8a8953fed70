/**
 * The worker's side of one process of isolated runs: it hands it a run, does what the run calls for, and hears its
 * ending. Whatever becomes of the process, the run it had gets an ending, and the worker goes on.
 */
import { Cause, Effect, Exit } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { AttemptOver } from "../../../runtime/handler.ts"
import { idIn, runOfEntry, ulidOfEntry } from "../../../runtime/task.ts"
import { endGroup } from "../../process-group.ts"
import type { Ending, Given } from "../attempt.ts"
import type { Guard } from "./guard.ts"
import { type Calls, type ProcessMessage, toldOf, type WorkerMessage, type Word } from "./wire.ts"

/** How long a run that is not wanted any more may take to stop before its process is killed, in milliseconds. */
const stopGraceMs = 1_000

/** How often the memory of a process with a bound is looked at, in milliseconds. */
const memoryLookMs = 100

const pageBytes = 4_096

/** Bytes of resident memory; `undefined` where the system does not tell. */
const residentOf = (pid: number): number | undefined => {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * pageBytes
  } catch {
    return undefined
  }
}

/** Whether a process has processes of its own, where the system tells. */
const hasChildren = (pid: number): boolean => {
  try {
    return readdirSync(`/proc/${pid}/task`).some(
      (thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8") !== ""
    )
  } catch {
    return false
  }
}

/** Its process ended before its handler did. */
const crashed = (message: string): Ending => ({
  kind: "failure",
  failure: { error: { type: "ProcessCrashed", message }, fatal: false }
})

interface Current {
  readonly given: Given
  readonly conclude: (ending: Ending) => void
  readonly watch: Timer | undefined
}

export interface IsolatedProcess {
  /** Runs one; `conclude` is called once, unless it is stopped first. */
  readonly run: (given: Given, module: string, conclude: (ending: Ending) => void) => void
  /** Ends what it runs, and the process with it; resolves once it has ended. */
  readonly stop: () => Promise<void>
  readonly isAlive: () => boolean
  /** Whether its last run has left processes of its own behind. */
  readonly isLittered: () => boolean
  /** Lets this process end, or go on, without regard to it. */
  readonly rest: () => void
}

/** The program that the process runs. */
const program = `${import.meta.dir}/child.ts`

/** What it starts is ended with it, whoever ends first. */
export const startProcess = (guard: Guard): IsolatedProcess => {
  let current: Current | undefined
  /** Why it was killed by us. */
  let reason: string | undefined
  let ended = false
  let hears = true

  const process = Bun.spawn([globalThis.process.execPath, program], {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
    // A Ctrl-C is for the node, which stops all of them in order.
    detached: true,
    ipc: (message: ProcessMessage) => hear(message),
    onDisconnect: () => {
      hears = false
      // One that lives on could not say how its run has ended.
      process.kill("SIGKILL")
    }
  })
  guard.keep(process.pid)
  const exited = process.exited.then(() => {
    ended = true
    endGroup(process.pid)
    guard.drop(process.pid)
    const how = process.signalCode ?? `exit code ${process.exitCode}`
    conclude(crashed(reason ?? `its process ended with ${how} before its handler did`))
  })
  // The end of the channel and that of the process are seen one after the other, and to send to it then would throw.
  const isAlive = () => !ended && hears
  const say = (message: WorkerMessage) => {
    if (isAlive()) process.send(message)
  }

  const conclude = (ending: Ending) => {
    const run = current
    current = undefined
    if (run === undefined) return
    clearInterval(run.watch)
    run.conclude(ending)
  }

  const callsOf = ({ keeping: { offspring, steps, store }, writes }: Given): Calls => ({
    progress: (...args) => writes.progress(...args),
    log: (...args) => writes.log(...args),
    emit: (...args) => writes.emit(...args),
    recall: steps.recall,
    remember: steps.remember,
    adopt: steps.adopt,
    ended: store.ended,
    cancel: store.cancel,
    prepare: offspring.prepare,
    store: offspring.store
  })

  const over = ({ entry, partition }: Given) =>
    new AttemptOver({ task: idIn(partition, ulidOfEntry(entry)), attempt: runOfEntry(entry) })

  const answer = ({ args, call, method }: Extract<ProcessMessage, { readonly kind: "call" }>) => {
    if (current === undefined) return
    const { given } = current
    const method_ = callsOf(given)[method] as (
      ...args: ReadonlyArray<unknown>
    ) => Effect.Effect<unknown, unknown>
    void given.keeping.promise(Effect.exit(Effect.suspend(() => method_(...args)))).then((exit) =>
      say(
        Exit.isSuccess(exit)
          ? { kind: "answer", call, value: exit.value }
          : {
              kind: "refusal",
              call,
              error: toldOf(Cause.hasInterruptsOnly(exit.cause) ? over(given) : Cause.squash(exit.cause))
            }
      )
    )
  }

  const obey = (word: Word) => {
    const writes = current?.given.writes
    switch (word.kind) {
      case "stepped":
        return writes?.stepped(word.step)
      case "spend":
        return writes?.spend(word.limit, word.amount)
      case "lost":
        return writes?.lost()
    }
  }

  const hear = (message: ProcessMessage) => {
    switch (message.kind) {
      case "call":
        return answer(message)
      case "word":
        return obey(message.word)
      case "ended":
        return conclude(message.ending)
    }
  }

  /** Kills it when it takes more memory than its handler may. */
  const watchMemory = (mebibytes: number) =>
    setInterval(() => {
      const resident = residentOf(process.pid)
      if (resident === undefined || resident <= mebibytes * 1024 * 1024) return
      reason = `its process took ${Math.round(resident / 1024 / 1024)} MiB of memory; it may take ${mebibytes}`
      process.kill("SIGKILL")
    }, memoryLookMs)

  return {
    run: (given, module, onEnding) => {
      const { definition, entry, envelope, partition, ring, worker } = given
      const memory = definition.isolation?.memory
      current = {
        given,
        conclude: onEnding,
        watch: memory === undefined ? undefined : watchMemory(memory)
      }
      process.ref()
      const run = { partition, worker, entry, envelope, ring, module, handler: definition.name }
      say({ kind: "run", run })
    },
    stop: async () => {
      clearInterval(current?.watch)
      const grace = current === undefined ? 0 : stopGraceMs
      // From here on nothing that it says counts.
      current = undefined
      say({ kind: "stop" })
      const killer = setTimeout(() => process.kill("SIGKILL"), grace)
      await exited
      clearTimeout(killer)
    },
    isAlive,
    isLittered: () => hasChildren(process.pid),
    rest: () => process.unref()
  }
}
