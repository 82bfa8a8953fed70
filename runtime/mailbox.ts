/**
 * What waits in a partition, as plain values: new tasks, the boxes of keys and agents, and messages to other partitions.
 */
import type { Entry, Partition, TaskId } from "./task.ts"

export interface NewTask {
  readonly entry: Entry
  readonly record: string
  /** When it becomes due: at once, after a delay in milliseconds, or at a Unix time in milliseconds. */
  readonly due?: { readonly afterMs: number } | { readonly at: number }
  /** The box it waits in instead of a lane; its entry and record then have a capital lane letter. */
  readonly box?: Box
  /** What it does where its box has work: it is refused, or cancels the first that runs. Heeded by `Admission`. */
  readonly arrival?: "reject" | "interrupt"
  /** The task that waits for its end. */
  readonly parent?: TaskId
  /** It is expired if it has not started by then, in Unix milliseconds. */
  readonly expiresAt?: number
  /** It has failed if it has not ended by then, in Unix milliseconds. */
  readonly deadlineAt?: number
  /** Its end is to be told to a URL, which its record names. */
  readonly callback?: true
}

/** Whether nothing is to be said of a task but where it waits: those of one submit come first. */
export const isPlain = (task: NewTask): boolean =>
  task.due === undefined &&
  task.box === undefined &&
  task.parent === undefined &&
  task.expiresAt === undefined &&
  task.deadlineAt === undefined &&
  task.callback === undefined

/** The mailbox of one key, with or without limits; what the newest submit says of it counts while it has work. */
export interface Box {
  /** `<ring>|<key>`; a ring has no `|`. */
  readonly name: string
  /** How many of its tasks run at once; 0 for as many as there are workers for. */
  readonly limit: number
  /** Whether a task that is to be tried again keeps the later ones of its box waiting. */
  readonly ordered: boolean
}

/** What the box of an agent is called after its ring. A key of a caller's cannot begin so. */
export const agentBoxKey = (agent: AgentAddress): string => `~${agent}`

/** The agent that a box is of, if it is one's. It hands out up to a quantum of messages, to be run one after the other. */
export const agentOfBox = (box: string): AgentAddress | undefined => /^[^|]*\|~([^/]+\/.*)$/s.exec(box)?.[1]

/** What the box of a key is called after its ring: another tenant than `default` has boxes of its own. No agent's box is called so. */
export const boxKeyOf = (key: string, tenant: string | undefined): string =>
  tenant === undefined ? key : `~/${tenant}/${key}`

/** The ring a box belongs to: its limits and what they cost, or `""` without limits. */
export const ringOf = (box: string): string => box.slice(0, box.indexOf("|"))

/** `<name>/<key>`: what an agent is addressed by. A name has no slash. */
export type AgentAddress = string

/**
 * What one partition has to tell another, or itself. Doing it twice is harmless. An end says of which run it was: a dead letter that
 * is tried again ends once more, and that is told for itself.
 */
export type Message =
  | {
      readonly kind: "ended"
      readonly child: TaskId
      readonly parent: TaskId
      readonly run: number
      /** It has not succeeded. */
      readonly failed?: true
    }
  | { readonly kind: "cancel"; readonly task: TaskId }
  /** It has ended, and its end is to be told to a URL. */
  | { readonly kind: "callback"; readonly task: TaskId; readonly run: number }
  /** A task that was acknowledged, and is to be stored there. */
  | { readonly kind: "submit"; readonly partition: Partition; readonly task: NewTask }
