/**
 * A system to be hurt: a worker or a submitter as a process of its own, which reaches Redis through a proxy; and the
 * test itself, which submits, watches, takes over what a dead worker leaves, and checks the history in the end.
 */
import { Duration } from "effect"
import { Redis } from "ioredis"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import {
  connect,
  type Named,
  ResultTimeout,
  TaskFailed,
  TaskNotFound,
  TroupeClosed
} from "../../api/client/index.ts"
import type { HistoryEvent, Violation } from "../support/history.ts"
import { violationsIn } from "../support/history-check.ts"
import { note, readHistory } from "../support/history-file.ts"
import { eventually } from "../support/node.ts"
import { type Harm, type Place, type ProxyOptions, startProxy } from "../support/proxy.ts"
import { aNamespace, redisUrl } from "../support/redis.ts"
import { addressOf } from "../support/server.ts"
import { bundled, startVictim, type Victim } from "../support/victim.ts"
import type { Planned } from "./programs/submitter.ts"
import { all, type Output, queues } from "./programs/workload.ts"

/** The shortest there is: what a dead worker held waits for so long. */
export const lease = Duration.seconds(1)

/** How long a task may take on a machine that has much else to do. */
const patience = Duration.seconds(30)

/** How long a test may take, waiting for its turn included. */
export const testMaxMs = 170_000

