/** Whether tasks came to what was promised of them: one end each, fenced attempts, order, bounds, cancels, refusals. */
import type { Blow, Call } from "./history.ts"
import type { Accepted, Facts, Placed, TaskFacts } from "./history-facts.ts"

/** Errors of a task that its submit should have been refused with. */
const refusals = ["InputInvalid", "UnknownHandler", "SubmitRefused"]

/** A task whose workers died so often is a dead letter, whatever it would have come to. */
const deathsMax = 3

/** How long a worker may be dead and still be handed a task, in milliseconds: 2.5 s after its last turn, and a slow network. */
const unknownDeathMaxMs = 4_000

const unique = <A>(values: Iterable<A>) => [...new Set(values)]

/** Every acknowledged submit reaches a terminal state; so does whatever ran. */
export const ended = ({ stored }: Facts) =>
  stored.filter(({ ends }) => ends.length === 0).map(({ task }) => `${task} has not ended`)

/** At most one terminal is accepted, it never changes, and it is one that a run has come to. */
export const endedOnce = ({ stored }: Facts) =>
  stored.flatMap(({ ends, overs, task }) => {
    const different = unique(
      ends.map(({ attempt, error, process, state }) => JSON.stringify([state, attempt, process, error]))
    )
    const madeUp = ends.filter(
      ({ attempt, process, state }) =>
        state === "succeeded" &&
        !overs.some((run) => run.phase === "return" && run.attempt === attempt && run.process === process)
    )
    return [
      ...(different.length > 1 ? [`${task} ended as ${different.join(" and as ")}`] : []),
      ...(madeUp.length > 0 ? [`${task} has an output that no run has given`] : [])
    ]
  })

const fencedOf =
  ({ wasHit }: Facts) =>
  ({ accepted, ends, starts, task }: TaskFacts) => [
    ...starts.flatMap((start, index) => {
      const { attempt } = start
      const earlier = starts.slice(0, index)
      if (earlier.some((other) => other.attempt === attempt))
        return [`attempt ${attempt} of ${task} ran twice`]
      return earlier.some((other) => other.attempt > attempt) && !wasHit(start, start, "paused")
        ? [`attempt ${attempt} of ${task} came after a later one`]
        : []
    }),
    ...accepted.flatMap(({ attempt, from, name }) =>
      starts.some((start) => start.attempt > attempt && start.place < from)
        ? [`"${name}" of attempt ${attempt} of ${task} was accepted after a later one had started`]
        : []
    ),
    ...ends.flatMap(({ attempt }) =>
      attempt !== undefined && starts.some((start) => start.attempt > attempt)
        ? [`${task} ended with attempt ${attempt} though a later one had started`]
        : []
    )
  ]

/** Attempts strictly increase, and nothing of an earlier one is accepted once a later one has started. */
export const fenced = (facts: Facts) => facts.stored.flatMap(fencedOf(facts))

/** One submit, one task; one idempotency key, one task and one input. */
export const admittedOnce = ({ labels }: Facts) => {
  const known = [...labels.values()].filter(({ tasks }) => tasks.size > 0)
  const nameOf = ({ label, terms }: (typeof known)[number]) =>
    terms?.idempotencyKey === undefined ? label : `key ${terms.idempotencyKey}`
  return [...Map.groupBy(known, nameOf)].flatMap(([name, members]) => {
    const tasks = unique(members.flatMap((one) => [...one.tasks]))
    const works = unique(members.map(({ terms }) => terms?.work))
    return [
      ...(tasks.length > 1 ? [`${name} has become ${tasks.join(" and ")}`] : []),
      ...(works.length > 1 ? [`${name} was accepted with different inputs`] : [])
    ]
  })
}

/** Of one key, the first run of a task starts after the run before it that counted has ended. */
export const ordered = ({ labels, memories, tasks }: Facts) => {
  const keyed = [...labels.values()].filter(
    ({ acknowledged, isUnclear, terms }) =>
      terms?.key !== undefined && acknowledged !== undefined && !isUnclear
  )
  const outOfTurn = [...Map.groupBy(keyed, ({ terms }) => terms!.key!)].flatMap(([key, some]) => {
    const inOrder = some.toSorted((one, other) => (one.invoked?.place ?? 0) - (other.invoked?.place ?? 0))
    return inOrder.slice(1).flatMap(({ acknowledged: task }, before) => {
      const previous = inOrder[before]!.acknowledged!
      if (previous === task) return []
      const { ends, overs } = tasks.get(previous)!
      const counted = ends[0]?.attempt
      const over = overs.find((run) => run.attempt === counted)
      const first = tasks.get(task!)!.starts[0]
      if (first === undefined || over === undefined || first.place > over.place) return []
      return [`of key ${key}, ${task} started before ${previous} had ended`]
    })
  })
  const remembered = memories.flatMap(({ agent, labels: said }) => {
    const places = said.flatMap((label) => {
      const { invoked, isUnclear } = labels.get(label) ?? {}
      return invoked === undefined || isUnclear === true ? [] : [invoked.place]
    })
    return places.some((place, at) => at > 0 && place < places[at - 1]!)
      ? [`the agent ${agent} remembers out of order`]
      : []
  })
  return [...outOfTurn, ...remembered]
}

