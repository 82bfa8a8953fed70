/** Whether what runs wrote is there: events once, in order and without gaps for whoever follows; steps; agents' memories. */
import type { Facts, Placed, TaskFacts } from "./history-facts.ts"
import type { Followed } from "./history.ts"

const unique = <A>(values: Iterable<A>) => [...new Set(values)]

const eventsOf = ({ accepted, streams, task }: TaskFacts) =>
  streams.flatMap(({ events }) => {
    const there = new Set(events)
    const missing = accepted
      .filter(({ op }) => op === "emit")
      .map(({ attempt, name }) => `${attempt} ${name}`)
      .filter((event) => !there.has(event))
    const seen = new Set<string>()
    const twice = events.filter((event) => seen.size === seen.add(event).size)
    const attempts = events.map((event) => Number.parseInt(event))
    return [
      ...missing.map((event) => `${task} has lost the event "${event}"`),
      ...twice.map((event) => `${task} has the event "${event}" twice`),
      ...(attempts.some((attempt, at) => attempt < (attempts[at - 1] ?? 0))
        ? [`${task} has its events out of order`]
        : [])
    ]
  })

const stepsOf = ({ accepted, task }: TaskFacts) =>
  [
    ...Map.groupBy(
      accepted.filter(({ op }) => op === "step"),
      ({ name }) => name
    )
  ].flatMap(([name, results]) =>
    unique(results.map(({ value }) => value)).length > 1
      ? [`step "${name}" of ${task} has changed its result`]
      : []
  )

/** What an agent was told and has handled it remembers, once; and whom it tells knows the same. */
const remembered = ({ labels, memories, tasks }: Facts) => {
  const told = Map.groupBy(
    [...labels.values()].filter(({ terms }) => terms?.agent !== undefined),
    ({ terms }) => terms!.agent!
  )
  return memories.flatMap(({ agent, labels: said, of }) => {
    const seen = new Set<string>()
    const twice = said.filter((label) => seen.size === seen.add(label).size)
    const handled = (told.get(agent) ?? []).flatMap(({ acknowledged, label }) =>
      acknowledged !== undefined && tasks.get(acknowledged)!.ends.some(({ state }) => state === "succeeded")
        ? [label]
        : []
    )
    const forgotten = handled.filter((label) => !seen.has(label))
    const source = of === undefined ? undefined : memories.find((other) => other.agent === of)
    const differs = source !== undefined && source.labels.join("\n") !== said.join("\n")
    return [
      ...twice.map((label) => `the agent ${agent} has handled ${label} twice`),
      ...forgotten.map((label) => `the agent ${agent} has forgotten ${label}`),
      ...(differs ? [`${agent} was not told what ${of} has told it, once each and in order`] : [])
    ]
  })
}

/** What a run was told is stored, is there: an event once and in order, a step's result for all later runs. */
export const kept = (facts: Facts) => [
  ...facts.stored.flatMap((task) => [...eventsOf(task), ...stepsOf(task)]),
  ...remembered(facts)
]

const followedOf = (facts: Facts, events: ReadonlyArray<Placed<Followed>>) => {
  const { follower, task } = events[0]!
  const wrong: Array<string> = []
  const say = (what: string) => wrong.push(`${follower} was shown ${what} of ${task}`)
  const names = new Set<string>()
  let [attempt, seq] = [0, 0]
  let hasGap = false
  let isOver = false
  let hasAnyGap = false
  for (const { event, name } of events) {
    if (isOver) say(`${event} after the end`)
    if (event === "gap") {
      hasGap = true
      hasAnyGap = true
      continue
    }
    if (event === "end") {
      isOver = true
      continue
    }
    const [run = 0, number = 0] = event.split("-").map(Number)
    if (name !== undefined) names.add(`${run} ${name}`)
    const expected = run === attempt ? seq + 1 : 1
    if (run < attempt || (run === attempt && number <= seq)) say(`${event} after ${attempt}-${seq}`)
    else if (number > expected && !hasGap) say(`${event} after ${attempt}-${seq}, and was not told of a gap,`)
    ;[attempt, seq, hasGap] = [run, number, false]
  }
  if (!isOver || hasAnyGap) return wrong
  const missing = (facts.tasks.get(task)?.accepted ?? []).filter(
    (write) => write.op === "emit" && !names.has(`${write.attempt} ${write.name}`)
  )
  for (const write of missing) say(`the end, and not "${write.attempt} ${write.name}",`)
  return wrong
}

/** Whoever follows gets each event once, in order and without a gap, across all reconnects, or is told of the gap. */
export const followed = (facts: Facts) =>
  [...facts.follows.values()].flatMap((events) => followedOf(facts, events))
