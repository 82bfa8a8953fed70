/**
 * The store in Redis: every method is one script, or one command that only reads.
 *
 * This file knows the order of the scripts' arguments and the shapes of their replies; those of the turn have a file of
 * their own, and so has what is listened to.
 */
import { Duration, Effect, Layer } from "effect"
import { Settings } from "../config.ts"
import type { PartitionKeys } from "../keys.ts"
import {
  AgentQuarantined,
  askedAgainMs,
  type Due,
  type EventKind,
  eventsMax,
  hintEventMax,
  Fenced,
  type Found,
  QueueFull,
  type Rescheduled,
  Store,
  StoreError,
  StoreFull,
  streamIdleMs,
  type TaskEvent,
  orphanMs
} from "../store.ts"
import { isPlain, type NewTask } from "../mailbox.ts"
import {
  laneOfEntry,
  lanes,
  type Partition,
  partitionOfId,
  segmentOf,
  type TaskId,
  ulidOfEntry,
  ulidOfId
} from "../task.ts"
import type { RedisError } from "./link.ts"
import { openBell, openInbox, openOrders } from "./listening.ts"
import { lineOf, messageOf } from "./message.ts"
import { Parts } from "./parts.ts"
import { answersOf } from "./pipeline.ts"
import { during, Scripted } from "./scripted.ts"
import { sweepingBy } from "./sweeping.ts"
import { turnArguments, turnReplyOf, type TurnScriptReply } from "./turn.ts"

/** Plain tasks, as the script that stores only such is given them: records by segment, entries by lane. */
const layOut = (tasks: ReadonlyArray<NewTask>): ReadonlyArray<string | number> => {
  const records = new Parts()
  const entries = new Parts()
  for (const { entry, record } of tasks) {
    records.of(segmentOf(entry)).push(ulidOfEntry(entry), record)
    entries.of(laneOfEntry(entry)).push(entry)
  }
  const head: ReadonlyArray<string | number> = [tasks.length, records.size]
  return head.concat(records.flat(2), entries.flat(1))
}

/** When a task is due, as the scripts are given it. */
const dueText = (due: Due): string | number => ("at" in due ? due.at : `+${due.afterMs}`)

/** What is said of a task beside its entry and its record, as the scripts that store tasks are given it. */
const partsOf = (task: NewTask): ReadonlyArray<string | number> => [
  task.due === undefined ? "" : dueText(task.due),
  task.box?.name ?? "",
  task.box?.limit ?? "",
  task.box?.ordered === true ? "o" : "",
  task.parent ?? "",
  task.expiresAt ?? "",
  task.deadlineAt ?? "",
  task.callback === true ? "c" : ""
]

/** A task that is not plain, as the script that stores one is given it. */
export const otherOf = (task: NewTask): ReadonlyArray<string | number> => [
  task.entry,
  task.record,
  ...partsOf(task)
]

/** Tasks that are not plain, as the script that stores many is given them: what neighbours share is said once. */
const groupsOf = (tasks: ReadonlyArray<NewTask>): ReadonlyArray<string | number> => {
  const all: Array<string | number> = []
  let parts: ReadonlyArray<string | number> = []
  let sizeAt = -1
  for (const task of tasks) {
    const own = partsOf(task)
    if (sizeAt < 0 || own.some((part, at) => part !== parts[at])) {
      parts = own
      sizeAt = all.push(...own, 0) - 1
    }
    all[sizeAt] = (all[sizeAt] as number) + 1
    all.push(task.entry, task.record)
  }
  return all
}

const bounds = { d: "maxDepth", a: "maxAgeMs", k: "maxKeyDepth" } as const

/** What refuses a submit, as the scripts that store tasks say it: a letter, and the bound or the agent. */
export const refusalOf = (partition: Partition, [letter, detail]: readonly [string, string]) =>
  letter === "q"
    ? new AgentQuarantined({ agent: detail })
    : new QueueFull({ partition, bound: bounds[letter as keyof typeof bounds], limit: Number(detail) })

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

type RescheduleReply =
  | ["moved", due: number, run: number, now: number]
  | ["over", alarm: "!" | "#", at: number]
  | ["no", place: keyof typeof stateIn, now: number]

