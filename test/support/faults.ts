/**
 * Where a worker and a submitter are hit: every script that one of them sends, and where a script does several things,
 * each of them.
 */
import type { ScriptName } from "../../runtime/redis/scripts.ts"
import type { Place, ScriptRequest } from "./proxy.ts"

/** How many things a turn brings, by the place of their number among its arguments. */
const brings =
  (place: number) =>
  ({ args }: ScriptRequest) =>
    Number(args[place]) > 0

/** Whether it is of the queue where the workload waits. */
const isOfMain = ({ base }: ScriptRequest) => base.includes("{main.")

/** What a worker of the crash tests' workload sends. */
export const ofWorker: Readonly<Record<string, Place>> = {
  "the turn in which it joins and claims": { script: "worker-turn", which: isOfMain },
  "a turn in which tasks end of which more is to be said": { script: "worker-turn", which: brings(15) },
  "a turn in which tasks end": { script: "worker-turn", which: brings(27) },
  "a turn in which a task is to be tried again": { script: "worker-turn", which: brings(16) },
  "a turn in which a parent begins to wait": { script: "worker-turn", which: brings(17) },
  "event-append": { script: "event-append" },
  "step-remember": { script: "step-remember" },
  "task-submit of a child": { script: "task-place" },
  "task-ended of children": { script: "task-ended" },
  "child-ended": { script: "child-ended" },
  "limit-take": { script: "limit-take" },
  "limit-settle": { script: "limit-settle" }
}

/** What a worker sends that handles agents' messages. */
export const ofAgents: Readonly<Record<string, Place>> = {
  "the turn in which it joins and claims": { script: "worker-turn", which: isOfMain },
  "a turn in which messages end": { script: "worker-turn", which: brings(25) },
  "task-place of a message that an agent sent": { script: "task-place", which: ({ args }) => args[0] === "1" }
}

/** What a worker sends when it is told to stop. */
export const ofLeavingWorker: Readonly<Record<string, Place>> = { "worker-evict": { script: "worker-evict" } }

export const ofSubmitter: Readonly<Record<string, Place>> = {
  "task-submit": { script: "task-submit" },
  "task-admit": { script: "task-admit" },
  "task-reschedule": { script: "task-reschedule" },
  "task-cancel": { script: "task-cancel" }
}

/** Nothing depends on these but what operators are shown, or how soon what is past its time goes; or they only read. */
export const ofNoConsequence: ReadonlyArray<ScriptName> = [
  "limit-renew",
  "minute-count",
  "partition-note",
  "queue-trim",
  "schedule-due",
  "segment-forget",
  "segment-sweep",
  "task-read",
  "worker-list"
]
