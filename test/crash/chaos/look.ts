/** What is seen when everything is over: how each task ended, what streams and agents hold, which keys are left. */
import { ResultTimeout, TaskFailed, TaskGone, TaskNotFound, type Troupe } from "../../../api/client/index.ts"
import type { HistoryEvent } from "../../support/history.ts"
import type { System } from "./system.ts"
import type { Output } from "./workload.ts"

/** How many are looked at at once. */
const atOnce = 256

/** Streams and agents that are looked at: all of a small campaign, and enough of a large one. */
const streamsMax = 5_000

/** How long what had no end is looked at once more, in milliseconds. */
const againMaxMs = 500

/** As whom a task, or an agent, is looked at: as its own tenant. */
type TroupeOf = (thing: string) => Troupe

const noEnds = [ResultTimeout, TaskNotFound, TaskGone]

const each = async <A>(list: ReadonlyArray<A>, look: (one: A) => Promise<void>) => {
  const rest = list.values()
  const go = async () => {
    for (const one of rest) await look(one)
  }
  await Promise.all(Array.from({ length: atOnce }, go))
}

/** Waits for the end of each, and writes it down; says how many have none. */
const lookAtEnds = async (
  { note }: System,
  troupeOf: TroupeOf,
  tasks: ReadonlyArray<string>,
  waitMs: number
) => {
  let without = 0
  const until = performance.now() + waitMs
  await each(tasks, async (task) => {
    const leftMs = Math.max(1, Math.round(until - performance.now()))
    try {
      const { attempt, process } = (await troupeOf(task).result(task, { timeout: leftMs })) as Output
      note({ op: "end", task, state: "succeeded", attempt, process })
    } catch (thrown) {
      if (thrown instanceof TaskFailed)
        note({ op: "end", task, state: thrown.state, error: thrown.error.type })
      else if (noEnds.some((noEnd) => thrown instanceof noEnd)) without += 1
      else throw thrown
    }
  })
  return without
}

const lookAtStreams = async (
  { note }: System,
  troupeOf: TroupeOf,
  tasks: ReadonlyArray<string>,
  waitMs: number
) =>
  each(tasks.slice(0, streamsMax), async (task) => {
    const events: Array<string> = []
    const read = async () => {
      for await (const event of troupeOf(task).events(task))
        if (event.type === "chunk") events.push(`${event.attempt} ${String(event.chunk)}`)
    }
    const isRead = await Promise.race([read().then(() => true), Bun.sleep(waitMs).then(() => false)])
    if (isRead) note({ op: "stream", task, events })
  })

/** The agents that were spoken to, and their ledgers, which have to be told first. */
const lookAtAgents = async (
  { note }: System,
  troupeOf: TroupeOf,
  keys: ReadonlyArray<string>,
  waitMs: number
) =>
  each(keys, async (key) => {
    const read = async (name: string): Promise<ReadonlyArray<string>> => {
      const agent = troupeOf(key).agent(name, key)
      // One whose message its workers took with them is in quarantine, as it should be.
      const { status } = await agent.read()
      if (status === "quarantined") await agent.resume()
      return (await agent.ask("read", undefined, { timeout: waitMs })) as ReadonlyArray<string>
    }
    const own = await read("chaos.cart").catch(() => undefined)
    if (own === undefined) return
    let entries: ReadonlyArray<string> = []
    const until = performance.now() + waitMs
    while (performance.now() < until) {
      entries = await read("chaos.ledger").catch(() => [])
      if (entries.length >= own.length) break
      await Bun.sleep(100)
    }
    note({ op: "memory", agent: key, labels: own })
    note({ op: "memory", agent: `ledger of ${key}`, of: key, labels: entries })
    for (const name of ["chaos.cart", "chaos.ledger"])
      await troupeOf(key)
        .agent(name, key)
        .stop()
        .catch(() => {})
  })

const unique = <A>(values: Iterable<A>) => [...new Set(values)]

/** Looks at everything that a history speaks of, and waits for it for so long. Nothing is submitted any more. */
export const lookAtAll = async (
  system: System,
  troupeFor: (tenant: string) => Troupe,
  history: () => ReadonlyArray<HistoryEvent>,
  waitMs: number
) => {
  const tasksIn = (events: ReadonlyArray<HistoryEvent>) =>
    unique(
      events.flatMap((event) =>
        (event.op === "run" || event.op === "submit") && event.task !== undefined ? [event.task] : []
      )
    )
  const tenants = new Map<string, string>()
  const troupeOf: TroupeOf = (thing) => troupeFor(tenants.get(thing) ?? "default")
  const learn = (events: ReadonlyArray<HistoryEvent>) => {
    for (const event of events) {
      if (event.tenant === undefined) continue
      if ((event.op === "run" || event.op === "submit") && event.task !== undefined)
        tenants.set(event.task, event.tenant)
      if (event.op === "submit" && event.terms?.agent !== undefined)
        tenants.set(event.terms.agent, event.tenant)
    }
  }
  let tasks: ReadonlyArray<string> = []
  let without = 0
  // What ran has submitted more.
  for (let looks = 0; looks < 5; looks++) {
    const events = history()
    learn(events)
    const now = tasksIn(events)
    if (now.length === tasks.length) break
    const known = new Set(tasks)
    without += await lookAtEnds(
      system,
      troupeOf,
      now.filter((task) => !known.has(task)),
      waitMs
    )
    tasks = now
  }
  const events = history()
  const streamed = unique(events.flatMap((event) => (event.op === "emit" ? [event.task] : [])))
  await lookAtStreams(system, troupeOf, streamed, waitMs)
  const agents = unique(
    events.flatMap((event) =>
      event.op === "submit" && event.terms?.agent !== undefined ? [event.terms.agent] : []
    )
  )
  await lookAtAgents(system, troupeOf, agents, waitMs)
  // Once more: an end never changes.
  await lookAtEnds(system, troupeOf, tasks, without === 0 ? waitMs : againMaxMs)
  return { tasks: tasks.length, without }
}

/** Names of keys without what differs from process to process, and from minute to minute. */
const normal = (key: string) => key.replace(/(held|orders|reply):.*$/, "$1").replace(/stat:\d+$/, "stat")

/** The keys that are there, and how large the data set is. */
export const lookAtKeys = async ({ note, server }: System, phase: "before" | "after") => {
  const keys: Array<string> = []
  let cursor = "0"
  do {
    const [next, some] = await server.client.scan(cursor, "COUNT", 10_000)
    keys.push(...some)
    cursor = next
  } while (cursor !== "0")
  const stats = (await server.client.call("MEMORY", "STATS")) as ReadonlyArray<unknown>
  const bytes = Number(stats[stats.indexOf("dataset.bytes") + 1])
  note({ op: "keys", phase, keys: unique(keys.map(normal)), bytes })
  return keys.length
}

/**
 * How far the clock is set forward for everything to be past its time, and again for what was counted since; and how long
 * it is waited for to go, in milliseconds.
 */
const pastAllMs = 400 * 24 * 3_600_000
const againMs = 3 * 3_600_000
const lookEveryMs = 1_000
const looksMax = 45
const looksPerJump = 6

/** Lets the time pass after which nothing is kept, and looks at what is left. */
export const lookAtRest = async (system: System, isBaseline: () => boolean) => {
  for (let looks = 0; looks < looksMax; looks++) {
    if (looks % looksPerJump === 0) system.server.jump(looks === 0 ? pastAllMs : againMs)
    await Bun.sleep(lookEveryMs)
    await lookAtKeys(system, "after")
    if (isBaseline()) return
  }
}
