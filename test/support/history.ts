/**
 * What happened, as those who asked and those who ran wrote it down; and which promises it breaks.
 *
 * A history is written outside Redis by every process that takes part, killed ones included, in the order in which
 * things happened: no clock is asked. What takes time has a beginning and an end in it. The check is a decision over plain values: it knows nothing of how the work was done, only what was said, what was
 * run, what was acknowledged, and what was seen in the end. What nobody heard an answer to may have happened or not;
 * what was acknowledged may not vanish.
 */

/** Somebody asked for something, under a label of its own, and this came of it. */
export interface Call {
  readonly op: "submit" | "cancel"
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
  /** How it has to end, default `succeeded`. */
  readonly state?: string
  /** How many runs it may have beside those that a death, a pause or a lost reply cost. Default 1. */
  readonly runs?: number
}

/** A handler ran. */
export interface Run {
  readonly op: "run"
  /** `return`: with an output; `throw`: it failed, waits for children, or was told that it is over. */
  readonly phase: "start" | "return" | "throw"
  readonly label: string
  readonly task: string
  readonly attempt: number
  readonly process: string
}

/** A run wrote something, and heard what came of it. */
export interface Write {
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
 * by a signal or because it heard nothing, and may then begin late what it had been given before.
 */
export interface Blow {
  readonly op: "killed" | "cut" | "paused"
  readonly process: string
}

/** How a task had ended when somebody looked. */
export interface End {
  readonly op: "end"
  readonly task: string
  readonly state: string
  readonly error?: string
  /** Who made the output, and in which attempt; what a task without output has not. */
  readonly attempt?: number
  readonly process?: string
}

/** What a task's stream held in the end, `<attempt> <name>` each. */
export interface Stream {
  readonly op: "stream"
  readonly task: string
  readonly events: ReadonlyArray<string>
}

export type HistoryEvent = Call | Run | Write | Blow | End | Stream

export interface Violation {
  /** The number of the invariant; `kept` where something acknowledged has vanished. */
  readonly invariant: "I1" | "I2" | "I3" | "I4" | "I5" | "I6" | "I11" | "I12" | "kept"
  readonly what: string
}

/** Errors of a task that its submit should have been refused with. */
const refusals = ["InputInvalid", "UnknownHandler", "SubmitRefused"]

type Placed<Event> = Event & {
  /** Its place in the history. */
  readonly at: number
}

/** The events that may be of one of these. */
type OfOp<Op, Event extends HistoryEvent = HistoryEvent> = Event extends HistoryEvent
  ? [Event["op"] & Op] extends [never]
    ? never
    : Event
  : never

const isOp =
  <Op extends HistoryEvent["op"]>(...ops: ReadonlyArray<Op>) =>
  (event: Placed<HistoryEvent>): event is Placed<OfOp<Op>> =>
    (ops as ReadonlyArray<string>).includes(event.op)

const unique = <A>(values: ReadonlyArray<A>) => [...new Set(values)]

/** The facts of a history, by what they are about. */
const read = (history: ReadonlyArray<HistoryEvent>) => {
  const events = history.map((event, at): Placed<HistoryEvent> => ({ ...event, at }))
  const submits = events.filter(isOp("submit"))
  const terms = new Map<string, Terms>()
  for (const { label, phase, terms: said } of submits)
    if (phase === "invoke" && said !== undefined) terms.set(label, said)
  const runs = events.filter(isOp("run"))
  const writes = events.filter(isOp("emit", "step"))
  const isSame = (one: Write, other: Write) =>
    (["op", "task", "attempt", "process", "name"] as const).every((field) => one[field] === other[field])
  /** The writes that were accepted, and since when each was on its way. */
  const accepted = writes
    .filter(({ phase }) => phase === "ok")
    .map((write) => {
      const invoke = writes.find((other) => other.phase === "invoke" && isSame(write, other))
      return { ...write, from: invoke?.at ?? write.at }
    })
  return {
    submits,
    cancels: events.filter(isOp("cancel")),
    terms,
    runs,
    starts: runs.filter(({ phase }) => phase === "start"),
    accepted,
    blows: events.filter(isOp("killed", "cut", "paused")),
    ends: events.filter(isOp("end")),
    streams: events.filter(isOp("stream")),
    acknowledged: submits.flatMap(({ label, phase, task }) =>
      phase === "ok" && task !== undefined ? [{ label, task }] : []
    ),
    /** Every task that is known to have been stored. */
    tasks: unique(
      [...submits.filter(({ phase }) => phase === "ok"), ...runs].flatMap(({ task }) => task ?? [])
    )
  }
}

type Read = ReturnType<typeof read>

/** Every acknowledged submit reaches a terminal state; so does whatever ran. */
const ended = ({ ends, tasks }: Read) =>
  tasks.filter((task) => !ends.some((end) => end.task === task)).map((task) => `${task} has not ended`)

/** At most one terminal is accepted, it never changes, and it is one that a run has come to. */
const endedOnce = ({ ends, runs, tasks }: Read) =>
  tasks.flatMap((task) => {
    const seen = ends.filter((end) => end.task === task)
    const different = unique(
      seen.map(({ attempt, error, process, state }) => JSON.stringify([state, attempt, process, error]))
    )
    const madeUp = seen.filter(
      ({ attempt, process, state }) =>
        state === "succeeded" &&
        !runs.some(
          (run) =>
            run.task === task && run.phase === "return" && run.attempt === attempt && run.process === process
        )
    )
    return [
      ...(different.length > 1 ? [`${task} ended as ${different.join(" and as ")}`] : []),
      ...(madeUp.length > 0 ? [`${task} has an output that no run has given`] : [])
    ]
  })

/** Attempts strictly increase, and nothing of an earlier one is accepted once a later one has started. */
const fenced = ({ accepted, blows, ends, starts }: Read) => [
  ...starts.flatMap(({ at, attempt, process, task }, index) => {
    const earlier = starts.slice(0, index).filter((start) => start.task === task)
    if (earlier.some((start) => start.attempt === attempt)) return [`attempt ${attempt} of ${task} ran twice`]
    const isLate = blows.some((blow) => blow.op === "paused" && blow.process === process && blow.at <= at)
    return !isLate && earlier.some((start) => start.attempt > attempt)
      ? [`attempt ${attempt} of ${task} came after a later one`]
      : []
  }),
  ...accepted.flatMap(({ attempt, from, name, task }) =>
    starts.some((start) => start.task === task && start.attempt > attempt && start.at < from)
      ? [`"${name}" of attempt ${attempt} of ${task} was accepted after a later one had started`]
      : []
  ),
  ...ends.flatMap(({ attempt, task }) =>
    attempt !== undefined && starts.some((start) => start.task === task && start.attempt > attempt)
      ? [`${task} ended with attempt ${attempt} though a later one had started`]
      : []
  )
]

/** One submit, one task; one idempotency key, one task and one input. */
const admittedOnce = ({ acknowledged, runs, terms }: Read) => {
  const known = [...acknowledged, ...runs]
  const keyOf = (label: string) => {
    const key = terms.get(label)?.idempotencyKey
    return key === undefined ? undefined : `key ${key}`
  }
  const groups = Map.groupBy(known, ({ label }) => keyOf(label) ?? label)
  return [...groups].flatMap(([name, members]) => {
    const tasks = unique(members.map(({ task }) => task))
    const works = unique(members.map(({ label }) => terms.get(label)?.work))
    return [
      ...(tasks.length > 1 ? [`${name} has become ${tasks.join(" and ")}`] : []),
      ...(works.length > 1 ? [`${name} was accepted with different inputs`] : [])
    ]
  })
}

/** Of one key, the first run of a task starts after the run before it that counted has ended. */
const ordered = ({ acknowledged, ends, runs, starts, submits, terms }: Read) => {
  const labels = unique(submits.filter(({ phase }) => phase === "invoke").map(({ label }) => label)).filter(
    (label) => terms.get(label)?.key !== undefined
  )
  return [...Map.groupBy(labels, (label) => terms.get(label)!.key!)].flatMap(([key, inOrder]) => {
    const tasks = inOrder.flatMap((label) => acknowledged.find((one) => one.label === label)?.task ?? [])
    return tasks.slice(1).flatMap((task, before) => {
      const previous = tasks[before]!
      const counted = ends.find((end) => end.task === previous)?.attempt
      const over = runs.find(
        (run) => run.task === previous && run.attempt === counted && run.phase !== "start"
      )
      const first = starts.find((start) => start.task === task)
      if (first === undefined || over === undefined || first.at > over.at) return []
      return [`of key ${key}, ${task} started before ${previous} had ended`]
    })
  })
}

/** No more attempts than allowed; what is to end badly does, and what stands beside it does not. */
const bounded = ({ acknowledged, blows, ends, starts, terms }: Read) =>
  acknowledged.flatMap(({ label, task }) => {
    const { runs = 1, state = "succeeded" } = terms.get(label) ?? {}
    const most = runs + blows.length
    const ran = starts.filter((start) => start.task === task).length
    const otherwise = ends.find((end) => end.task === task && end.state !== state)
    return [
      ...(ran > most ? [`${task} ran ${ran} times, and at most ${most} were due`] : []),
      ...(otherwise === undefined
        ? []
        : [`${task} (${label}) ended ${otherwise.state}, and was to end ${state}`])
    ]
  })

/** Once a cancel was acknowledged the task is cancelled, and nothing that its run does is accepted. */
const cancelled = ({ accepted, cancels, ends }: Read) =>
  cancels.flatMap(({ at, phase, task }) => {
    if (phase !== "ok" || task === undefined) return []
    const otherwise = ends.find((end) => end.task === task && end.state !== "cancelled")
    const late = accepted.find((write) => write.task === task && write.from > at)
    return [
      ...(otherwise === undefined ? [] : [`${task} was cancelled, and ended ${otherwise.state}`]),
      ...(late === undefined ? [] : [`"${late.name}" of ${task} was accepted after its cancel`])
    ]
  })

/** What is refused is refused at once, and never runs; what was acknowledged is not refused later. */
const refusedFirst = ({ acknowledged, ends, runs, submits }: Read) => [
  ...unique(submits.filter(({ phase }) => phase === "fail").map(({ label }) => label)).flatMap((label) => {
    const accepted = [...acknowledged, ...runs].find((one) => one.label === label)
    return accepted === undefined ? [] : [`${label} was refused, and is ${accepted.task}`]
  }),
  ...ends.flatMap(({ error, task }) =>
    error !== undefined && refusals.includes(error)
      ? [`${task} was accepted, and refused later: ${error}`]
      : []
  )
]

/** What a run was told is stored, is there: an event once and in order, a step's result for all later runs. */
const kept = ({ accepted, streams }: Read) => [
  ...streams.flatMap(({ events, task }) => {
    const missing = accepted
      .filter((write) => write.op === "emit" && write.task === task)
      .map(({ attempt, name }) => `${attempt} ${name}`)
      .filter((event) => !events.includes(event))
    const twice = events.filter((event, at) => events.indexOf(event) !== at)
    const attempts = events.map((event) => Number.parseInt(event))
    return [
      ...missing.map((event) => `${task} has lost the event "${event}"`),
      ...twice.map((event) => `${task} has the event "${event}" twice`),
      ...(attempts.some((attempt, at) => attempt < (attempts[at - 1] ?? 0))
        ? [`${task} has its events out of order`]
        : [])
    ]
  }),
  ...[
    ...Map.groupBy(
      accepted.filter(({ op }) => op === "step"),
      ({ name, task }) => `step "${name}" of ${task}`
    )
  ].flatMap(([step, results]) =>
    unique(results.map(({ value }) => value)).length > 1 ? [`${step} has changed its result`] : []
  )
]

const checks: ReadonlyArray<readonly [Violation["invariant"], (history: Read) => ReadonlyArray<string>]> = [
  ["I1", ended],
  ["I2", endedOnce],
  ["I3", fenced],
  ["I4", admittedOnce],
  ["I5", ordered],
  ["I6", bounded],
  ["I11", cancelled],
  ["I12", refusedFirst],
  ["kept", kept]
]

/** Every promise that a finished history breaks. */
export const violationsIn = (history: ReadonlyArray<HistoryEvent>): ReadonlyArray<Violation> => {
  const facts = read(history)
  return checks.flatMap(([invariant, check]) => check(facts).map((what): Violation => ({ invariant, what })))
}
