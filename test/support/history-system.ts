/** Whether the system around the tasks is as promised: schedules, tenants, what is left over, and that it goes on. */
import type { Facts } from "./history-facts.ts"

const unique = <A>(values: Iterable<A>) => [...new Set(values)]

/** A slot fires at most once; a schedule that is to run all its slots leaves none out. */
export const slotsOnce = ({ schedules, slots }: Facts) =>
  [...Map.groupBy(slots, ({ schedule }) => schedule)].flatMap(([schedule, all]) => {
    const bySlot = Map.groupBy(all, ({ at }) => at)
    const twice = [...bySlot].flatMap(([at, some]) => {
      const tasks = unique(some.flatMap(({ task }) => task ?? []))
      return tasks.length > 1 ? [`slot ${at} of ${schedule} was fired as ${tasks.join(" and ")}`] : []
    })
    const { everyMs, missed } = schedules.find((one) => one.schedule === schedule) ?? {}
    if (everyMs === undefined) return twice
    const times = [...bySlot.keys()].sort((one, other) => one - other)
    const wrong = times.slice(1).flatMap((at, before) => {
      const afterMs = at - times[before]!
      if (afterMs % everyMs !== 0) return [`slot ${at} of ${schedule} is none`]
      return missed === "run-all" && afterMs !== everyMs
        ? [`${schedule} has left out ${afterMs / everyMs - 1} slots before ${at}`]
        : []
    })
    return [...twice, ...wrong]
  })

/** Nobody is shown what is another tenant's, and no task is of two. */
export const keptApart = ({ reads, stored, tasks }: Facts) => [
  ...stored.flatMap(({ task, tenants }) =>
    tenants.size > 1 ? [`${task} is of ${[...tenants].join(" and of ")}`] : []
  ),
  ...reads.flatMap(({ phase, task, tenant }) => {
    const owners = tasks.get(task)?.tenants
    return phase === "ok" &&
      tenant !== undefined &&
      owners !== undefined &&
      owners.size > 0 &&
      !owners.has(tenant)
      ? [`${tenant} was shown ${task}, which is of ${[...owners].join(", ")}`]
      : []
  })
]

/** How much more Redis may hold in the end than before: what it keeps of itself varies. */
const growthMaxBytes = 4 * 1024 * 1024

/** When all is over and its time has passed, Redis holds what it held before. */
export const baseline = ({ keys }: Facts) => {
  const before = keys.find(({ phase }) => phase === "before")
  const after = keys.findLast(({ phase }) => phase === "after")
  if (before === undefined || after === undefined) return []
  const known = new Set(before.keys)
  const left = after.keys.filter((key) => !known.has(key))
  const grown = after.bytes - before.bytes
  return [
    ...(left.length > 0 ? [`${left.length} keys are left over: ${left.slice(0, 10).join(", ")}`] : []),
    ...(grown > growthMaxBytes ? [`Redis holds ${grown} bytes more than before`] : [])
  ]
}

/** How long recovery may take beside the lease, in milliseconds. */
const recoveryMs = 2_000

/** Of how many in a hundred recoveries the slowest may be left out. */
const percentile = 0.99

const isPlain = (facts: Facts, task: string) =>
  (facts.tasks.get(task)?.labels ?? []).every((label) => {
    const { agent, delayMs, key, state } = facts.labels.get(label)?.terms ?? {}
    return agent === undefined && delayMs === undefined && key === undefined && state === undefined
  })

/** The longest time within which nothing was broken, between two times; what is broken anew begins anew. */
const longestQuiet = (faults: Facts["faults"], from: number, to: number): number => {
  let [low, high] = [0, faults.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((faults[middle]!.ns ?? 0) < from) low = middle + 1
    else high = middle
  }
  let [quietFrom, longest] = [from, 0]
  for (let at = low; at < faults.length && (faults[at]!.ns ?? 0) < to; at++) {
    const { ns = 0, phase } = faults[at]!
    if (phase === "healed") quietFrom = ns
    else {
      longest = Math.max(longest, ns - quietFrom)
      // Until it is healed.
      quietFrom = to
    }
  }
  return Math.max(longest, to - quietFrom)
}

/** For each run that was lost with its process: for how long nothing was broken before its task ran again, in milliseconds. */
export const recoveriesOf = (facts: Facts): ReadonlyArray<number> => {
  return facts.stored.flatMap(({ overs, starts, task }) => {
    const [first, second] = starts
    if (first?.ns === undefined || second?.ns === undefined || !isPlain(facts, task)) return []
    const [from, to] = [first.ns, second.ns]
    const isOver = overs.some((run) => run.attempt === first.attempt)
    const blow = (facts.blows.get(first.process) ?? []).find(
      ({ ns, op }) => op === "killed" && ns !== undefined && ns >= from && ns <= to
    )
    if (isOver || blow === undefined) return []
    return [longestQuiet(facts.faults, blow.ns!, to) / 1e6]
  })
}

export const percentileOf = (values: ReadonlyArray<number>, share = percentile): number =>
  values.toSorted((one, other) => one - other)[
    Math.min(values.length - 1, Math.floor(values.length * share))
  ] ?? 0

/**
 * Once a fault is over, what waits goes on within the lease and two seconds, without anybody's help; so does what was
 * lost with a process. What the machine itself stood still is not counted.
 */
export const goesOn = (leaseMs: number) => (facts: Facts) => {
  const mostMs = leaseMs + recoveryMs + facts.stalledMs
  const waiting = facts.stored.flatMap(({ labels, starts, task }) => {
    const from = facts.labels.get(labels[0] ?? "")?.acknowledgedAt?.ns
    return from === undefined || !isPlain(facts, task) ? [] : [{ from, to: starts[0]?.ns ?? Infinity }]
  })
  waiting.sort((one, other) => one.from - other.from)
  const faults = facts.faults.filter(({ ns }) => ns !== undefined)
  const stuck = faults.flatMap(({ ns, phase }, at) => {
    if (phase !== "healed") return []
    // The next fault may hold it up again.
    const next = faults[at + 1]?.ns ?? Infinity
    if (next < ns! + mostMs * 1e6) return []
    let soonest: number | undefined
    for (let place = waiting.length - 1; place >= 0; place--) {
      const { from, to } = waiting[place]!
      if (from > ns!) continue
      if (from < ns! - lookBackNs) break
      if (to > ns!) soonest = Math.min(soonest ?? Infinity, to)
    }
    return soonest !== undefined && soonest > ns! + mostMs * 1e6
      ? [`after fault ${faults[at - 1]?.name ?? ""} was over, nothing that waited ran for over ${mostMs} ms`]
      : []
  })
  const slowest = percentileOf(recoveriesOf(facts))
  return slowest > mostMs
    ? [...stuck, `what was lost with a process ran again after ${Math.round(slowest)} ms (p99)`]
    : stuck
}

/** What has waited for longer than this before a healing was not looked for, in nanoseconds. */
const lookBackNs = 60e9
