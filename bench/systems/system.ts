/**
 * What a bench asks of a system, so that the same loops drive all of them.
 *
 * A system is one file here. Adding a peer means writing that file, and naming it in the benches it takes part in.
 */
import type { Redis } from "ioredis"
import type { Effort, Mix } from "../processes.ts"

/** What a task is given. Written as JSON it is as long as the bench wants it. */
export interface Input extends Effort {
  readonly i: number
  readonly text: string
  /** The agent that a message is for. */
  readonly agent?: number
}

/** What a system gives a run. */
export interface Run {
  /** 1 for the first. */
  readonly attempt: number
  /** Hands on a word, and is not waited for. */
  readonly emit: (word: string) => unknown
}

/** Of systems that no bench lets fail or emit. */
const onlyRun: Run = { attempt: 1, emit: () => {} }

/** How many runs this process has begun. */
export const runs = { begun: 0 }

/** Spreads numbers evenly, in an order that looks like none. */
const spread = (i: number, [from, to]: readonly [number, number]) => from + ((i * 7_919) % (to - from + 1))

/** What every system's task does. */
export const outputOf = async (
  { failures = 0, holdMs, i, reply, tokens = 0 }: Input,
  { attempt, emit }: Run = onlyRun
): Promise<unknown> => {
  runs.begun += 1
  if (attempt <= failures) throw new Error("a failure that was asked for")
  if (holdMs !== undefined) {
    const ms = typeof holdMs === "number" ? holdMs : spread(i, holdMs)
    for (let word = 0; word < tokens; word++) {
      await Bun.sleep(ms / tokens)
      emit(`word${word} `)
    }
    if (tokens === 0) await Bun.sleep(ms)
  }
  return reply === undefined ? 1 : "x".repeat(reply)
}

/** Texts by their lengths, so that to make them is no part of what is measured. */
const texts: Array<string> = []

export const inputOf = (i: number, bytes: number): Input => {
  const rest = Math.max(0, bytes - `{"i":${i},"text":""}`.length)
  return { i, text: (texts[rest] ??= "x".repeat(rest)) }
}

/** How late tasks of the delayed mix are due, in milliseconds. */
export const mixDelayMs = 200

/** How late tasks are due that are only to lie there. */
export const farDelayMs = 86_400_000

/** The limit of the limited mix: it never binds, so that what it costs is measured and not what it allows. */
export const mixLimit = { count: 10_000_000, perMs: 60_000 }

/** A connected system, used as its documentation says: by what submits, or by what works. */
export interface Client {
  /** Stores one task; resolves when it is acknowledged. */
  readonly submit: (input: Input) => Promise<unknown>

  /** Stores many tasks in one call; resolves when all are acknowledged. */
  readonly submitAll: (inputs: ReadonlyArray<Input>, mix?: Mix) => Promise<unknown>

  /** Submits one task and resolves when its result is here. Absent where no bench asks. */
  readonly ask?: (input: Input) => Promise<unknown>

  /** The same for a task that is due so much later. Absent where there are no delays. */
  readonly askLater?: (input: Input, delayMs: number) => Promise<unknown>

  /** Asks an agent. Absent where there are none. */
  readonly askAgent?: (input: Input) => Promise<unknown>

  /** Makes a schedule of no-op tasks. Absent where no bench does. */
  readonly schedule?: (number: number, everyMs: number, firstAt?: number) => Promise<unknown>

  /** Runs no-op tasks, `concurrency` at a time, until the function it resolves with is called. */
  readonly work: (concurrency: number, mix?: Mix) => Promise<() => Promise<void>>
}

/** A server of a system's own, which is not Redis. */
export interface Served {
  /** Handed to the processes of the bench in the place of Redis's address. */
  readonly url: string
  /** Forgets all tasks. */
  readonly clear: () => Promise<void>
  readonly stop: () => Promise<void>
}

export interface System {
  readonly name: string

  /** Why it cannot be measured on this machine, and what would mend that; `undefined` when it can. */
  readonly missing?: () => string | undefined

  /** Starts a server of its own, which keeps its data in the folder. Absent where Redis is all it needs. */
  readonly serve?: (folder: string) => Promise<Served>

  /** Loaded in the processes of the bench alone; a process serves one system. */
  readonly connect: (url: string) => Promise<Client>

  /** How many tasks it is given for each one that Troupe is given, so that a round of either takes about as long. */
  readonly share: number

  /** How many tasks have not ended. Asked often while something is timed, so it must cost next to nothing. */
  readonly unended: (redis: Redis, url: string) => Promise<number>

  /** The name of the connections on which replies come, as `CLIENT LIST` shows it; where a bench cuts them. */
  readonly repliesOn?: string

  /** How many ended tasks are kept with their results. Absent where it keeps none. */
  readonly kept?: (redis: Redis, url: string) => Promise<number>
}
