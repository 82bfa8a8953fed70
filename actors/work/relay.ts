/**
 * Carries the messages of one partition's outbox to where they are meant for: the end of a child to its parent, a
 * cancel to the children of a task that was cancelled, a task that was acknowledged to its queue, the end of a task to its
 * callback.
 *
 * A message stays in the outbox until it was acted upon, and acting twice is harmless, so a worker that dies half way
 * loses nothing and any other may go on. What this process cannot act upon, a callback that it has no key for, stays for one
 * that can, and nothing waits behind it.
 */
import { Clock, Effect, Exit } from "effect"
import { Store, type StoreError, type StoreFull } from "../../runtime/store.ts"
import type { Message, NewTask } from "../../runtime/mailbox.ts"
import { type Partition, partitionOfId, type TaskId, ulidOfId } from "../../runtime/task.ts"
import { owedFor, webhooksPartition } from "../callback/owed.ts"

/** How many messages are carried at a time. */
const batchMax = 100
const atOnce = 10

/** How many characters of records one call stores of several tasks. */
const charactersMax = 1_048_576

/** How often it is told at most that callbacks stay, in milliseconds, and how many of them are named. */
const toldEveryMs = 60_000
const namedMax = 10

/** Why a child is cancelled. */
export const parentCancelled = "the task that submitted it was cancelled"

/** No bound refuses what is owed. */
const submit = (store: Store["Service"], partition: Partition, ...tasks: ReadonlyArray<NewTask>) =>
  Effect.catchTag(
    store.submit(partition, tasks, { owed: true }),
    ["QueueFull", "AgentQuarantined"],
    Effect.die
  )

/** A callback that cannot be told here stays where it is: another worker may have the key. */
interface Left {
  readonly task: TaskId
  readonly reason: string
}

/** What became of a message: it is to be dropped, also one whose task is not kept any more, or it stays. */
type Fate = "done" | "gone" | Left

type Failed = StoreError | StoreFull

const tell = (store: Store["Service"], id: TaskId): Effect.Effect<Fate, Failed, Store> =>
  Effect.flatMap(owedFor(id), (owed): Effect.Effect<Fate, Failed> => {
    switch (owed.kind) {
      case "delivery":
        return Effect.as(Effect.andThen(submit(store, webhooksPartition, owed.task), owed.stored), "done")
      case "unreadable":
        return Effect.succeed({ task: id, reason: owed.reason })
      case "gone":
        return Effect.succeed("gone")
      case "nothing":
        return Effect.succeed("done")
    }
  })

const act = (store: Store["Service"], message: Message): Effect.Effect<Fate, Failed, Store> => {
  switch (message.kind) {
    case "ended":
      return Effect.as(store.childrenEnded(partitionOfId(message.parent), [message]), "done")
    case "cancel": {
      const { task } = message
      return Effect.as(store.cancel(partitionOfId(task), ulidOfId(task), parentCancelled), "done")
    }
    case "submit":
      return Effect.as(submit(store, message.partition, message.task), "done")
    case "callback":
      return tell(store, message.task)
  }
}

/** Some of the tasks, and how many more there are. */
const someOf = (ids: ReadonlyArray<TaskId>, count: number) =>
  `${ids.slice(0, namedMax).join(", ")}${count > namedMax ? ` and ${count - namedMax} more` : ""}`

type Bundled = Extract<Message, { readonly kind: "submit" | "ended" }>

/** Messages to one partition that one call can act upon, by where they are among all. */
interface Bundle {
  readonly kind: Bundled["kind"]
  readonly to: Partition
  readonly messages: Map<number, Bundled>
  characters: number
}

/** What goes to each partition in its order, where that is more than one message of a kind. */
const bundlesOf = (messages: ReadonlyArray<Message>): ReadonlyArray<Bundle> => {
  const bundles: Array<Bundle> = []
  const open = new Map<string, Bundle>()
  for (const [at, message] of messages.entries()) {
    const { kind } = message
    if (kind !== "submit" && kind !== "ended") continue
    const to = kind === "submit" ? message.partition : partitionOfId(message.parent)
    const characters = kind === "submit" ? message.task.record.length : 0
    let bundle = open.get(`${kind} ${to}`)
    if (bundle === undefined || bundle.characters + characters > charactersMax) {
      bundle = { kind, to, messages: new Map(), characters: 0 }
      open.set(`${kind} ${to}`, bundle)
      bundles.push(bundle)
    }
    bundle.messages.set(at, message)
    bundle.characters += characters
  }
  return bundles.filter(({ messages }) => messages.size > 1)
}

const actOnAll = (store: Store["Service"], { kind, messages, to }: Bundle): Effect.Effect<void, Failed> => {
  const all = [...messages.values()]
  return kind === "submit"
    ? submit(store, to, ...all.flatMap((message) => (message.kind === "submit" ? message.task : [])))
    : store.childrenEnded(
        to,
        all.flatMap((message) => (message.kind === "ended" ? message : []))
      )
}

