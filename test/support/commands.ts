/** Commands to a store as plain values, so that a sequence of them can be made, compared, cut down and printed. */
import { Effect } from "effect"
import { type NewEvent, type NewTask, Store, type Turn } from "../../runtime/store.ts"
import { idIn, type Partition } from "../../runtime/task.ts"
import { Bell } from "./stores.ts"
import { aTurn, ulidAt } from "./tasks.ts"
import { TestTime } from "./time.ts"

/** Inboxes go by these names in commands, and by names of their own in a store. */
export const inboxNames = ["A", "B"] as const
export type InboxName = (typeof inboxNames)[number]

export type Command =
  | { readonly do: "submit"; readonly tasks: ReadonlyArray<NewTask> }
  | { readonly do: "turn"; readonly turn: Turn }
  | { readonly do: "evict" | "leave"; readonly worker: string }
  | { readonly do: "cancel"; readonly ulid: string }
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
  | { readonly do: "depth" }
  | { readonly do: "sweep"; readonly limit: number }
  | { readonly do: "advance" | "setBack"; readonly ms: number }
  /** Whether the bell has rung; takes its token. */
  | { readonly do: "listen" }
  /** What each inbox has heard since this was last asked. */
  | { readonly do: "hear" }
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
  readonly keys: Effect.Effect<ReadonlyArray<string>>
}

const mark = ulidAt(0, 0)

/** Runs a command on the store at hand. A failure is a reply too. */
export const runOn = ({ inboxes, keys, partition }: Stage) => {
  const execute = Effect.fnUntraced(function* (command: Command) {
    const store = yield* Store
    switch (command.do) {
      case "submit":
        return yield* store.submit(partition, command.tasks)
      case "turn": {
        const hints = command.turn.hints.map(
          ([name, ulids]) => [inboxes[name as InboxName].name, ulids] as const
        )
        const reply = yield* store.turn(partition, { ...command.turn, hints })
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
      case "cancel":
        return yield* store.cancel(partition, command.ulid, "nobody wants it")
      case "unwatch":
        return yield* store.unwatch(partition, command.ulids, inboxes[command.inbox].name)
      case "append":
        return yield* store.append(partition, command.worker, command.events)
      case "events":
        return yield* store.events(idIn(partition, command.ulid), command, command.limit)
      case "depth":
        return yield* store.depth(partition)
      case "sweep":
        return yield* store.sweep(partition, command.limit)
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
        return yield* Effect.forEach(inboxNames, (name) => inboxes[name].heardUntil(mark))
      }
      case "look":
        return yield* keys
    }
  })
  return (command: Command): Effect.Effect<Reply, never, Store | TestTime | Bell> =>
    Effect.match(execute(command), {
      onSuccess: (reply): Reply => reply,
      onFailure: (error) => ({
        failed: error._tag === "Fenced" ? "Fenced" : `${error._tag}: ${error.message}`
      })
    })
}
