/** Commands to a store as plain values, so that a sequence of them can be made, compared, cut down and printed. */
import { Effect } from "effect"
import { Operations, type QueueLimits } from "../../runtime/operations.ts"
import { type Step, Steps } from "../../runtime/steps.ts"
import { type Due, type NewEvent, type Remembered, Store } from "../../runtime/store.ts"
import type { Message, NewTask } from "../../runtime/mailbox.ts"
import type { Turn } from "../../runtime/turn.ts"
import { type Entry, idIn, type Partition, partitionOfId, type TaskId, ulidOfId } from "../../runtime/task.ts"
import { Bell, partition as home } from "./stores.ts"
import { aTurn, ulidAt } from "./tasks.ts"
import { TestTime } from "./time.ts"

/** Ids in commands and replies are of this partition; a store may run a sequence in another. */
export { home }

/** Inboxes go by these names in commands, and by names of their own in a store. */
export const inboxNames = ["A", "B"] as const
export type InboxName = (typeof inboxNames)[number]

/** Workers whose orders are listened to. */
export const obedient = ["w0", "w1", "w2", "w0'", "w1'"] as const
export type Obedient = (typeof obedient)[number]

export type Command =
  | { readonly do: "submit"; readonly tasks: ReadonlyArray<NewTask>; readonly owed?: true }
  | { readonly do: "turn"; readonly turn: Turn }
  | { readonly do: "evict" | "leave"; readonly worker: string }
  | { readonly do: "cancel"; readonly ulid: string; readonly orphan?: true }
  | { readonly do: "reschedule"; readonly ulid: string; readonly due: Due }
  | { readonly do: "read"; readonly ulids: ReadonlyArray<string> }
  | { readonly do: "ended"; readonly ulids: ReadonlyArray<string>; readonly watch?: InboxName }
  | { readonly do: "unwatch"; readonly ulids: ReadonlyArray<string>; readonly inbox: InboxName }
  | { readonly do: "append"; readonly worker: string; readonly events: ReadonlyArray<NewEvent> }
  | {
      readonly do: "events"
      readonly ulid: string
      readonly run: number
      readonly seq: number
      readonly limit: number
    }
  | { readonly do: "remember"; readonly worker: string; readonly entry: Entry; readonly step: Step }
  | {
      readonly do: "adopt"
      readonly worker: string
      readonly entry: Entry
      readonly step: Step
      readonly child: TaskId
      readonly anew: boolean
    }
  | { readonly do: "recall"; readonly ulid: string }
  | {
      readonly do: "childEnded"
      readonly parent: TaskId
      readonly child: TaskId
      readonly failed?: true
    }
  | { readonly do: "outbox" }
  | { readonly do: "drop"; readonly messages: ReadonlyArray<Message> }
  | { readonly do: "pause"; readonly paused: boolean; readonly key?: string }
  | { readonly do: "limit"; readonly limits: QueueLimits }
  | { readonly do: "purge" }
  /** The queue as operators see it. */
  | { readonly do: "queue" }
  | { readonly do: "depth" }
  | { readonly do: "sweep"; readonly limit: number }
  | { readonly do: "forget"; readonly remembered: Remembered }
  | { readonly do: "advance" | "setBack"; readonly ms: number }
  /** Whether the bell has rung; takes its token. */
  | { readonly do: "listen" }
  /** What each inbox has heard since this was last asked. */
  | { readonly do: "hear" }
  /** What each worker was ordered since this was last asked. */
  | { readonly do: "obey" }
  /** The keys that are there. */
  | { readonly do: "look" }

/** What a store answered: plain values, in which what has no order is sorted. */
export type Reply = unknown

export interface HearingInbox {
  readonly name: string
  /** Every ULID it was told of, until it is told of `mark`. */
  readonly heardUntil: (mark: string) => Effect.Effect<ReadonlyArray<string>>
}

/** Where commands run. */
export interface Stage {
  readonly partition: Partition
  readonly inboxes: Readonly<Record<InboxName, HearingInbox>>
  /** What a worker was told to stop and to run, until it is told to drain. */
  readonly ordersUntilDrain: (worker: Obedient) => Effect.Effect<ReadonlyArray<string>>
  readonly keys: Effect.Effect<ReadonlyArray<string>>
}

/** What a command needs. */
export type Services = Store | Steps | Operations | TestTime | Bell

const mark = ulidAt(0, 0)

/** More than there ever are. */
const all = 10_000

/** Puts ids of one partition into another; those of any third stay. */
const moved = (from: Partition, to: Partition) => {
  const id = (id: TaskId) => (partitionOfId(id) === from ? idIn(to, ulidOfId(id)) : id)
  const moveTask = (task: NewTask): NewTask =>
    task.parent === undefined ? task : { ...task, parent: id(task.parent) }
  const moveMessage = (message: Message): Message => {
    switch (message.kind) {
      case "ended":
        return { ...message, child: id(message.child), parent: id(message.parent) }
      case "cancel":
      case "callback":
        return { ...message, task: id(message.task) }
      case "submit":
        return {
          kind: "submit",
          partition: message.partition === from ? to : message.partition,
          task: moveTask(message.task)
        }
    }
  }
  return {
    id,
    task: moveTask,
    turn: (turn: Turn): Turn => ({
      ...turn,
      settled: turn.settled.map((settlement) =>
        settlement.kind === "wait" ? { ...settlement, children: settlement.children.map(id) } : settlement
      )
    }),
    message: moveMessage
  }
}

