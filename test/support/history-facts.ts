/** The facts of a history, by what they are about: read in one pass, so that a million tasks are no hardship. */
import type {
  Blow,
  Call,
  End,
  Fault,
  Followed,
  HistoryEvent,
  Keys,
  Memory,
  Read,
  Run,
  Schedule,
  Slot,
  Stream,
  Terms,
  Write
} from "./history.ts"

export type Placed<Event> = Event & {
  /** Its place in the history. */
  readonly place: number
}

/** A write that was accepted, and since when it was on its way. */
export type Accepted = Placed<Write> & { readonly from: number }

/** What a history says of one task. */
export interface TaskFacts {
  readonly task: string
  /** Under which labels it was acknowledged. */
  readonly labels: Array<string>
  readonly tenants: Set<string>
  readonly starts: Array<Placed<Run>>
  /** The runs that are over. */
  readonly overs: Array<Placed<Run>>
  readonly accepted: Array<Accepted>
  readonly ends: Array<Placed<End>>
  readonly streams: Array<Stream>
}

/** What a history says of one label. */
export interface LabelFacts {
  readonly label: string
  readonly terms: Terms | undefined
  readonly invoked: Placed<Call> | undefined
  /** Whether it got no answer, or was begun again by somebody who had not heard: nobody knows when its task was stored. */
  readonly isUnclear: boolean
  readonly refused: boolean
  /** The tasks it was acknowledged as, or that ran for it. */
  readonly tasks: Set<string>
  readonly acknowledged: string | undefined
  readonly acknowledgedAt: Placed<Call> | undefined
}

/** How far around a run something may have hit its process, so that it cost the run, in nanoseconds. */
const reachNs = 15e9

/** A machine that stood still for so long may have cost somebody a lease, in milliseconds. */
const stallMinMs = 700

export const factsOf = (history: ReadonlyArray<HistoryEvent>) => {
  const tasks = new Map<string, TaskFacts>()
  const labels = new Map<string, { -readonly [K in keyof LabelFacts]: LabelFacts[K] }>()
  const blows = new Map<string, Array<Placed<Blow>>>()
  const faults: Array<Placed<Fault>> = []
  const cancels: Array<Placed<Call>> = []
  const follows = new Map<string, Array<Placed<Followed>>>()
  const slots: Array<Placed<Slot>> = []
  const schedules: Array<Schedule> = []
  const reads: Array<Placed<Read>> = []
  const memories: Array<Memory> = []
  const keys: Array<Keys> = []
  const invokes = new Map<string, number>()
  let count = 0
  let stalledMs = 0

  const taskOf = (task: string): TaskFacts => {
    const there = tasks.get(task)
    if (there !== undefined) return there
    const made: TaskFacts = {
      task,
      labels: [],
      tenants: new Set(),
      starts: [],
      overs: [],
      accepted: [],
      ends: [],
      streams: []
    }
    tasks.set(task, made)
    return made
  }
  const labelOf = (label: string) => {
    const there = labels.get(label)
    if (there !== undefined) return there
    const made = {
      label,
      terms: undefined,
      invoked: undefined,
      isUnclear: false,
      refused: false,
      tasks: new Set<string>(),
      acknowledged: undefined,
      acknowledgedAt: undefined
    }
    labels.set(label, made)
    return made
  }
  const hit = (blow: Placed<Blow>) => {
    const of = blows.get(blow.process)
    if (of === undefined) blows.set(blow.process, [blow])
    else of.push(blow)
    count += 1
  }

  history.forEach((event, place) => {
    switch (event.op) {
      case "submit": {
        const facts = labelOf(event.label)
        if (event.phase === "invoke") {
          if (facts.invoked !== undefined) facts.isUnclear = true
          facts.invoked ??= { ...event, place }
          facts.terms ??= event.terms
        }
        if (event.phase === "unknown") facts.isUnclear = true
        if (event.phase === "fail") facts.refused = true
        if (event.phase === "ok" && event.task !== undefined) {
          facts.tasks.add(event.task)
          facts.acknowledged ??= event.task
          facts.acknowledgedAt ??= { ...event, place }
          const task = taskOf(event.task)
          task.labels.push(event.label)
          if (event.tenant !== undefined) task.tenants.add(event.tenant)
        }
        return
      }
      case "cancel":
      case "reschedule":
        // What came of another time is seen in the runs of the task.
        if (event.op === "cancel") cancels.push({ ...event, place })
        return
      case "run": {
        const task = taskOf(event.task)
        labelOf(event.label).tasks.add(event.task)
        if (event.tenant !== undefined) task.tenants.add(event.tenant)
        const list = event.phase === "start" ? task.starts : task.overs
        list.push({ ...event, place })
        return
      }
      case "emit":
      case "step": {
        const { attempt, name, op, phase, process, task } = event
        const write = `${op} ${task} ${attempt} ${process} ${name}`
        if (phase === "invoke") invokes.set(write, place)
        else {
          if (phase === "ok")
            taskOf(task).accepted.push({ ...event, place, from: invokes.get(write) ?? place })
          invokes.delete(write)
        }
        return
      }
      case "killed":
      case "cut":
      case "paused":
      case "fenced":
        hit({ ...event, place })
        return
      case "stall": {
        stalledMs = Math.max(stalledMs, event.ms)
        const { ns, ms } = event
        if (ms >= stallMinMs) hit({ op: "paused", process: "*", place, ...(ns === undefined ? {} : { ns }) })
        return
      }
      case "fault":
        faults.push({ ...event, place })
        return
      case "end":
        taskOf(event.task).ends.push({ ...event, place })
        return
      case "stream":
        taskOf(event.task).streams.push(event)
        return
      case "follow": {
        const one = `${event.follower} ${event.task}`
        const followed = follows.get(one)
        if (followed === undefined) follows.set(one, [{ ...event, place }])
        else followed.push({ ...event, place })
        return
      }
      case "slot":
        slots.push({ ...event, place })
        return
      case "schedule":
        schedules.push(event)
        return
      case "read":
        reads.push({ ...event, place })
        return
      case "memory":
        memories.push(event)
        return
      case "keys":
        keys.push(event)
    }
  })

  /** Whether something happened to the process of a run around then that may have cost it the run. */
  const wasHit = (run: Placed<Run>, until: Placed<Run> | undefined, only?: Blow["op"]): boolean =>
    [run.process, "*"].some((process) =>
      (blows.get(process) ?? []).some(
        (blow) =>
          (only === undefined || blow.op === only) &&
          (run.ns === undefined || blow.ns === undefined
            ? true
            : blow.ns >= run.ns - reachNs && (until?.ns === undefined || blow.ns <= until.ns + reachNs / 20))
      )
    )

  return {
    tasks,
    labels: labels as ReadonlyMap<string, LabelFacts>,
    cancels,
    follows,
    slots,
    schedules,
    reads,
    memories,
    keys,
    faults,
    blows,
    /** How many there were in all. */
    blowCount: count,
    wasHit,
    /** The longest that the machine itself stood still. */
    stalledMs,
    /** Every task that is known to have been stored. */
    stored: [...tasks.values()].filter(({ labels, starts }) => labels.length > 0 || starts.length > 0)
  }
}

export type Facts = ReturnType<typeof factsOf>
