/** The processes of a bench: each is one system in one role (`bench/role.ts`), told what to do over a channel. */
import { Deferred, Effect, Exit, Schema, type Scope } from "effect"
import { fileURLToPath } from "node:url"

/** The bench cannot go on, and what it measured so far says nothing. */
export class BenchFailed extends Schema.TaggedError<BenchFailed>()("BenchFailed", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

/** What tasks ask for: a priority, each its own of four; a delay, short or of a day; a limit of how often they start; an order within a key; messages to agents. */
export type Mix = "prioritised" | "delayed" | "far" | "limited" | "keyed" | "agents"

/** Tasks to submit. */
export interface Load {
  readonly count: number
  /** How many go in one call; 1 is the call for a single task. */
  readonly batch: number
  /** How many calls are on their way at once. */
  readonly inFlight: number
  /** How long an input is as JSON. */
  readonly inputBytes: number
  /** What the tasks ask for beside being run. Default: nothing. */
  readonly mix?: Mix
  /** Of how many agents, in turn, where they are messages. */
  readonly agents?: number
  /** What the runs are to do. Default: nothing. */
  readonly effort?: Effort
}

/** What a task's run is to do. Default: nothing, and it gives the number 1. */
export interface Effort {
  /** How long it takes, in milliseconds: always so long, or from so long to so long by the task's number. */
  readonly holdMs?: number | readonly [from: number, to: number]
  /** How many words it emits meanwhile, at an even pace. */
  readonly tokens?: number
  /** How many runs of a task fail before one succeeds. */
  readonly failures?: number
  /** How many characters it gives. */
  readonly reply?: number
}

/** Asks to make, for so long. */
export interface Asking extends Pick<Load, "inFlight" | "inputBytes"> {
  readonly millis: number
  /** How many asks at most. Default: as many as there is time for. */
  readonly count?: number
  /** How many agents are asked, in turn. Default: tasks are. */
  readonly agents?: number
  /** What each of them asks for beside its number. */
  readonly input?: Effort
  /** What else is asked for meanwhile, one at a time. Its times do not count. */
  readonly beside?: Effort
  /** How long the process stands still once it has sent the first ones. */
  readonly stallMs?: number
  /** An ask without an answer for so long is lost. Default: it is waited for. */
  readonly waitMaxMs?: number
}

/** Schedules to make, all alike. */
export interface Scheduling {
  readonly count: number
  readonly everyMs: number
  /** When they are due first, in Unix milliseconds; at once or a period from now where it is absent, as the system has it. */
  readonly firstAt?: number
}

/** Tasks to ask for that are due one after the other, so far apart in milliseconds. */
export interface Waiting extends Pick<Load, "inputBytes"> {
  readonly count: number
  readonly everyMs: number
  /** When the first is due, from now. */
  readonly firstMs: number
}

/** How long asks took, in milliseconds. */
export interface Asked {
  /** How many were answered. */
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly longest: number
  readonly lost: number
}

export interface Usage {
  /** Of all threads, since the process started. */
  readonly cpuMicros: number
  readonly residentBytes: number
}

/** What a process can be told. */
export interface Commands {
  /** Resolves when all is acknowledged. */
  readonly submit: (load: Load) => Promise<void>
  readonly ask: (asking: Asking) => Promise<Asked>
  /** Resolves with how much later than it was due each result was here. */
  readonly wait: (waiting: Waiting) => Promise<Asked>
  readonly work: (concurrency: number, mix?: Mix) => Promise<void>
  readonly schedule: (scheduling: Scheduling) => Promise<void>
  /** Resolves with how many milliseconds after a time so many runs have begun in this process. */
  readonly begun: (runs: { readonly count: number; readonly after: number }) => Promise<number>
  /** How many runs this process has begun. */
  readonly ran: () => Promise<number>
  /** Ends `work`, and lets what runs finish. */
  readonly rest: () => Promise<void>
  readonly usage: () => Promise<Usage>
}

export interface Call {
  readonly id: number
  readonly command: keyof Commands
  readonly args: ReadonlyArray<unknown>
}

export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string }

export interface Process {
  readonly call: <K extends keyof Commands>(
    command: K,
    ...args: Parameters<Commands[K]>
  ) => Effect.Effect<Awaited<ReturnType<Commands[K]>>, BenchFailed>
}

/** The bench's own environment, without what would set Troupe up differently. */
const environment = (): Record<string, string> => ({
  ...Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith("TROUPE_")
    )
  ),
  TROUPE_LOG: "warn"
})

/** How long a process may take to end once its channel is closed, in milliseconds. */
const exitMaxMs = 10_000

const script = fileURLToPath(new URL("role.ts", import.meta.url))

/** Starts a process of one system, and succeeds when it is connected. It ends with the scope. */
export const startProcess = Effect.fnUntraced(function* (
  system: string,
  url: string
): Effect.fn.Return<Process, BenchFailed, Scope.Scope> {
  const ready = yield* Deferred.make<void, BenchFailed>()
  const calls = new Map<number, Deferred.Deferred<unknown, BenchFailed>>()

  const hear = (message: Answer | "ready") => {
    if (message === "ready") return Deferred.doneUnsafe(ready, Exit.void)
    const call = calls.get(message.id)
    calls.delete(message.id)
    if (call === undefined) return false
    const exit =
      "error" in message
        ? Exit.fail(new BenchFailed({ reason: `${system}: ${message.error}` }))
        : Exit.succeed(message.value)
    return Deferred.doneUnsafe(call, exit)
  }

  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      Bun.spawn([process.execPath, script, system, url], {
        env: environment(),
        stdin: "ignore",
        // Only results go to our stdout.
        stdout: 2,
        stderr: "inherit",
        ipc: hear
      })
    ),
    (child) =>
      Effect.promise(async () => {
        child.disconnect()
        const killing = setTimeout(() => child.kill("SIGKILL"), exitMaxMs)
        await child.exited
        clearTimeout(killing)
      })
  )
  void child.exited.then((code) => {
    const gone = Exit.fail(new BenchFailed({ reason: `a process of ${system} ended with ${code}` }))
    Deferred.doneUnsafe(ready, gone)
    for (const call of calls.values()) Deferred.doneUnsafe(call, gone)
  })
  yield* Deferred.await(ready)

  let last = 0
  return {
    call: (command, ...args) =>
      Effect.suspend(() => {
        const id = ++last
        const answer = Deferred.makeUnsafe<unknown, BenchFailed>()
        calls.set(id, answer)
        child.send({ id, command, args } satisfies Call)
        return Deferred.await(answer) as Effect.Effect<never, BenchFailed>
      })
  }
})
