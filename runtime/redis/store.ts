/**
 * The store in Redis: every method is one script, or one command that only reads.
 *
 * This file alone knows the order of the scripts' arguments and the shapes of their replies.
 */
import { Duration, Effect, Layer, Queue } from "effect"
import { Settings } from "../config.ts"
import type { PartitionKeys } from "../keys.ts"
import {
  AgentQuarantined,
  bellWaitMaxMs,
  type Claim,
  clockJumpMs,
  crashesMax,
  crashesSuspect,
  type EventKind,
  eventsMax,
  Fenced,
  type Found,
  type Hint,
  isPlain,
  type Message,
  type News,
  type NewTask,
  type Order,
  QueueFull,
  Store,
  StoreError,
  StoreFull,
  streamIdleMs,
  type TimerChange,
  type TurnReply
} from "../store.ts"
import { lanes, type Partition, partitionOfId, type TaskId, ulidLength, ulidOfId } from "../task.ts"
import { callMaxMs, openLink, type RedisError } from "./link.ts"
import { during, Scripted } from "./scripted.ts"

/** How often an inbox makes sure that its connection is alive. */
const inboxProbe = Duration.seconds(5)

type TurnScriptReply = [
  now: number,
  nextDue: number,
  lost: Array<string>,
  claimed: Array<string>,
  held: Array<string>,
  rings: Array<string | number>,
  /** For each ring of the permits: where its claims begin, and how many they are. */
  fromRings: Array<number>,
  outbox: 0 | 1,
  agents: Array<string>
]

/** A list of claims as the turn's script gives it: entry, record, entry, record, … */
const claimsOf = (
  flat: ReadonlyArray<string>,
  rings: ReadonlyArray<string>,
  fromRings: ReadonlyArray<number>
): ReadonlyArray<Claim> => {
  const claims: Array<Claim> = []
  for (let at = 0; at < flat.length; at += 2) claims.push({ entry: flat[at]!, record: flat[at + 1]! })
  for (const [index, ring] of rings.entries()) {
    const first = fromRings[2 * index]!
    for (let at = first; at < first + fromRings[2 * index + 1]!; at++) claims[at] = { ...claims[at]!, ring }
  }
  return claims
}

const pairsOf = (flat: ReadonlyArray<string | number>): ReadonlyArray<readonly [string, number]> => {
  const pairs: Array<readonly [string, number]> = []
  for (let at = 0; at < flat.length; at += 2) pairs.push([String(flat[at]), Number(flat[at + 1])])
  return pairs
}

/** Any other task, as the scripts that store tasks are given it. */
export const otherOf = (task: NewTask): ReadonlyArray<string | number> => [
  task.entry,
  task.record,
  task.due === undefined ? "" : "at" in task.due ? task.due.at : `+${task.due.afterMs}`,
  task.box?.name ?? "",
  task.box?.limit ?? "",
  task.box?.ordered === true ? "o" : "",
  task.parent ?? "",
  task.expiresAt ?? "",
  task.deadlineAt ?? ""
]

const bounds = { d: "maxDepth", a: "maxAgeMs", k: "maxKeyDepth" } as const

/** What refuses a submit, as the scripts that store tasks say it: a letter, and the bound or the agent. */
export const refusalOf = (partition: Partition, [letter, detail]: readonly [string, string]) =>
  letter === "q"
    ? new AgentQuarantined({ agent: detail })
    : new QueueFull({ partition, bound: bounds[letter as keyof typeof bounds], limit: Number(detail) })

/** A message of the outbox as it is read. */
const messageOf = (line: string): Message => {
  const [kind, first = ""] = line.split(" ", 2)
  const rest = line.slice(kind!.length + first.length + 2)
  switch (kind) {
    case "ended":
      return { kind, child: first as TaskId, parent: rest as TaskId }
    case "submit":
      return { kind, partition: first, task: JSON.parse(rest) as NewTask }
    case undefined:
    default:
      return { kind: "cancel", task: first as TaskId }
  }
}

