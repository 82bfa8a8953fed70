/** Agents in Redis: reads in one pipeline, and two scripts, whose arguments only this file knows. */
import { Duration, Effect, Layer } from "effect"
import { Agents, agentsPageMax, type AgentStanding, type StoredAgent } from "../agents.ts"
import { Settings } from "../config.ts"
import { agentBoxKey } from "../mailbox.ts"
import { answersOf } from "./pipeline.ts"
import { during, Scripted } from "./scripted.ts"

const timerField = "timer:"

interface Fields {
  readonly revision?: string
  readonly state?: string
  readonly version?: string
  readonly at?: string
  readonly quarantined?: string
  readonly failures?: string
}

const storedOf = (fields: Fields): StoredAgent => ({
  revision: fields.revision ?? "0",
  state: fields.state === undefined ? undefined : { json: fields.state, version: Number(fields.version) },
  timers: new Map(
    Object.entries(fields as Readonly<Record<string, string>>)
      .filter(([field]) => field.startsWith(timerField))
      .map(([field, ulid]) => [field.slice(timerField.length), ulid])
  )
})

const quarantineOf = (text: string | undefined): AgentStanding["quarantined"] => {
  const [at, ulid = ""] = text?.split(" ") ?? []
  return at === undefined ? undefined : { at: Number(at), ...(ulid !== "" && { ulid }) }
}

const standingFields = ["revision", "version", "at", "quarantined", "failures"] as const

const standingOf = (
  fields: Fields,
  waiting: number,
  taken: ReadonlyArray<string>
): AgentStanding | undefined =>
  Object.keys(fields).length === 0 && waiting === 0 && taken.length === 0
    ? undefined
    : {
        revision: fields.revision ?? "0",
        version: fields.version === undefined ? undefined : Number(fields.version),
        at: fields.at === undefined ? undefined : Number(fields.at),
        quarantined: quarantineOf(fields.quarantined),
        failures: Number(fields.failures ?? 0),
        waiting,
        taken
      }

const make = Effect.gen(function* () {
  const { call, keysOf, run } = yield* Scripted
  const retentionMs = Duration.toMillis((yield* Settings).retention)

  const load: Agents["Service"]["load"] = (partition, agents) =>
    call(partition, async (client) => {
      const pipeline = client.pipeline()
      for (const agent of agents) pipeline.hgetall(keysOf(partition).agent(agent))
      return answersOf<Fields>(await pipeline.exec()).map(storedOf)
    }).pipe(during("Agents.load"))

  const read: Agents["Service"]["read"] = (partition, agent, box) =>
    call(partition, async (client) => {
      const keys = keysOf(partition)
      const pipeline = client
        .pipeline()
        .hgetall(keys.agent(agent))
        .llen(keys.box(box))
        .zrangebyscore(keys.taken(box), 0, "+inf")
      const [fields, waiting, taken] = answersOf(await pipeline.exec()) as unknown as [
        Fields,
        number,
        Array<string>
      ]
      const found = standingOf(fields, waiting, taken)
      return found && { ...storedOf(fields), ...found }
    }).pipe(during("Agents.read"))

  const survey: Agents["Service"]["survey"] = (partition, agents) =>
    call(partition, async (client) => {
      const keys = keysOf(partition)
      const pipeline = client.pipeline()
      for (const { agent, box } of agents)
        pipeline
          .hmget(keys.agent(agent), ...standingFields)
          .llen(keys.box(box))
          .zrangebyscore(keys.taken(box), 0, "+inf")
      const answers = answersOf<unknown>(await pipeline.exec())
      return agents.map((_, at) => {
        const [values, waiting, taken] = answers.slice(3 * at) as [
          Array<string | null>,
          number,
          Array<string>
        ]
        const fields = standingFields.flatMap((field, k) => (values[k] === null ? [] : [[field, values[k]]]))
        return standingOf(Object.fromEntries(fields) as Fields, waiting, taken)
      })
    }).pipe(during("Agents.survey"))

  const list: Agents["Service"]["list"] = (partition, { after, limit, prefix }) =>
    call(partition, async (client) => {
      const keys = keysOf(partition)
      const from = after !== undefined && after >= prefix ? `(${after}` : `[${prefix}`
      // No character's bytes go as far.
      const to = prefix === "" ? "+" : Buffer.concat([Buffer.from(`[${prefix}`), Buffer.of(0xff)])
      const agents = await client.zrangebylex(
        keys.agents,
        from,
        to,
        "LIMIT",
        0,
        Math.min(limit, agentsPageMax)
      )
      if (agents.length === 0) return []
      const paused = await client.smismember(keys.pausedKeys, ...agents.map(agentBoxKey))
      return agents.map((agent, at) => ({ agent, quarantined: paused[at] === 1 }))
    }).pipe(during("Agents.list"))

  return Agents.of({
    load,
    read,
    survey,
    list,
    resume: (partition, agent, { box, reset }) =>
      run<0 | 1>("agent-resume", partition, [agent, box, reset ? 1 : 0, retentionMs]).pipe(
        Effect.map((known) => known === 1),
        during("Agents.resume")
      ),
    stop: (partition, agent, { box, reason }) => {
      const error = JSON.stringify({ type: "AgentStopped", message: reason })
      return run<[cancelled: number, left: 0 | 1]>("agent-stop", partition, [
        agent,
        box,
        error,
        retentionMs
      ]).pipe(
        Effect.map(([cancelled, left]) => ({ cancelled, left: left === 1 })),
        during("Agents.stop")
      )
    }
  })
})

/** Agents in the Redis that `Scripted` reaches. */
export const layer = Layer.effect(Agents, make)