/**
 * Whether a death may have cost a task a run: one after its submit; or one so shortly before that nobody knew of it, since
 * whoever stands by is handed a task.
 */
const mayHaveHit = (death: Placed<Blow>, submit: Placed<Call> | undefined) =>
  submit === undefined ||
  death.place > submit.place ||
  death.ns === undefined ||
  submit.ns === undefined ||
  submit.ns - death.ns < unknownDeathMaxMs * 1e6

/** No more attempts than allowed; what is to end badly does, and what stands beside it does not. */
export const bounded = ({ blowCount, blows, labels, tasks, wasHit }: Facts) => {
  const deaths = [...blows.values()].flat().filter(({ op }) => op !== "cut")
  return [...labels.values()].flatMap(({ acknowledged: task, invoked, label, terms }) => {
    if (task === undefined) return []
    const { ends, starts } = tasks.get(task)!
    const { runs = 1, state = "succeeded" } = terms ?? {}
    const most =
      starts.length <= runs
        ? runs
        : runs +
          (starts[0]!.ns === undefined
            ? blowCount
            : starts.filter((start, at) => wasHit(start, starts[at + 1])).length)
    const states = state.split("|")
    const otherwise = ends.find((end) => !states.includes(end.state))
    const isBuried =
      otherwise?.error === "WorkerLost" &&
      deaths.filter((death) => mayHaveHit(death, invoked)).length >= deathsMax
    return [
      ...(starts.length > most ? [`${task} ran ${starts.length} times, and at most ${most} were due`] : []),
      ...(otherwise === undefined || isBuried
        ? []
        : [
            `${task} (${label}) ended ${otherwise.state}${otherwise.error === undefined ? "" : ` (${otherwise.error})`}, and was to end ${state}`
          ])
    ]
  })
}

/** Once a cancel was acknowledged the task is cancelled, and nothing that its run does is accepted. */
export const cancelled = ({ cancels, tasks }: Facts) =>
  cancels.flatMap(({ phase, place, task }) => {
    if (phase !== "ok" || task === undefined) return []
    const facts = tasks.get(task)
    const otherwise = facts?.ends.find((end) => end.state !== "cancelled")
    const late = facts?.accepted.find((write: Accepted) => write.from > place)
    return [
      ...(otherwise === undefined ? [] : [`${task} was cancelled, and ended ${otherwise.state}`]),
      ...(late === undefined ? [] : [`"${late.name}" of ${task} was accepted after its cancel`])
    ]
  })

/** What is refused is refused at once, and never runs; what was acknowledged is not refused later. */
export const refusedFirst = ({ labels, stored }: Facts) => [
  ...[...labels.values()].flatMap(({ label, refused, tasks }) =>
    refused && tasks.size > 0 ? [`${label} was refused, and is ${[...tasks].join(", ")}`] : []
  ),
  ...stored.flatMap(({ ends, task }) =>
    ends.flatMap(({ error }) =>
      error !== undefined && refusals.includes(error)
        ? [`${task} was accepted, and refused later: ${error}`]
        : []
    )
  )
]

/** How much sooner a task may seem to start than it was due: clocks are read in whole milliseconds. */
const earlyMaxMs = 2

/** What was delayed does not start before its time, as long as nobody sets Redis's clock. */
export const notEarly = ({ faults, labels, tasks }: Facts) => {
  const jumps = faults.filter(({ name }) => name.startsWith("clock"))
  return [...labels.values()].flatMap(({ acknowledged, invoked, terms }) => {
    const start = acknowledged === undefined ? undefined : tasks.get(acknowledged)!.starts[0]
    const [from, to] = [invoked?.ns, start?.ns]
    if (terms?.delayMs === undefined || from === undefined || to === undefined) return []
    const waitedMs = (to - from) / 1e6
    if (waitedMs >= terms.delayMs - earlyMaxMs) return []
    if (jumps.some(({ place }) => place > invoked!.place && place < start!.place)) return []
    return [
      `${acknowledged} started after ${Math.round(waitedMs)} ms, and was to wait for ${terms.delayMs} ms`
    ]
  })
}