/** A message of the outbox as it lies there. */
export const lineOf = (message: Message): string => {
  switch (message.kind) {
    case "ended":
      return `ended ${message.child} ${message.parent}`
    case "submit":
      return `submit ${message.partition} ${JSON.stringify(message.task)}`
    case "cancel":
      return `cancel ${message.task}`
  }
}

/** A line of a hint: an id, and its record if that came along. */
const newsOf = (line: string): News => ({
  ulid: line.slice(0, ulidLength),
  record: line.length > ulidLength ? line.slice(ulidLength) : undefined
})

const foundOf = (
  reply: null | readonly [record: string, place: string, detail?: string, note?: string]
): Found | undefined => {
  if (reply === null) return undefined
  const [record, place, detail = "", note = ""] = reply
  switch (place) {
    case "later":
      return { record, place: { kind: "later", due: Number(detail) } }
    case "held":
      return { record, place: { kind: "held", worker: detail, note: note === "" ? undefined : note } }
    case "ended":
    case "waiting":
      return { record, place: { kind: place } }
    default:
      return { record, place: { kind: "lane" } }
  }
}

/** A change of a timer, a line as the turn's script reads it. */
const timerLine = (change: TimerChange): string => {
  switch (change.kind) {
    case "set":
      return `+${change.ulid} ${change.name}`
    case "clear":
      return `-${change.name}`
    case "fired":
      return `=${change.name}`
  }
}