/** A task that does not wait for its time, by where it lies or by its letter. */
const stateIn = {
  lane: "queued",
  held: "running",
  waiting: "waiting",
  S: "succeeded",
  F: "failed",
  C: "cancelled",
  E: "expired"
} as const

const rescheduledOf = (reply: RescheduleReply): Rescheduled => {
  switch (reply[0]) {
    case "moved": {
      const [, due, run, now] = reply
      return { kind: "moved", due, state: due <= now ? "queued" : run === 1 ? "scheduled" : "retrying" }
    }
    case "over":
      return { kind: "over", by: reply[1] === "!" ? "expiry" : "deadline", at: reply[2] }
    case "no":
      return { kind: "elsewhere", state: stateIn[reply[1]], now: reply[2] }
  }
}

/** An event as its stream has it. */
const eventIn = ([position, [kind, data]]: [position: string, fields: Array<string>]): TaskEvent => {
  const dash = position.indexOf("-")
  return {
    run: Number(position.slice(0, dash)),
    seq: Number(position.slice(dash + 1)),
    kind: kind as EventKind,
    data: data!
  }
}

/** What a script, once reached, did not do because Redis is at its `maxmemory`. */
export const isFull = (error: RedisError) => /^OOM\b|-OOM\b/.test(error.message)

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const scripted = yield* Scripted
  const { call, callAll, keysOf, run } = scripted
  const retentionMs = Duration.toMillis(settings.retention)
  const streamMs = Math.max(retentionMs, streamIdleMs)

  const submit: Store["Service"]["submit"] = Effect.fnUntraced(function* (partition, tasks, options) {
    const plain: Array<NewTask> = []
    const others: Array<NewTask> = []
    for (const task of tasks) (isPlain(task) ? plain : others).push(task)
    const [script, args] =
      others.length === 0 && options === undefined
        ? (["task-submit", layOut(plain)] as const)
        : ([
            "task-place",
            [
              options === undefined ? 0 : 1,
              plain.length,
              ...plain.flatMap(({ entry, record }) => [entry, record]),
              ...groupsOf(others)
            ]
          ] as const)
    const reply = yield* run<number | [string, string]>(script, partition, args).pipe(
      Effect.mapError((error) =>
        isFull(error) ? new StoreFull() : new StoreError({ operation: "Store.submit", cause: error.cause })
      )
    )
    if (typeof reply !== "number") return yield* refusalOf(partition, reply)
  })

  const turn: Store["Service"]["turn"] = Effect.fnUntraced(function* (partition, turn) {
    const args = turnArguments(turn, retentionMs)
    const reply = yield* run<-1 | TurnScriptReply>("worker-turn", partition, args).pipe(during("Store.turn"))
    return reply === -1 ? yield* new Fenced({ worker: turn.worker }) : turnReplyOf(reply, turn)
  })

  const cancel: Store["Service"]["cancel"] = Effect.fnUntraced(function* (partition, ulid, reason, options) {
    const error = JSON.stringify({ type: "Cancelled", message: reason })
    const reply = yield* run<0 | string | Array<string>>("task-cancel", partition, [
      ulid,
      error,
      retentionMs,
      options === undefined ? 0 : orphanMs
    ]).pipe(during("Store.cancel"))
    if (reply === 0) return { kind: "missing" } as const
    return typeof reply === "string"
      ? ({ kind: "ended", record: reply } as const)
      : ({ kind: "cancelled", children: reply as Array<TaskId> } as const)
  })

  const reschedule: Store["Service"]["reschedule"] = Effect.fnUntraced(function* (partition, ulid, due) {
    const args = [ulid, dueText(due), retentionMs]
    const reply = yield* run<0 | RescheduleReply>("task-reschedule", partition, args)
    return reply === 0 ? ({ kind: "missing" } as const) : rescheduledOf(reply)
  }, during("Store.reschedule"))

  const childrenEnded: Store["Service"]["childrenEnded"] = (partition, ends) =>
    run(
      "child-ended",
      partition,
      ends.flatMap(({ child, failed, parent }) => [ulidOfId(parent), child, failed === true ? 1 : 0])
    ).pipe(Effect.asVoid, during("Store.childrenEnded"))

  const outbox: Store["Service"]["outbox"] = (partition, most, skip = 0) =>
    call(partition, (client) => client.lrange(keysOf(partition).outbox, skip, skip + most - 1)).pipe(
      Effect.map((lines) => lines.map(messageOf)),
      during("Store.outbox")
    )

  const drop: Store["Service"]["drop"] = (partition, messages) =>
    messages.length === 0
      ? Effect.void
      : call(partition, async (client) => {
          const pipeline = client.pipeline()
          for (const message of messages) pipeline.lrem(keysOf(partition).outbox, 1, lineOf(message))
          answersOf(await pipeline.exec())
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
          hintEventMax,
          ...events.flatMap(({ data, entry, kind, seq }) => [entry, seq, kind, data])
        ]).pipe(during("Store.append"))

  const events: Store["Service"]["events"] = (id, after, limit) =>
    call(partitionOfId(id), (client) =>
      client.xrange(
        keysOf(partitionOfId(id)).events(ulidOfId(id)),
        after.run === 0 ? "-" : `(${after.run}-${after.seq}`,
        "+",
        "COUNT",
        limit
      )
    ).pipe(
      Effect.map((entries) => entries.map(eventIn)),
      during("Store.events")
    )

  const eventsOf: Store["Service"]["eventsOf"] = (partition, wanted, limit) => {
    if (wanted.length === 0) return Effect.succeed([])
    const keys = keysOf(partition)
    const streams = wanted.map(({ ulid }) => keys.events(ulid))
    const positions = wanted.map(({ after }) => `${after.run}-${after.seq}`)
    return call(partition, (client) =>
      client.xread("COUNT", limit, "STREAMS", ...streams, ...positions)
    ).pipe(
      Effect.map((reply) => {
        const found = new Map(reply)
        return streams.map((stream) => found.get(stream)?.map(eventIn) ?? [])
      }),
      during("Store.eventsOf")
    )
  }

  /** How many entries wait in boxes: those of some boxes at a time. */
  const boxedIn = Effect.fnUntraced(function* (partition: Partition, keys: PartitionKeys) {
    let cursor = "0"
    let count = 0
    do {
      const [next, fields] = yield* call(partition, (client) =>
        client.hscan(keys.boxes, cursor, "COUNT", 500)
      )
      const names = fields.filter((_, at) => at % 2 === 0)
      const lengths = yield* call(partition, async (client) => {
        const pipeline = client.pipeline()
        for (const name of names) pipeline.llen(keys.box(name))
        return answersOf<number>(await pipeline.exec())
      })
      for (const length of lengths) count += length
      cursor = next
    } while (cursor !== "0")
    return count
  })

  const depth: Store["Service"]["depth"] = Effect.fnUntraced(function* (partition) {
    const keys = keysOf(partition)
    const workers = yield* call(partition, (client) => client.zrange(keys.workers, 0, "-1"))
    const counts = yield* call(partition, async (client) => {
      const pipeline = client.pipeline()
      for (const lane of lanes) pipeline.llen(keys.lane(lane))
      pipeline.zcard(keys.later).zcard(keys.dead)
      pipeline.hlen(keys.waiting).llen(keys.suspects)
      for (const worker of workers) pipeline.scard(keys.held(worker))
      return answersOf<number>(await pipeline.exec())
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
      boxed: (yield* boxedIn(partition, keys)) + suspects,
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
    reschedule,
    orders: openOrders(scripted),
    childrenEnded,
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
    eventsOf,
    inbox: openInbox(scripted),
    bell: openBell(scripted),
    depth,
    ...sweepingBy(scripted, {
      againMs: askedAgainMs(retentionMs),
      deadRetentionMs: Duration.toMillis(settings.deadRetention)
    }),
    ping: Effect.asVoid(callAll((client) => client.ping())).pipe(during("Store.ping"))
  })
})

/** The store in the Redis that `Scripted` reaches. */
export const layer = Layer.effect(Store, make)