/** What must be carried one after the other: tasks of one box keep their order. */
const laneOfMessage = (message: Message, at: number) =>
  message.kind === "submit" && message.task.box !== undefined
    ? `${message.partition} ${message.task.box.name}`
    : String(at)

/** Acts upon what can go together, and says which messages that were. Of a partition that does not take all of it none are. */
const carryTogether = Effect.fnUntraced(function* (messages: ReadonlyArray<Message>) {
  const store = yield* Store
  const carried = new Set<number>()
  const refused = new Set<Partition>()
  for (const bundle of bundlesOf(messages)) {
    // What is behind those that were not stored stays behind them.
    if (refused.has(bundle.to)) continue
    const exit = yield* Effect.exit(actOnAll(store, bundle))
    if (Exit.isSuccess(exit)) for (const at of bundle.messages.keys()) carried.add(at)
    else refused.add(bundle.to)
  }
  return carried
})

/**
 * Carries some messages, and drops what was carried, also when others were not; says which ones are to stay. Tasks for one queue,
 * and ends for its parents, go together, and where they cannot, each by itself. One that fails keeps nothing behind it waiting, but where so many fail
 * that nobody seems to answer, the rest is left for the next time.
 */
const carry = Effect.fnUntraced(function* (partition: Partition, messages: ReadonlyArray<Message>) {
  const store = yield* Store
  const together = yield* carryTogether(messages)
  const alone = [...messages.entries()].filter(([at]) => !together.has(at))
  const inOrder = Map.groupBy(alone, ([at, message]) => laneOfMessage(message, at))
  const carried: Array<Message> = messages.filter((_, at) => together.has(at))
  const left = new Map<number, Left>()
  const gone: Array<TaskId> = []
  const carryOne = ([at, message]: [number, Message]) =>
    Effect.map(act(store, message), (fate) => {
      if (typeof fate === "object") return void left.set(at, fate)
      carried.push(message)
      if (fate === "gone" && message.kind === "callback") gone.push(message.task)
    })
  const failed: Array<Exit.Exit<void, Failed>> = []
  const carryInOrder = (some: ReadonlyArray<[number, Message]>) =>
    Effect.map(Effect.exit(Effect.forEach(some, carryOne, { discard: true })), (exit) => {
      if (Exit.isFailure(exit)) failed.push(exit)
    })
  yield* Effect.forEach(
    inOrder.values(),
    (some) => Effect.suspend(() => (failed.length < atOnce ? carryInOrder(some) : Effect.void)),
    { concurrency: atOnce, discard: true }
  )
  if (gone.length > 0)
    yield* Effect.logWarning(
      `callbacks are told to nobody, since their tasks are not kept any more: ${someOf(gone, gone.length)}`
    )
  yield* store.drop(partition, carried)
  yield* failed[0] ?? Effect.void
  return [...left].toSorted(([at], [other]) => at - other).map(([, one]) => one)
})

/** Whether this is the callback of that task. */
const isOf = (message: Message | undefined, task: TaskId) =>
  message?.kind === "callback" && message.task === task

/**
 * Carries what is there now, and says whether there may be more: one pass, to be said again. It remembers how many at the
 * beginning stay, and begins behind them; where others have taken some of these away, it begins anew.
 */
export const relaying = (partition: Partition): Effect.Effect<boolean, Failed, Store> => {
  /** How many stay, and of which task the last one is. */
  let skip = 0
  let last: Left | undefined
  let named: ReadonlyArray<TaskId> = []
  /** Of how many it was told, and when. */
  let told = 0
  let toldAt = Number.NEGATIVE_INFINITY

  const begin = () => {
    skip = 0
    last = undefined
    named = []
    told = 0
  }

  const sayWhatStays = Effect.gen(function* () {
    if (last === undefined || skip <= told) return
    const now = yield* Clock.currentTimeMillis
    if (now - toldAt < toldEveryMs) return
    told = skip
    toldAt = now
    yield* Effect.logWarning(
      `callbacks that this process cannot read stay in the outbox of ${partition}, for one that can: ${last.reason}; the ends of ${someOf(named, skip)}`
    )
  })

  return Effect.gen(function* () {
    const store = yield* Store
    const messages = yield* store.outbox(partition, batchMax, last === undefined ? 0 : skip - 1)
    if (last !== undefined && !isOf(messages[0], last.task)) {
      begin()
      return true
    }
    const fresh = last === undefined ? messages : messages.slice(1)
    const left = yield* carry(partition, fresh)
    skip += left.length
    last = left.at(-1) ?? last
    named = [...named, ...left.map(({ task }) => task)].slice(0, namedMax)
    if (fresh.length > 0) return true
    yield* sayWhatStays
    return false
  })
}

/** Carries all that is there now. */
export const relay = (partition: Partition): Effect.Effect<void, Failed, Store> =>
  Effect.suspend(() => Effect.repeat(relaying(partition), { while: (more) => more })).pipe(Effect.asVoid)