/** What a script, once reached, did not do because Redis is at its `maxmemory`. */
export const isFull = (error: RedisError) => /^OOM\b|-OOM\b/.test(error.message)

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const { address, call, keysOf, run } = yield* Scripted
  const retentionMs = Duration.toMillis(settings.retention)
  const streamMs = Math.max(retentionMs, streamIdleMs)

  const submit: Store["Service"]["submit"] = Effect.fnUntraced(function* (partition, tasks, options) {
    const plain: Array<string | number> = []
    const others: Array<string | number> = []
    for (const task of tasks) {
      if (isPlain(task)) plain.push(task.entry, task.record)
      else others.push(...otherOf(task))
    }
    const count = plain.length / 2
    const [script, args] =
      others.length === 0 && options === undefined
        ? (["task-submit", [count, ...plain]] as const)
        : (["task-place", [options === undefined ? 0 : 1, count, ...plain, ...others]] as const)
    const reply = yield* run<number | [string, string]>(script, partition, args).pipe(
      Effect.mapError((error) =>
        isFull(error) ? new StoreFull() : new StoreError({ operation: "Store.submit", cause: error.cause })
      )
    )
    if (typeof reply !== "number") return yield* refusalOf(partition, reply)
  })

  const turn: Store["Service"]["turn"] = Effect.fnUntraced(function* (partition, turn) {
    const ended: Array<string | number> = []
    const retried: Array<string | number> = []
    const waiting: Array<string | number> = []
    const released: Array<string | number> = []
    const acts: Array<string | number> = []
    const sent: Array<string | number> = []
    for (const settlement of turn.settled) {
      const { entry } = settlement
      if (settlement.kind === "end") {
        ended.push(entry, settlement.record)
        if (settlement.act === undefined) continue
        const { agent, base, state, timers } = settlement.act
        acts.push(
          entry,
          agent,
          base,
          state?.json ?? "",
          state?.version ?? 0,
          timers.map(timerLine).join("\n")
        )
        for (const message of settlement.act.sent) sent.push(entry, lineOf(message))
      } else if (settlement.kind === "retry") retried.push(entry, settlement.delayMs, settlement.record)
      else if (settlement.kind === "wait")
        waiting.push(entry, settlement.record, settlement.children.join(" "))
      else released.push(entry)
    }
    const reply = yield* run<-1 | TurnScriptReply>(
      "worker-turn",
      partition,
      [
        turn.worker,
        turn.leaseMs,
        turn.want,
        turn.expectedNow,
        turn.join ? 1 : 0,
        turn.again ? 1 : 0,
        retentionMs,
        crashesSuspect,
        crashesMax,
        clockJumpMs,
        turn.share.some((count) => count > 0) ? turn.share.join(" ") : "",
        turn.suspect ? 1 : 0,
        turn.about ?? "",
        ended.length / 2,
        retried.length / 3,
        waiting.length / 3,
        released.length,
        turn.notes.length,
        turn.noted.length,
        turn.streamed.length,
        turn.hints.length,
        turn.permits.length,
        turn.deferred.length,
        acts.length / 6,
        sent.length / 2
      ].concat(
        ended as Array<never>,
        retried as Array<never>,
        waiting as Array<never>,
        released as Array<never>,
        turn.notes.flat() as Array<never>,
        turn.noted as Array<never>,
        turn.streamed as Array<never>,
        turn.hints.flatMap(([channel, entries]) => [channel, entries.join(" ")]) as Array<never>,
        turn.permits.flat() as Array<never>,
        turn.deferred.flat() as Array<never>,
        acts as Array<never>,
        sent as Array<never>
      )
    ).pipe(during("Store.turn"))
    if (reply === -1) return yield* new Fenced({ worker: turn.worker })
    const [now, nextDue, lost, claimed, held, rings, fromRings, outbox, agents] = reply
    return {
      now,
      nextDue: nextDue < 0 ? undefined : nextDue,
      lost,
      claimed: claimsOf(
        claimed,
        turn.permits.map(([ring]) => ring),
        fromRings
      ),
      rings: pairsOf(rings),
      outbox: outbox === 1,
      agents: agents.flatMap((agent, at) => (at % 2 === 0 ? [[agent, agents[at + 1]!] as const] : [])),
      held
    } satisfies TurnReply
  })

  const cancel: Store["Service"]["cancel"] = Effect.fnUntraced(function* (partition, ulid, reason) {
    const error = JSON.stringify({ type: "Cancelled", message: reason })
    const reply = yield* run<0 | string | Array<string>>("task-cancel", partition, [
      ulid,
      error,
      retentionMs
    ]).pipe(during("Store.cancel"))
    if (reply === 0) return { kind: "missing" } as const
    return typeof reply === "string"
      ? ({ kind: "ended", record: reply } as const)
      : ({ kind: "cancelled", children: reply as Array<TaskId> } as const)
  })

  const orders: Store["Service"]["orders"] = Effect.fnUntraced(function* (worker, partitions) {
    const heard = yield* Queue.unbounded<Order>()
    const channels = new Map(partitions.map((partition) => [keysOf(partition).orders(worker), partition]))
    yield* openLink({
      name: "troupe-orders",
      address,
      onConnect: async (client, first) => {
        client.on("smessage", (channel: string, message: string) => {
          const partition = channels.get(channel)!
          const [kind, entry] = message.split(" ")
          Queue.offerUnsafe(heard, kind === "stop" ? { kind, partition, entry: entry! } : { kind: "drain" })
        })
        for (const channel of channels.keys()) await client.ssubscribe(channel)
        if (!first) Queue.offerUnsafe(heard, { kind: "all" })
      }
    }).pipe(
      Effect.tap((listener) =>
        // A connection that only listens would never notice that nobody speaks at its other end any more.
        listener
          .call((client) => client.ping())
          .pipe(Effect.ignore, Effect.delay(inboxProbe), Effect.forever, Effect.forkScoped)
      ),
      Effect.mapError((cause) => new StoreError({ operation: "Store.orders", cause }))
    )
    return { next: Queue.take(heard) }
  })

  const childEnded: Store["Service"]["childEnded"] = (parent, child) =>
    Effect.asVoid(run("child-ended", partitionOfId(parent), [ulidOfId(parent), child])).pipe(
      during("Store.childEnded")
    )

  const outbox: Store["Service"]["outbox"] = (partition, most) =>
    call((client) => client.lrange(keysOf(partition).outbox, 0, most - 1)).pipe(
      Effect.map((lines) => lines.map(messageOf)),
      during("Store.outbox")
    )

  const drop: Store["Service"]["drop"] = (partition, messages) =>
    messages.length === 0
      ? Effect.void
      : call(async (client) => {
          const pipeline = client.pipeline()
          for (const message of messages) pipeline.lrem(keysOf(partition).outbox, 1, lineOf(message))
          await pipeline.exec()
        }).pipe(Effect.asVoid, during("Store.drop"))

  const read: Store["Service"]["read"] = (partition, ulids) =>
    ulids.length === 0
      ? Effect.succeed([])
      : run<Array<Parameters<typeof foundOf>[0]>>("task-read", partition, ulids).pipe(
          Effect.map((replies) => replies.map(foundOf)),
          during("Store.read")
        )

  const ended: Store["Service"]["ended"] = (partition, ulids, options) =>
    ulids.length === 0
      ? Effect.succeed([])
      : run<Array<string | 1 | null>>("task-ended", partition, [options?.watch ?? "", ...ulids]).pipe(
          Effect.map((replies) => replies.map((reply) => (reply === 1 ? true : (reply ?? undefined)))),
          during("Store.ended")
        )

  const append: Store["Service"]["append"] = (partition, worker, events) =>
    events.length === 0
      ? Effect.succeed([])
      : run<Array<string>>("event-append", partition, [
          worker,
          eventsMax,
          streamMs,
          ...events.flatMap(({ data, entry, kind, seq }) => [entry, seq, kind, data])
        ]).pipe(during("Store.append"))

  const events: Store["Service"]["events"] = (id, after, limit) =>
    call((client) =>
      client.xrange(
        keysOf(partitionOfId(id)).events(ulidOfId(id)),
        after.run === 0 ? "-" : `(${after.run}-${after.seq}`,
        "+",
        "COUNT",
        limit
      )
    ).pipe(
      Effect.map((entries) =>
        entries.map(([position, [kind, data]]) => {
          const [run, seq] = position.split("-")
          return { run: Number(run), seq: Number(seq), kind: kind as EventKind, data: data! }
        })
      ),
      during("Store.events")
    )

  const inbox: Store["Service"]["inbox"] = Effect.gen(function* () {
    const name = crypto.randomUUID()
    const hints = yield* Queue.unbounded<Hint>()
    const channels = new Map<string, Partition>()
    const tuned = new Set<string>()
    const listener = yield* openLink({
      name: "troupe-inbox",
      address,
      onConnect: async (client, first) => {
        client.on("smessage", (channel: string, message: string) => {
          Queue.offerUnsafe(hints, {
            partition: channels.get(channel)!,
            news: message.split("\n").map(newsOf)
          })
        })
        if (channels.size > 0) await client.ssubscribe(...channels.keys())
        // What was told while nobody listened is lost: everything waited for is read again.
        if (!first) Queue.offerUnsafe(hints, "all")
      }
    })
    const tune = Effect.fnUntraced(function* (partition: Partition) {
      const channel = keysOf(partition).reply(name)
      if (tuned.has(channel)) return
      // From here on a fresh connection subscribes to it by itself.
      channels.set(channel, partition)
      yield* listener.call((client) => client.ssubscribe(channel))
      tuned.add(channel)
    }, during("Store.inbox"))
    // A connection that only listens would never notice that nobody speaks at its other end any more.
    yield* listener
      .call((client) => client.ping())
      .pipe(Effect.ignore, Effect.delay(inboxProbe), Effect.forever, Effect.forkScoped)
    return { name, next: Queue.take(hints), tune }
  }).pipe(Effect.mapError((cause) => new StoreError({ operation: "Store.inbox", cause })))

  const bell: Store["Service"]["bell"] = Effect.fnUntraced(function* (partitions) {
    const listener = yield* openLink({ name: "troupe-bell", address }).pipe(
      Effect.mapError((cause) => new StoreError({ operation: "Store.bell", cause }))
    )
    const bells = partitions.map((partition) => keysOf(partition).bell)
    const wait = (maxMs: number) => {
      // Redis reads 0 as for ever, and rounds down to the millisecond.
      const seconds = Math.min(Math.max(maxMs, 1), bellWaitMaxMs) / 1_000
      return listener
        .call((client) => client.call("blpop", ...bells, String(seconds)), callMaxMs + bellWaitMaxMs)
        .pipe(Effect.asVoid, during("Store.bell"))
    }
    return { wait }
  })

  /** How many entries wait in boxes: those of some boxes at a time. */
  const boxedIn = Effect.fnUntraced(function* (keys: PartitionKeys) {
    let cursor = "0"
    let count = 0
    do {
      const [next, fields] = yield* call((client) => client.hscan(keys.boxes, cursor, "COUNT", 500))
      const names = fields.filter((_, at) => at % 2 === 0)
      const lengths = yield* call(async (client) => {
        const pipeline = client.pipeline()
        for (const name of names) pipeline.llen(keys.box(name))
        return (await pipeline.exec()) ?? []
      })
      for (const [, length] of lengths) count += Number(length)
      cursor = next
    } while (cursor !== "0")
    return count
  })

  const depth: Store["Service"]["depth"] = Effect.fnUntraced(function* (partition) {
    const keys = keysOf(partition)
    const workers = yield* call((client) => client.zrange(keys.workers, 0, "-1"))
    const counts = yield* call(async (client) => {
      const pipeline = client.pipeline()
      for (const lane of lanes) pipeline.llen(keys.lane(lane))
      pipeline.zcard(keys.later).zcard(keys.dead)
      pipeline.hlen(keys.waiting).llen(keys.suspects)
      for (const worker of workers) pipeline.scard(keys.held(worker))
      return ((await pipeline.exec()) ?? []).map(([error, count]) => {
        if (error !== null) throw error
        return Number(count)
      })
    })
    const [
      urgent = 0,
      high = 0,
      normal = 0,
      low = 0,
      later = 0,
      dead = 0,
      waiting = 0,
      suspects = 0,
      ...held
    ] = counts
    return {
      lanes: { urgent, high, normal, low },
      boxed: (yield* boxedIn(keys)) + suspects,
      waiting,
      later,
      dead,
      held: held.reduce((sum, count) => sum + count, 0)
    }
  }, during("Store.depth"))

  return Store.of({
    submit,
    turn,
    cancel,
    orders,
    childEnded,
    outbox,
    drop,
    renew: (partition, worker, leaseMs) =>
      run<0 | 1>("worker-renew", partition, [worker, leaseMs]).pipe(
        Effect.map((renewed) => renewed === 1),
        during("Store.renew")
      ),
    evict: (partition, worker) =>
      Effect.asVoid(run("worker-evict", partition, [worker, 0])).pipe(during("Store.evict")),
    leave: (partition, worker) =>
      Effect.asVoid(run("worker-evict", partition, [worker, 1])).pipe(during("Store.leave")),
    read,
    ended,
    unwatch: (partition, ulids, inbox) =>
      ulids.length === 0
        ? Effect.void
        : Effect.asVoid(run("task-unwatch", partition, [inbox, ...ulids])).pipe(during("Store.unwatch")),
    append,
    events,
    inbox,
    bell,
    depth,
    sweep: (partition, limit) =>
      run<number>("segment-sweep", partition, [limit, Duration.toMillis(settings.deadRetention)]).pipe(
        during("Store.sweep")
      ),
    ping: Effect.asVoid(call((client) => client.ping())).pipe(during("Store.ping"))
  })
})

/** The store in the Redis that `Scripted` reaches. */
export const layer = Layer.effect(Store, make)
