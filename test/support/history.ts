/**
 * What happened, as those who asked and those who ran wrote it down: the words of a history.
 *
 * A history is written outside Redis by every process that takes part, killed ones included. What takes time has a
 * beginning and an end in it. What nobody heard an answer to may have happened or not; what was acknowledged may not
 * vanish. Which promises a history breaks, `history-check.ts` says.
 */

interface Written {
  /** When, on the machine's monotonic clock, in nanoseconds. Without it the order in the file is that of the events. */
  readonly ns?: number
  /** Whose it is; left out where there is only one. */
  readonly tenant?: string
}

/** Somebody asked for something, under a label of its own, and this came of it. */
export interface Call extends Written {
  readonly op: "submit" | "cancel" | "reschedule"
  /** `fail`: it was refused. `unknown`: it died, or gave up, without having heard. */
  readonly phase: "invoke" | "ok" | "fail" | "unknown"
  readonly label: string
  /** Once it is known. */
  readonly task?: string
  /** Said at `invoke`: what the submitter promised itself. */
  readonly terms?: Terms
}

export interface Terms {
  readonly idempotencyKey?: string
  /** What is submitted; with the same idempotency key it has to be the same. */
  readonly work?: string
  /** Tasks of one key run in the order of their submits. */
  readonly key?: string
  /** How it has to end, default `succeeded`; several, separated by `|`, where chance decides. */
  readonly state?: string
  /** How many runs it may have beside those that a death, a pause or a lost reply cost. Default 1. */
  readonly runs?: number
  /** The agent that is to remember it, once, and after what was said to it before. */
  readonly agent?: string
  /** It may not start sooner after it was submitted. */
  readonly delayMs?: number
}

/** A handler ran. */
export interface Run extends Written {
  readonly op: "run"
  /** `return`: with an output; `throw`: it failed, waits for children, or was told that it is over. */
  readonly phase: "start" | "return" | "throw"
  readonly label: string
  readonly task: string
  readonly attempt: number
  readonly process: string
}

/** A run wrote something, and heard what came of it. */
export interface Write extends Written {
  readonly op: "emit" | "step"
  readonly phase: "invoke" | "ok" | "fail"
  readonly task: string
  readonly attempt: number
  readonly process: string
  /** Which of its run's writes it is. */
  readonly name: string
  /** What a step came to. */
  readonly value?: string
}

/**
 * Something happened to a process that may cost runs: it was killed, or a connection of its was cut; or it was paused,
 * by a signal or because it heard nothing, and may then begin late what it had been given before; or it was found to have lost
 * its lease, so that its claims went back as those of one that died. To `*`: to all.
 */
export interface Blow extends Written {
  readonly op: "killed" | "cut" | "paused" | "fenced"
  readonly process: string
}

/** A fault began, or everything that it broke works again. */
export interface Fault extends Written {
  readonly op: "fault"
  readonly phase: "begin" | "healed"
  readonly name: string
}

/** How a task had ended when somebody looked. */
export interface End extends Written {
  readonly op: "end"
  readonly task: string
  readonly state: string
  readonly error?: string
  /** Who made the output, and in which attempt; what a task without output has not. */
  readonly attempt?: number
  readonly process?: string
}

/** What a task's stream held in the end, `<attempt> <name>` each. */
export interface Stream extends Written {
  readonly op: "stream"
  readonly task: string
  readonly events: ReadonlyArray<string>
}

/** One event that a follower was given, whatever became of its connections: `<attempt>-<seq>`, `gap`, or `end`. */
export interface Followed extends Written {
  readonly op: "follow"
  readonly follower: string
  readonly task: string
  readonly event: string
  /** What it said. */
  readonly name?: string
}

/** A schedule fired a slot, Unix milliseconds, as the run of its task says; or, `passed`, its history says it did not. */
export interface Slot extends Written {
  readonly op: "slot"
  readonly schedule: string
  readonly at: number
  /** The task that it has made; left out when the slot was passed over. */
  readonly task?: string
}

/** What a schedule promises of its slots: that one comes every so often, and that all of them are run. */
export interface Schedule extends Written {
  readonly op: "schedule"
  readonly schedule: string
  readonly everyMs: number
  readonly missed: "run-all" | "skip"
}

/** A caller asked for something of a task, and was given it or not. The tenant is the caller's. */
export interface Read extends Written {
  readonly op: "read"
  readonly phase: "ok" | "fail"
  readonly task: string
}

/** What an agent remembered in the end, in its order. */
export interface Memory extends Written {
  readonly op: "memory"
  readonly agent: string
  readonly labels: ReadonlyArray<string>
  /** The agent that has told it all it knows: it has to know the same, in the same order. */
  readonly of?: string
}

/** The keys in Redis and the bytes of its data set, before there was any work and after all was over. */
export interface Keys extends Written {
  readonly op: "keys"
  readonly phase: "before" | "after"
  readonly keys: ReadonlyArray<string>
  readonly bytes: number
}

/** For how long the machine itself stood still, as a process that does nothing else has seen. */
export interface Stall extends Written {
  readonly op: "stall"
  readonly ms: number
}

export type HistoryEvent =
  | Call
  | Run
  | Write
  | Blow
  | Fault
  | End
  | Stream
  | Followed
  | Slot
  | Schedule
  | Read
  | Memory
  | Keys
  | Stall

export interface Violation {
  /** The number of the invariant; `kept` where something acknowledged has vanished, `early` where it came too soon. */
  readonly invariant:
    | "I1"
    | "I2"
    | "I3"
    | "I4"
    | "I5"
    | "I6"
    | "I7"
    | "I8"
    | "I9"
    | "I10"
    | "I11"
    | "I12"
    | "L1"
    | "kept"
    | "early"
  readonly what: string
}