/** Runs a command on the stores at hand. A failure is a reply too. */
export const runOn = ({ inboxes, keys, ordersUntilDrain, partition }: Stage) => {
  const [there, back] = [moved(home, partition), moved(partition, home)]

  const execute = Effect.fnUntraced(function* (command: Command) {
    const store = yield* Store
    const steps = yield* Steps
    const operations = yield* Operations
    switch (command.do) {
      case "submit":
        return yield* store.submit(
          partition,
          command.tasks.map(there.task),
          command.owed === true ? { owed: true } : undefined
        )
      case "turn": {
        const hints = command.turn.hints.map(
          ([name, ulids]) => [inboxes[name as InboxName].name, ulids] as const
        )
        const reply = yield* store.turn(partition, { ...there.turn(command.turn), hints })
        return { ...reply, lost: reply.lost.toSorted(), held: reply.held.toSorted() }
      }
      case "evict":
      case "leave":
        return yield* store[command.do](partition, command.worker)
      case "read":
        return yield* store.read(partition, command.ulids)
      case "ended": {
        const watch = command.watch && { watch: inboxes[command.watch].name }
        return yield* store.ended(partition, command.ulids, watch)
      }
      case "cancel": {
        const options = command.orphan === undefined ? undefined : { orphan: command.orphan }
        const cancelled = yield* store.cancel(partition, command.ulid, "nobody wants it", options)
        return cancelled.kind === "cancelled"
          ? { ...cancelled, children: cancelled.children.map(back.id).toSorted() }
          : cancelled
      }
      case "reschedule":
        return yield* store.reschedule(partition, command.ulid, command.due)
      case "unwatch":
        return yield* store.unwatch(partition, command.ulids, inboxes[command.inbox].name)
      case "append":
        return yield* store.append(partition, command.worker, command.events)
      case "events":
        return yield* store.events(idIn(partition, command.ulid), command, command.limit)
      case "remember":
        return yield* steps.remember(partition, command.worker, command.entry, command.step)
      case "adopt": {
        const { child, entry, step, worker } = command
        return yield* steps.adopt(partition, worker, entry, {
          ...step,
          child: there.id(child),
          anew: command.anew
        })
      }
      case "recall":
        return yield* steps.recall(partition, command.ulid)
      case "childEnded":
        return yield* store.childrenEnded(partition, [
          { ...command, parent: there.id(command.parent), child: there.id(command.child) }
        ])
      case "outbox": {
        const messages = (yield* store.outbox(partition, all)).map(back.message)
        return messages.toSorted((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1))
      }
      case "drop":
        return yield* store.drop(partition, command.messages.map(there.message))
      case "pause":
        return yield* operations.pause(partition, command.paused, command.key)
      case "limit":
        return yield* operations.limit(partition, command.limits)
      case "purge": {
        // A purge may wake a parent, which is found by this call or by the next.
        let [purged, more] = [0, -1]
        while (more !== 0) {
          more = yield* operations.purge(partition, all, "nobody wants them")
          purged += more
        }
        return purged
      }
      case "queue":
        return yield* operations.queue(partition)
      case "depth":
        return yield* store.depth(partition)
      case "sweep":
        return yield* Effect.map(store.sweep(partition, command.limit), ({ dropped, remembered }) => ({
          dropped,
          remembered: remembered.map(({ parents, ...rest }) => ({
            ...rest,
            parents: parents.map(back.id).toSorted()
          }))
        }))
      case "forget":
        return yield* store.forget(partition, {
          ...command.remembered,
          parents: command.remembered.parents.map(there.id)
        })
      case "advance":
      case "setBack":
        return yield* (yield* TestTime)[command.do](command.ms)
      case "listen":
        return yield* (yield* Bell).rang
      case "hear": {
        // Hints arrive in the order in which they were given: after the mark, all before it are there.
        yield* store.turn(
          partition,
          aTurn("ear", { hints: inboxNames.map((name) => [inboxes[name].name, [mark]]) })
        )
        yield* store.leave(partition, "ear")
        // Of tasks of different segments that end together nothing says which is told of first.
        return yield* Effect.forEach(inboxNames, (name) =>
          Effect.map(inboxes[name].heardUntil(mark), (heard) => heard.toSorted())
        )
      }
      case "obey": {
        // So do orders.
        yield* Effect.forEach(obedient, (worker) => operations.drain(partition, worker), {
          concurrency: "unbounded"
        })
        return yield* Effect.forEach(obedient, ordersUntilDrain)
      }
      case "look":
        return yield* keys
    }
  })
  return (command: Command): Effect.Effect<Reply, never, Services> =>
    Effect.match(execute(command), {
      onSuccess: (reply): Reply => reply,
      // What a refusal says may name the partition.
      onFailure: (error) => ({
        failed:
          error._tag === "Fenced" ? "Fenced" : `${error._tag}: ${error.message.replaceAll(partition, home)}`
      })
    })
}