/** Lets so many go on at once. */
export const atMost = (count: number) => {
  let free = count
  const waiting: Array<() => void> = []
  return async <A>(body: () => Promise<A>): Promise<A> => {
    if (free === 0) {
      const turn = Promise.withResolvers<void>()
      waiting.push(turn.resolve)
      await turn.promise
    } else free -= 1
    try {
      return await body()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}

/** What a worker is given to do: something of everything that leads to a script of its own. */
export const workload: ReadonlyArray<Extract<Planned, { readonly op: "submit" }>> = [
  { op: "submit", label: "steps", name: "crash.steps" },
  { op: "submit", label: "parent", name: "crash.parent", terms: { runs: 3 } },
  { op: "submit", label: "flaky", name: "crash.flaky", terms: { runs: 2 } },
  { op: "submit", label: "failing", name: "crash.failing", terms: { runs: 2, state: "failed" } },
  { op: "submit", label: "first", name: "crash.steps", options: { key: "k" }, terms: { key: "k" } },
  { op: "submit", label: "second", name: "crash.steps", options: { key: "k" }, terms: { key: "k" } },
  { op: "submit", label: "limited", name: "crash.limited" },
  { op: "submit", label: "limited too", name: "crash.limited" }
]

const noEnds = [ResultTimeout, TaskNotFound, TroupeClosed]

/** Keys of what lives: when everything has ended, none of them is left. */
const ofTheLiving =
  /^(lane|held|box|taken|ready|steps|children|awaited):|^(running|later|boxes|waiting|suspects|ties|outbox|live|watched)$/

export const aScene = async (options: ProxyOptions = {}) => {
  const folder = mkdtempSync(`${tmpdir()}/troupe-crash-`)
  const namespace = aNamespace()
  const proxy = await startProxy(redisUrl, options)
  const redis = new Redis(addressOf(redisUrl))
  const troupe = await connect({ redisUrl, namespace, handlers: all, settings: { lease, log: "None" } })
  const victims: Array<Victim> = []
  const env = {
    REDIS_URL: proxy.url,
    TROUPE_NAMESPACE: namespace,
    TROUPE_LEASE: `${Duration.toMillis(lease)} millis`,
    TROUPE_LOG: "none"
  }
  const programs = {
    worker: await bundled(`${import.meta.dir}/programs/worker.ts`),
    submitter: await bundled(`${import.meta.dir}/programs/submitter.ts`),
    troupe: await bundled(`${import.meta.dir}/programs/troupe.ts`)
  }
  const start = (
    program: keyof typeof programs,
    args: ReadonlyArray<string> = [],
    over: Readonly<Record<string, string>> = {}
  ) => {
    const victim = startVictim({ program: programs[program], args, env: { ...env, ...over } })
    victims.push(victim)
    return victim
  }

  /** What lives in Redis, by its key. */
  const alive = async () =>
    (await redis.keys(`${namespace}:*`))
      .map((key) => key.slice(key.indexOf("}:") + 2))
      .filter((key) => ofTheLiving.test(key))

  /** One history. */
  const round = (name: string) => {
    const file = `${folder}/${name.replaceAll(/[^a-z]+/gi, "-")}`
    const watches = new Map<string, Promise<void>>()

    /** How a task ends, or had ended. */
    const look = async (task: string) => {
      try {
        const { attempt, process } = (await troupe.result(task, { timeout: patience })) as Output
        note(file, { op: "end", task, state: "succeeded", attempt, process })
      } catch (thrown) {
        if (thrown instanceof TaskFailed)
          note(file, { op: "end", task, state: thrown.state, error: thrown.error.type })
        // Nobody saw its end, which is what the history then says.
        else if (!noEnds.some((noEnd) => thrown instanceof noEnd)) throw thrown
      }
    }
    const watch = (task: string) => {
      if (!watches.has(task)) watches.set(task, look(task))
    }

    /** Where a stubborn task waits. */
    const gate = `${file}-gate`

    const submit = async ({ input, label, message, name, options, terms }: (typeof workload)[number]) => {
      note(file, { op: "submit", label, phase: "invoke", ...(terms === undefined ? {} : { terms }) })
      const given = { file, label, ...input }
      const said = message === undefined ? given : { message, input: given }
      const { id } = await troupe.submit(name as Named, said, options)
      note(file, { op: "submit", label, phase: "ok", task: id })
      watch(id)
      return id
    }

    const tasks = () => [
      ...new Set(
        readHistory(file).flatMap((event) =>
          (event.op === "run" || event.op === "submit") && event.task !== undefined ? [event.task] : []
        )
      )
    ]
    /** Everything that was submitted, and what that has submitted. */
    const ended = async () => {
      for (let known: ReadonlyArray<string> = []; known.length < tasks().length;) {
        known = tasks()
        for (const task of known) watch(task)
        await Promise.all(watches.values())
      }
    }

    const readStream = async (task: string) => {
      const events: Array<string> = []
      for await (const event of troupe.events(task))
        if (event.type === "chunk") events.push(`${event.attempt} ${String(event.chunk)}`)
      note(file, { op: "stream", task, events })
    }

    return {
      gate,
      openGate: (name?: string) => writeFileSync(name === undefined ? gate : `${gate}-${name}`, ""),
      history: (): ReadonlyArray<HistoryEvent> => readHistory(file),
      submit,
      submitAll: async (plan: typeof workload) => {
        for (const one of plan) await submit(one)
      },
      submitter: (plan: ReadonlyArray<Planned>) => start("submitter", [file, JSON.stringify(plan)]),
      ended,
      /** A process's own end. */
      end: (victim: Victim) => inTime("its end", Promise.race([victim.exited, victim.failed])),
      /** Stops a process in its tracks. */
      pause: async (victim: Victim) => {
        await victim.pause()
        note(file, { op: "paused", process: String(victim.pid) })
      },
      /** The calls that were not answered in the end. */
      unanswered: (plan: ReadonlyArray<Planned>) =>
        plan
          .filter(
            ({ label, op }) =>
              !readHistory(file).some(
                (event) =>
                  event.op === op && event.label === label && (event.phase === "ok" || event.phase === "fail")
              )
          )
          .map(({ label }) => label),
      cancel: async (label: string, task: string) => {
        note(file, { op: "cancel", label, phase: "invoke", task })
        await troupe.cancel(task)
        note(file, { op: "cancel", label, phase: "ok", task })
      },
      /** Hits a process at a place, and writes that down. */
      hurt: (place: Place, kind: Harm["kind"], victim: () => Victim, holdMs = 0) => {
        const kill = () => {
          victim().kill()
          note(file, { op: "killed", process: String(victim().pid) })
        }
        const harm: Harm =
          kind === "kill before" || kind === "kill after"
            ? { kind, kill }
            : kind === "hold"
              ? { kind, ms: holdMs }
              : { kind }
        const { over, struck } = proxy.harm(place, harm)
        const noted = struck.then(() => {
          const process = String(victim().pid)
          if (kind === "drop") note(file, { op: "cut", process })
          else if (kind === "hold" || kind === "late") note(file, { op: "paused", process })
        })
        return {
          struck: () => inTime("the place to be reached", Promise.race([noted, victim().failed])),
          over: () => inTime("what was held to be let go", over)
        }
      },
      /** Waits until nothing lives any more, looks at everything once more, and says what is wrong. */
      violations: async (): Promise<ReadonlyArray<Violation>> => {
        await ended()
        let left: ReadonlyArray<string> = []
        await eventually("nothing to live any more", async () => {
          left = await alive()
          return left.length === 0 ? true : undefined
        }).catch((error: Error) => {
          throw new Error(`${error.message}: ${left.join(", ")}`)
        })
        await ended()
        for (const task of tasks()) await look(task)
        const emitted = readHistory(file).flatMap((event) => (event.op === "emit" ? [event.task] : []))
        await Promise.all([...new Set(emitted)].map(readStream))
        return violationsIn(readHistory(file))
      }
    }
  }

  return {
    proxy,
    troupe,
    round,
    worker: () => start("worker"),
    /** `troupe worker` as it is installed, with a lease of 15 seconds. */
    troupeWorker: (served: string, settings: Readonly<Record<string, string>>) =>
      start("troupe", ["worker", "--queues", served], { TROUPE_LEASE: "15 seconds", ...settings }),
    /** A worker in this process. */
    survivor: () => troupe.work({ queues }),
    [Symbol.asyncDispose]: async () => {
      for (const victim of victims) victim.kill()
      await Promise.all(victims.map(({ exited }) => exited))
      await troupe.close()
      redis.disconnect()
      proxy.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

export type Scene = Awaited<ReturnType<typeof aScene>>

/** Rejects when what should happen has not for a long time. */
const inTime = async <A>(what: string, happening: Promise<A>): Promise<A> => {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => reject(new Error(`waited ${Duration.format(patience)} in vain for ${what}`)),
    Duration.toMillis(patience)
  )
  try {
    return await Promise.race([happening, promise])
  } finally {
    clearTimeout(timer)
  }
}
