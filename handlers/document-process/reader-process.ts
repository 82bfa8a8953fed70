/**
 * The worker's side of one reader: it says a word, gets the answer, and sees to it that reading takes neither too long nor
 * too much memory.
 */
import { Context, Effect, Schema } from "effect"
import { readFileSync } from "node:fs"
import * as path from "node:path"
import type { Fatal } from "../../runtime/handler.ts"
import { refuse } from "../refusal/refuse.ts"
import type { ReaderWord, WorkerWord } from "./reader-messages.ts"

/**
 * The process that read the document ended before it was done, and not by its bounds; or none could be started. Nothing was
 * kept: read it again.
 */
export class ReaderFailed extends Schema.TaggedError<ReaderFailed>()("ReaderFailed", {
  reason: Schema.String
}) {
  override get message() {
    return `the process that reads the document ${this.reason}`
  }
}

export interface Bounds {
  /** So many documents are read at once by one worker; the others wait. */
  readonly readersMax: number
  /** A page may take so long, the first one with the opening; a document that is read in one go as a whole. */
  readonly pageMs: number
  /** A document may take so long in all; less than a run of its task, since one that is over its timeout is tried again. */
  readonly documentMs: number
  /** Resident memory of the process, in MiB, the document's own bytes included. */
  readonly memoryMax: number
  /** One that has nothing to do is kept for so long, for the next document. */
  readonly idleKeptMs: number
}

export const readerBounds: Bounds = {
  readersMax: 2,
  // Ordinary pages take some milliseconds, maps and plans with a million lines some seconds.
  pageMs: 30_000,
  documentMs: 300_000,
  memoryMax: 768,
  idleKeptMs: 60_000
}

/** Tests have smaller ones. */
export const ReaderBounds = Context.Reference<Bounds>("troupe/handlers/ReaderBounds", {
  defaultValue: () => readerBounds
})

/** How often a process that reads is looked at, in milliseconds. */
const lookMs = 50

/** One that has more resident memory than this when it has nothing to do, in MiB, is not kept. */
const idleMemoryMax = 256

const pageBytes = 4_096

/** MiB of resident memory; `undefined` where the system does not tell. */
const residentOf = (pid: number): number | undefined => {
  try {
    return (Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * pageBytes) / 1024 / 1024
  } catch {
    return undefined
  }
}

/** The program that the process runs. It is not there in a program that was bundled, or compiled into one file. */
export const readerProgram = path.join(import.meta.dir, "reader.ts")

/** It needs nothing of its worker's environment, in which there are secrets, but what Bun itself may need to start. */
const environment = () =>
  Object.fromEntries(
    ["PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "BUN_RUNTIME_TRANSPILER_CACHE_PATH"].flatMap(
      (name) => {
        const value = process.env[name]
        return value === undefined ? [] : [[name, value]]
      }
    )
  )

type Answer = Effect.Effect<ReaderWord, Fatal | ReaderFailed>

export interface ReaderProcess {
  readonly pid: number
  /** From here on it is looked after, until it rests or is ended. */
  readonly work: () => void
  readonly say: (word: WorkerWord) => void
  /**
   * Says a word and waits for its answer; `what` names what is read until then. `Fatal` is of type `DocumentTooComplex`. After
   * a failure, and when it is interrupted, it is of no more use: end it.
   */
  readonly ask: (word: WorkerWord, what: string) => Answer
  /** Whether the next document may be given to it. */
  readonly isSound: () => boolean
  /** Lets this process end, or go on, without regard to it. */
  readonly rest: () => void
  /** Kills it; done once it has ended. */
  readonly end: Effect.Effect<void>
}

/** Throws where no process can be started. */
export const startReader = ({ documentMs, memoryMax, pageMs }: Bounds): ReaderProcess => {
  let asked: { readonly conclude: (answer: Answer) => void; looks: number } | undefined
  let reading = "it"
  /** How often it was looked at while it read its document. */
  let looks = 0
  let watch: Timer | undefined
  /** Why it is of no more use. */
  let over: Answer | undefined
  /** It has spoken without having been asked. */
  let strayed = false
  let hears = true

  const child = Bun.spawn([process.execPath, readerProgram, String(process.pid)], {
    // Bun would load the files `.env` and `bunfig.toml` of the worker's folder.
    cwd: import.meta.dir,
    env: environment(),
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit",
    ipc: (word: ReaderWord) => {
      if (asked === undefined) strayed = true
      else asked.conclude(Effect.succeed(word))
    },
    onDisconnect: () => {
      hears = false
      // One that lives on could not say what it has read.
      child.kill("SIGKILL")
    }
  })

  const giveUp = (answer: Answer) => {
    over ??= answer
    clearInterval(watch)
    child.kill("SIGKILL")
    asked?.conclude(over)
  }
  const exited = child.exited.then(() =>
    giveUp(
      Effect.fail(
        new ReaderFailed({ reason: `ended with ${child.signalCode ?? `exit code ${child.exitCode}`}` })
      )
    )
  )

  const tooComplex = (what: string, bound: string) =>
    refuse("DocumentTooComplex", `${what} takes ${bound} to read`)

  /**
   * Time is counted in looks. So a worker that stood still, or a machine that slept, makes no document slow: the answer may be
   * there, and has not been heard.
   */
  const look = () => {
    const resident = residentOf(child.pid)
    if (resident !== undefined && resident > memoryMax)
      return giveUp(tooComplex(reading, `more than ${memoryMax} MiB of memory`))
    if (asked === undefined) return
    asked.looks += 1
    looks += 1
    if (asked.looks * lookMs >= pageMs) giveUp(tooComplex(reading, `longer than ${pageMs / 1000} s`))
    else if (looks * lookMs >= documentMs) giveUp(tooComplex("it", `longer than ${documentMs / 1000} s`))
  }

  const say = (word: WorkerWord) => {
    // The end of the channel is seen before that of the process, and to send to it then would throw.
    if (over === undefined && hears) child.send(word)
  }

  return {
    pid: child.pid,
    work: () => {
      child.ref()
      looks = 0
      clearInterval(watch)
      watch = setInterval(look, lookMs)
    },
    say,
    ask: (word, what) =>
      Effect.callback((resume) => {
        if (over !== undefined) return resume(over)
        reading = what
        asked = {
          looks: 0,
          conclude: (answer) => {
            asked = undefined
            resume(answer)
          }
        }
        say(word)
        return Effect.sync(() => void (asked = undefined))
      }),
    isSound: () => over === undefined && !strayed && (residentOf(child.pid) ?? 0) <= idleMemoryMax,
    rest: () => {
      clearInterval(watch)
      child.unref()
    },
    end: Effect.promise(() => {
      giveUp(Effect.fail(new ReaderFailed({ reason: "was ended" })))
      return exited
    })
  }
}
